"""Transcripts become drafts. (One sample a format: adapters/hotline/samples, run by tests/contract.)"""

import io
import json
import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hotline.channel import Hotline, open_channel
from adapters.hotline.phones import find_customer_phone
from adapters.hotline.settings import ChannelSettings
from adapters.hotline.simulator import SETTINGS
from adapters.hotline.speakers import Utterance, assign_speakers, name_speaker
from adapters.hotline.values import read_moment, read_ms
from gateway.contract.complaint import Speaker
from gateway.contract.draft import Draft
from gateway.contract.errors import Unreadable
from tests.contract.house import make_house

SHARED = Path(__file__).resolve().parents[4] / "shared"
REAL = sorted([*(SHARED / "samples/transcripts").glob("*"), *(SHARED / "data/redistributable/hotline").glob("*")])
ZONE = ZoneInfo("Asia/Shanghai")


def make_hotline() -> Hotline:
    return open_channel("95561", ChannelSettings.model_validate(SETTINGS), make_house(Path("unused")))


def read(body: Any, name: str = "x.json", format_name: str | None = None) -> Draft:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    channel = make_hotline()
    (envelope,) = channel.split(io.BytesIO(raw), name, format_name)
    return channel.draft(envelope)


@pytest.mark.parametrize(
    ("voice", "speaker"),
    [
        ("客服", "agent"), ("座席1023", "agent"), ("客户经理", "agent"), ("AGENT", "agent"), ("internal", "agent"),
        ("客户", "customer"), ("caller", "customer"), ("CUSTOMER_1", "customer"), ("用户", "customer"), ("العميل", "customer"),
        ("智能客服", "bot"), ("ivr", "bot"), ("system", "system"),
        ("SPEAKER_00", None), ("1", None), ("张三", None), ("", None), ("repairman", None),
    ],
)  # fmt: skip
def test_a_role_word_names_the_speaker(voice: str, speaker: str | None) -> None:
    assert name_speaker(voice) == (Speaker(speaker) if speaker else None)


def said(*lines: tuple[str, str]) -> list[str]:
    return [turn.speaker.value for turn in assign_speakers([Utterance(voice, text) for voice, text in lines])]


def test_of_numbered_voices_the_one_that_greets_as_staff_is_the_agent() -> None:
    assert said(("0", "喂"), ("1", "您好，工号一零二三为您服务"), ("0", "我要投诉")) == [
        "customer",
        "agent",
        "customer",
    ]


def test_a_second_agent_who_takes_over_is_an_agent_too() -> None:
    lines = (("0", "工号一零二三为您服务"), ("1", "我要投诉"), ("2", "我是主管，请问有什么可以帮您"))
    assert said(*lines) == ["agent", "customer", "agent"]


def test_a_customer_who_repeats_the_greeting_is_not_silenced() -> None:
    assert said(("0", "工号一零二三为您服务"), ("1", "你们说为您服务，服务了什么")) == ["agent", "customer"]


def test_where_nobody_was_told_apart_all_words_count_as_the_customers() -> None:
    assert said(("", "工号一零二三为您服务"), ("", "我不想活了")) == ["customer", "customer"]


@pytest.mark.parametrize(
    ("numbers", "phone"),
    [
        (("13800000000", "95561"), "13800000000"),
        (("95561", "13800000000"), "13800000000"),
        (("008695561", "tel:+8613800000000"), "+8613800000000"),
        (("+86 95561", None), ""),
        (("anonymous", ""), ""),
        (("0591-87654321",), "0591-87654321"),
        ((13800000000,), "13800000000"),
        (("sip:1023@pbx.bank.example",), ""),
        (("1" * 40,), ""),
    ],
)
def test_the_customers_number_is_never_the_banks(numbers: tuple[object, ...], phone: str) -> None:
    assert find_customer_phone({"95561"}, *numbers) == phone


@pytest.mark.parametrize(
    ("value", "iso"),
    [
        ("2026-01-01T10:00:00+08:00", "2026-01-01T10:00:00+08:00"),
        ("2026-01-01T02:00:00Z", "2026-01-01T02:00:00+00:00"),
        ("2026-01-01 10:00:00", "2026-01-01T10:00:00+08:00"),
        ("2026/01/01 10:00:00", "2026-01-01T10:00:00+08:00"),
        (1767232800, "2026-01-01T02:00:00+00:00"),
        ("1767232800000", "2026-01-01T02:00:00+00:00"),
        (1767232800000000, "2026-01-01T02:00:00+00:00"),
        (float("inf"), None), (float("nan"), None), (10**400, None), ("yesterday", None), (None, None), ([], None), (0, None),
    ],
)  # fmt: skip
def test_moments_are_read_in_every_vendors_form_and_in_the_banks_zone(value: Any, iso: str | None) -> None:
    moment = read_moment(value, ZONE)
    assert (moment.isoformat() if moment else None) == iso


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        (720, 720),
        ("720", 720),
        ("0.72s", 720),
        ("PT0.72S", 720),
        ("PT1M2S", 62_000),
        (True, None),
        ("", None),
        (-1, None),
        (float("nan"), None),
        (10**400, None),
    ],
)
def test_offsets_are_read_in_every_vendors_form(value: Any, ms: int | None) -> None:
    assert read_ms(value) == ms


