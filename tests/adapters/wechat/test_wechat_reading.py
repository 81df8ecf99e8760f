"""What is read out of messages and files."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wechat_account import open_with

from adapters.wechat.simulator import OPENID, make_call, push
from gateway.contract.draft import Attachment, Draft
from gateway.contract.errors import Ignored, Unreadable

SAMPLES = Path(__file__).parents[3] / "adapters/wechat/samples"


def draft_of(channel, **fields):
    (envelope,) = channel.receive(push(text="x", key="1", form="json", fields={"Content": "", **fields}))
    return channel.draft(envelope)


def split(channel, data, name="pushes", format_name=None):
    return list(channel.split(io.BytesIO(data), name, format_name))


def describe(channel, envelope):
    try:
        return channel.draft(envelope)
    except (Ignored, Unreadable) as error:
        return f"{type(error).__name__} {error.code}"


def test_a_text_is_kept_to_the_last_space(channel):
    text = "  第一行\n\n第二行 <b>&amp; ]]> 😡\t "
    (envelope,) = channel.receive(push(text=text, key="1"))
    assert channel.draft(envelope) == Draft(
        text=text, wechat_openid=OPENID, occurred_at=datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)
    )


def test_the_words_of_a_voice_message_come_with_its_sound(channel):
    draft = draft_of(channel, MsgType="voice", MediaId="m1", Format="speex", Recognition="我要投诉")
    assert draft.text == "我要投诉"
    assert draft.attachments == (Attachment(name="voice-1.speex", media_type="audio/speex", remote="media:m1"),)


@pytest.mark.parametrize("recognition", ["", "  "])
def test_a_voice_message_nobody_wrote_down_is_still_a_complaint(channel, recognition):
    draft = draft_of(channel, MsgType="voice", MediaId="m1", Format="../../etc", Recognition=recognition)
    assert draft.text == "[语音]"
    assert draft.attachments == (Attachment(name="voice-1.amr", media_type="audio/amr", remote="media:m1"),)


@pytest.mark.parametrize(("kind", "text"), [("image", "[图片]"), ("video", "[视频]"), ("shortvideo", "[小视频]")])
def test_a_picture_alone_is_a_complaint(channel, kind, text):
    draft = draft_of(channel, MsgType=kind, MediaId="m1")
    assert (draft.text, draft.attachments[0].remote) == (text, "media:m1")


def test_a_place_and_a_link_are_read_as_text(channel):
    place = draft_of(channel, MsgType="location", Location_X="26.07", Location_Y="119.29", Label="福州市鼓楼区")
    assert place.text == "[位置] 福州市鼓楼区 (26.07, 119.29)"
    link = draft_of(channel, MsgType="link", Title="聊天记录", Description="转账", Url="https://example.com/1")
    assert link.text == "聊天记录\n转账\nhttps://example.com/1"


def test_an_empty_text_is_set_aside(channel):
    with pytest.raises(Unreadable, match="wechat_empty"):
        draft_of(channel, MsgType="text")


@pytest.mark.parametrize("created", ["0", "abc", "9" * 30, "-1", "1790000000.5"])
def test_an_impossible_time_is_left_out(channel, created):
    assert draft_of(channel, CreateTime=created, Content="x").occurred_at is None


def test_the_reading_of_a_kept_push_needs_no_key():
    (envelope,) = open_with().receive(push(text="旧密钥", key="1", secret="rotated"))
    keyless = open_with(mode="plain", aes_keys=[], tokens=["another"])
    assert keyless.draft(envelope).text == "旧密钥"


def test_half_a_character_is_replaced(channel):
    (envelope,) = channel.receive(
        make_call(b'{"MsgType":"text","Content":"\\ud83d","FromUserName":"\\ud83d","ToUserName":"gh_7f083739789a"}')
    )
    draft = channel.draft(envelope)
    assert (draft.text, draft.wechat_openid) == ("�", "")


class TestFiles:
    def test_a_file_of_a_push_has_its_key_and_content(self, channel):
        (pushed,) = channel.receive(push(text="x", key="1"))
        (imported,) = split(channel, pushed.raw)
        assert (imported.source_key, imported.content_digest()) == (pushed.source_key, pushed.content_digest())
        assert imported.thread == pushed.thread
        assert imported.backfill

    def test_an_encrypted_file_is_the_push_it_holds(self, channel):
        call = push(text="x", key="1")
        (pushed,) = channel.receive(call)
        (imported,) = split(channel, call.body)
        assert (imported.source_key, imported.raw) == (pushed.source_key, pushed.raw)

    def test_an_encrypted_file_becomes_readable_with_its_key(self):
        (envelope,) = split(open_with(mode="plain", aes_keys=[]), push(text="旧密钥", key="1").body)
        assert describe(open_with(mode="plain", aes_keys=[]), envelope) == "Unreadable wechat_encrypted"
        assert open_with().draft(envelope).text == "旧密钥"

    def test_pushes_come_in_the_order_of_the_file(self, channel):
        pushes = [{"body": f"<xml><MsgType>text</MsgType><Content>{n}</Content></xml>"} for n in range(6)]
        data = json.dumps([pushes[:2], {"requests": pushes[2:4]}, {"xml": pushes[4]["body"]}, pushes[5]]).encode()
        assert [channel.draft(envelope).text for envelope in split(channel, data)] == list("012345")

    def test_a_second_import_adds_nothing(self, channel):
        data = (SAMPLES / "three_pushes.in.jsonl").read_bytes()
        assert [e.source_key for e in split(channel, data)] == [e.source_key for e in split(channel, data)]

    def test_the_same_push_in_three_modes_is_one(self, channel):
        envelopes = split(channel, (SAMPLES / "requests.in.json").read_bytes())[2:5]
        assert len({(e.source_key, e.content_digest()) for e in envelopes}) == 1

    @pytest.mark.parametrize("format_name", [None, "xml", "json", "jsonl"])
    @settings(deadline=None)
    @given(
        data=st.one_of(
            st.binary(max_size=300), st.sampled_from([b"[" * 99_999, b'{"xml": [[[{}, 1], null], "a"]}', b"null"])
        )
    )
    def test_no_bytes_make_an_import_fail(self, format_name, data):
        channel = open_with()
        for envelope in split(channel, data, format_name=format_name):
            describe(channel, envelope)

    @settings(deadline=None)
    @given(
        st.recursive(
            st.none() | st.integers() | st.text(),
            lambda inner: (
                st.lists(inner)
                | st.dictionaries(st.sampled_from(["xml", "body", "requests", "MsgType", "Encrypt", "Content"]), inner)
            ),
        )
    )
    def test_no_json_makes_an_import_fail(self, value):
        channel = open_with()
        for envelope in split(channel, json.dumps(value).encode()):
            describe(channel, envelope)