def test_control_characters_and_half_surrogates_never_reach_the_store() -> None:
    draft = read(b'{"call_id": "\\ud800", "text": "a\\u0000b\\ud800c", "title": 7, "contact": [], "branch": [1]}')
    assert draft.text == "abc"
    assert not draft.replaces


def test_a_format_asked_for_wins_over_the_one_found() -> None:
    body = {"segments": [{"text": "silence", "no_speech_prob": 0.99}], "text": "我要投诉"}
    with pytest.raises(Unreadable):
        read(body)
    assert read(body, format_name="turns").text == "我要投诉"


def test_google_repeats_all_words_in_the_last_result_and_they_count_once() -> None:
    def result(text: str) -> dict[str, Any]:
        return {"alternatives": [{"transcript": text}]}

    draft = read({"results": [result("我要"), result("投诉"), result("我要 投诉")]})
    assert [turn.text for turn in draft.turns] == ["我要", "投诉"]


def test_an_amended_vcon_joins_the_call_it_was_made_of() -> None:
    vcon = {"uuid": "b", "amended": {"uuid": "a"}, "parties": [], "dialog": [{"type": "text", "body": "hello"}]}
    (envelope,) = make_hotline().split(io.BytesIO(json.dumps(vcon).encode()), "x.vcon", None)
    assert envelope.thread is not None
    assert envelope.thread.key == "call:a"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "turns",
                    "text",
                    "role",
                    "party",
                    "parties",
                    "dialog",
                    "analysis",
                    "body",
                    "type",
                    "vcon",
                    "payload",
                    "signatures",
                    "ciphertext",
                    "protected",
                    "results",
                    "channels",
                    "alternatives",
                    "transcripts",
                    "phrases",
                    "segments",
                    "recognizedPhrases",
                    "nBest",
                    "Transcript",
                    "Content",
                    "entries",
                    "sentences",
                    "Result",
                    "Sentences",
                    "Response",
                    "Data",
                    "ResultDetail",
                    "resultDetail",
                    "content",
                    "orderResult",
                    "stamp_sents",
                    "text_seg",
                    "start",
                    "start_ms",
                    "duration",
                    "uuid",
                    "amended",
                    "contact",
                    "branch",
                    "caller",
                    "attachments",
                    "encoding",
                    "mediatype",
                    "words",
                    "cw",
                    "SdkAppId",
                    "data",
                    "asrResult",
                    "analysisInput",
                    "conversations",
                    "conversationItems",
                    "Segments",
                    "Phrases",
                    "originator",
                    "paragraphs",
                    "offset",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=40,
)


@given(json_values)
def test_no_shape_of_json_breaks_the_reader(value: Any) -> None:
    try:
        read(json.dumps(value).encode())
    except Unreadable as error:
        assert error.code  # noqa: PT017 - most shapes are readable, so raising is not expected


@pytest.mark.parametrize("path", REAL or [None], ids=lambda path: path.name if path else "absent")
def test_every_known_payload_is_read_or_set_aside_with_a_reason(path: Path | None) -> None:
    if path is None:
        pytest.skip(f"the collected payloads are not at {SHARED.name}/, so none of them was read")
    channel = make_hotline()
    with path.open("rb") as source:
        envelopes = list(channel.split(source, path.name, None))
    assert envelopes
    for envelope in envelopes:
        try:
            draft = channel.draft(envelope)
        except Unreadable as error:
            assert error.detail  # noqa: PT017 - either outcome is right
        else:
            assert draft.text or draft.turns


def make_multipart(inner: str) -> dict[str, Any]:
    dialog = {"type": "text", "mediatype": 'multipart/mixed; boundary="b"', "body": f"--b\r\n{inner}\r\n--b--\r\n"}
    return {"uuid": "a", "parties": [], "dialog": [dialog]}


@pytest.mark.parametrize("charset", ["utf-8", "gb2312", "x-nobody-knows"])
def test_a_mail_in_a_vcon_keeps_its_words_whatever_charset_it_claims(charset: str) -> None:
    draft = read(make_multipart(f"Content-Type: text/plain; charset={charset}\r\n\r\n我要投诉"))
    assert draft.text == "我要投诉"


@pytest.mark.parametrize(
    "body",
    [
        b"<a" * 500_000 + b"00:01.000 --> 00:02.000\n" + b"<a<v x" * 300_000,
        "客服：您好\n".encode() + b"x\n" * 600_000,
        json.dumps({"turns": [{"speaker": f"n{n}", "text": "x"} for n in range(30_000)]}).encode(),
        json.dumps({"results": [{"alternatives": [{"transcript": "x"}]}] * 30_000}).encode(),
        json.dumps(
            {"parties": [], "dialog": [{"type": "text", "mediatype": "text/html", "body": "<a" * 900_000}]}
        ).encode(),
    ],
    ids=["tags", "lines", "voices", "results", "markup"],
)
def test_no_body_of_two_megabytes_holds_up_the_reader(body: bytes) -> None:
    began = time.perf_counter()
    read(body)
    assert time.perf_counter() - began < 5
