"""微信客服 against the simulated WeCom server: the door, the asking with its cursor, the drafts, and the answers."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from adapters.wecom_kf import simulator
from adapters.wecom_kf.channel import REST_MS, SYNC, WeComChannel, open_channel
from adapters.wecom_kf.notice import open_notice
from adapters.wecom_kf.settings import ChannelSettings, NoticeSettings
from adapters.wecom_kf.simulator import OPEN_KFID, PERSON, RECEIVED_AT, WeCom, make_nudge, open_wecom
from config.settings import Settings
from gateway.contract.call import Reply
from gateway.contract.clock import Millis
from gateway.contract.complaint import Authenticity
from gateway.contract.draft import Address, AddressKind
from gateway.contract.envelope import Envelope
from gateway.contract.errors import Ignored, Refused, Rejected, TryLater, Unreadable
from gateway.contract.ports import Notice, Purpose
from gateway.contract.receipt import Receipt
from gateway.intake.accept import Acceptance
from gateway.intake.polling import Polling
from gateway.intake.scrub.envelope import Scrub
from gateway.stages.reading import Read, Reader
from tests.contract.house import ManualClock, make_house
from tests.keyring import mark
from tests.running import gateway, read_ledger, write_config
from tests.store.conftest import Bench, bench, store

__all__ = ["bench", "store"]
JPEG = b"\xff\xd8\xff\xe0" + bytes(3000)
PATIENCE_S = 30.0


def make_channel(
    folder: Path, clock: ManualClock | None = None, url: str = "http://127.0.0.1:9", **changes: Any
) -> WeComChannel:
    settings = ChannelSettings.model_validate({**simulator.SETTINGS, "api_url": url, **changes})
    return open_channel("kf", settings, make_house(folder, clock or ManualClock(RECEIVED_AT)))


def make_message(fields: dict[str, Any], **changes: Any) -> Envelope:
    outer = {"msgid": "m1", "open_kfid": OPEN_KFID, "external_userid": PERSON, "send_time": 1615478585, "origin": 3}
    return Envelope(
        channel="kf",
        adapter="wecom_kf",
        source_key="msg:m1",
        media_type="application/json",
        raw=json.dumps({**outer, **fields, **changes}, ensure_ascii=False).encode(),
        received_at=Millis(RECEIVED_AT),
        authenticity=Authenticity(verified=True, method="wecom_api"),
    )


# --- the door ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", ["right", "rotated"])
def test_the_console_gets_its_echo_back_decrypted(tmp_path: Path, secret: str):
    reply = make_channel(tmp_path).receive(make_nudge(secret=secret, echo="5837397520665436492"))
    assert reply == Reply(200, b"5837397520665436492")


@pytest.mark.parametrize("secret", ["right", "rotated"])
def test_a_callback_is_answered_and_nothing_is_kept(tmp_path: Path, secret: str):
    assert make_channel(tmp_path).receive(make_nudge(secret=secret)) == Reply(200, b"success")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"secret": "wrong"}, "wecom_signature"),
        ({"secret": "missing"}, "wecom_unsigned"),
        ({"received_at": RECEIVED_AT - 700_000}, "wecom_stale"),
        ({"secret": "wrong", "echo": "1"}, "wecom_signature"),
    ],
)
def test_strangers_and_replays_are_refused(tmp_path: Path, options: dict[str, Any], code: str):
    call = replace(make_nudge(**options), received_at=Millis(RECEIVED_AT))
    with pytest.raises(Refused) as refused:
        make_channel(tmp_path).receive(call)
    assert (refused.value.code, refused.value.status) == (code, 403)


def test_a_call_for_another_company_is_refused(tmp_path: Path):
    with pytest.raises(Refused, match="wecom_undecryptable"):
        make_channel(tmp_path, corpid="ww-another").receive(make_nudge())


def test_no_body_does_more_than_be_refused(tmp_path: Path):
    channel, luck = make_channel(tmp_path), random.Random(7)
    good = make_nudge()
    bodies = [b"", b"\x00", b"null", b"<xml/>", b"{}", b"<a>" * 5000, good.body[:-5], good.body * 2]
    bodies += [luck.randbytes(luck.randrange(1, 300)) for _ in range(50)]
    bodies += ["<xml><Encrypt>汉字</Encrypt></xml>".encode(), b'{"Encrypt": "\\ud800"}']
    for body in bodies:
        with pytest.raises(Refused):
            channel.receive(replace(good, body=body))


# --- drafts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "text", "remote"),
    [
        ({"msgtype": "text", "text": {"content": " 投诉 "}}, " 投诉 ", ""),
        ({"msgtype": "image", "image": {"media_id": "M"}}, "[图片]", "media:M"),
        ({"msgtype": "voice", "voice": {"media_id": "M"}}, "[语音]", "media:M"),
        ({"msgtype": "video", "video": {"media_id": "M"}}, "[视频]", "media:M"),
        ({"msgtype": "file", "file": {"media_id": "M"}}, "[文件]", "media:M"),
        (
            {"msgtype": "location", "location": {"latitude": 26.07, "longitude": 119.3, "name": "五一支行", "address": "五一北路"}},
            "[位置] 五一支行 五一北路 (26.07, 119.3)",
            "",
        ),
        ({"msgtype": "link", "link": {"title": "A", "desc": "B", "url": "https://x"}}, "A\nB\nhttps://x", ""),
        ({"msgtype": "miniprogram", "miniprogram": {"title": "手机银行"}}, "[小程序] 手机银行", ""),
        ({"msgtype": "merged_msg", "merged_msg": {"title": "群聊的聊天记录"}}, "[聊天记录] 群聊的聊天记录", ""),
    ],
)  # fmt: skip
def test_what_a_customer_says_is_read(tmp_path: Path, fields: dict[str, Any], text: str, remote: str):
    draft = make_channel(tmp_path).draft(make_message(fields))
    assert draft.text == text
    assert [each.remote for each in draft.attachments] == ([remote] if remote else [])
    assert draft.unheard == ((remote,) if fields["msgtype"] == "voice" else ())
    assert draft.acknowledge == Address(AddressKind.WECOM, PERSON, OPEN_KFID)
    assert draft.occurred_at is not None


@pytest.mark.parametrize(
    ("fields", "failure", "code"),
    [
        ({"msgtype": "event", "origin": 4, "event": {"event_type": "enter_session"}}, Ignored, "wecom_event"),
        ({"msgtype": "text", "origin": 5, "text": {"content": "x"}}, Ignored, "wecom_not_from_customer"),
        ({"msgtype": "text", "text": {"content": "完毕"}}, Ignored, "wecom_end_word"),
        ({"msgtype": "hologram", "hologram": {}}, Unreadable, "wecom_kind_unknown"),
        ({"msgtype": ["text"]}, Unreadable, "wecom_kind_unknown"),
        ({"msgtype": "text", "text": {"content": ""}}, Unreadable, "wecom_empty"),
        ({"msgtype": "text", "text": "no table"}, Unreadable, "wecom_empty"),
        ({"msgtype": "image", "image": {}, "send_time": 10**30}, None, ""),
    ],
)
def test_what_is_no_complaint_or_not_known_is_said(
    tmp_path: Path, fields: dict[str, Any], failure: type[Exception] | None, code: str
):
    channel = make_channel(tmp_path)
    if failure is None:
        assert channel.draft(make_message(fields)).text == "[图片]"
        return
    with pytest.raises(failure, match=code):
        channel.draft(make_message(fields))


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_bytes_that_are_no_message_are_set_aside(tmp_path: Path, raw: bytes):
    with pytest.raises(Unreadable, match="wecom_not_a_message"):
        make_channel(tmp_path).draft(replace(make_message({}), raw=raw))


# --- asking --------------------------------------------------------------------------------------------------------


@dataclass
class Asked:
    """The channel polled into a real store, as the gateway does it."""

    wecom: WeCom
    channel: WeComChannel
    polling: Polling
    bench: Bench
    clock: ManualClock

    def nudge(self, **options: Any) -> None:
        self.channel.receive(make_nudge(received_at=self.clock.now_ms(), **options))

    async def ask(self) -> int:
        """Polls until there is no more at once; returns how often."""
        count = 1
        while await self.polling._poll():
            count += 1
        return count

    async def kept(self) -> list[str]:
        envelopes = await self.bench.read_envelopes()
        raws = [json.loads(envelopes[envelope_id].raw) for envelope_id in sorted(envelopes)]
        return [raw.get("text", {}).get("content", "") for raw in raws]


@pytest.fixture
async def asked(bench: Bench, tmp_path: Path) -> AsyncIterator[Asked]:
    async with asking(bench, tmp_path) as asked:
        yield asked


@asynccontextmanager
async def asking(bench: Bench, folder: Path, **settings: Any) -> AsyncIterator[Asked]:
    clock = ManualClock(RECEIVED_AT)
    bench.clock = clock  # type: ignore[assignment]
    store = await bench.open()
    async with open_wecom(clock.now_ms, page=2) as wecom:
        channel = make_channel(folder, clock, wecom.url, **settings)
        polling = Polling("kf", channel, Acceptance(store, Scrub(mark), lambda: None), store, clock)
        yield Asked(wecom, channel, polling, bench, clock)
        await channel.close()


async def test_every_page_is_asked_for_and_kept_once(asked: Asked):
    for number in range(5):
        asked.wecom.say(f"第{number}条")
    assert await asked.ask() == 3
    assert await asked.kept() == [f"第{number}条" for number in range(5)]
    asked.nudge()
    assert await asked.ask() == 1
    assert len(await asked.kept()) == 5
    assert [call.get("cursor") for _, call in asked.wecom.calls] == [None, "2", "4", "5"]


async def test_a_lost_cursor_costs_a_second_reading_and_doubles_nothing(asked: Asked, tmp_path: Path):
    for number in range(3):
        asked.wecom.say(f"第{number}条")
    await asked.ask()
    await asked.polling._store.accept([], cursor="not a cursor of ours", channel="kf")
    asked.nudge()
    await asked.ask()
    assert len(await asked.kept()) == 3
    assert asked.wecom.calls[-1][1]["cursor"] == "2", "it began anew"


async def test_a_callback_brings_the_message_at_once_and_its_token_along(asked: Asked):
    await asked.ask()
    asked.wecom.say("刚刚发的")
    await asked.ask()
    assert await asked.kept() == [], "not asked for before its time"
    asked.nudge(token="a-fresh-token")
    await asked.ask()
    assert await asked.kept() == ["刚刚发的"]
    assert asked.wecom.calls[-1][1]["token"] == "a-fresh-token"


async def test_a_lost_callback_delays_a_message_and_loses_nothing(asked: Asked):
    await asked.ask()
    asked.wecom.say("没有回调")
    asked.clock.advance(60_000)
    await asked.ask()
    assert await asked.kept() == ["没有回调"]
    assert "token" not in asked.wecom.calls[-1][1]


async def test_an_old_token_is_not_shown(asked: Asked):
    asked.wecom.faults[SYNC] = [-1]
    asked.nudge()
    with capture_logs():
        await asked.ask()
    asked.clock.advance(11 * 60_000)
    await asked.ask()
    assert ["token" in call for _, call in asked.wecom.calls] == [True, False]


async def test_a_failed_asking_rests_and_is_made_good(asked: Asked):
    asked.wecom.say("要留下")
    asked.nudge()
    asked.wecom.faults[SYNC] = [-1]
    with capture_logs() as logs:
        for _ in range(5):
            await asked.ask()
    assert [line["code"] for line in logs] == ["wecom_kf_busy"]
    assert len(asked.wecom.calls) == 1
    asked.clock.advance(REST_MS)
    await asked.ask()
    assert await asked.kept() == ["要留下"]


async def test_a_refused_token_is_replaced(asked: Asked):
    asked.wecom.say("一")
    asked.wecom.faults[SYNC] = [42001]
    await asked.ask()
    assert await asked.kept() == ["一"]


async def test_each_account_has_a_cursor_of_its_own(bench: Bench, tmp_path: Path):
    async with asking(bench, tmp_path, open_kfids=[OPEN_KFID, "wk-second"]) as asked:
        asked.wecom.bare_calls = 10
        asked.wecom.say("给第一个")
        asked.wecom.say("给第二个", open_kfid="wk-second")
        await asked.ask()
        assert sorted(await asked.kept()) == ["给第一个", "给第二个"]
        assert json.loads(str(await asked.polling._store.cursor("kf"))) == {OPEN_KFID: "1", "wk-second": "1"}


async def test_five_messages_are_one_matter_and_events_have_no_number(asked: Asked):
    for number in range(5):
        asked.wecom.say(f"第{number}条")
    asked.wecom.put({"msgtype": "event", "event": {"event_type": "enter_session", "scene": "123"}}, origin=4)
    await asked.ask()
    receipts = [row[0] for row in asked.bench.query("SELECT receipt FROM inbox ORDER BY id")]
    assert len(set(receipts[:5])) == 1
    assert receipts[0] is not None
    assert receipts[5] is None


@pytest.mark.parametrize(
    ("scene", "branch"),
    [
        ({"scene_param": "F0591001"}, "F0591001"),
        ({"scene": "F0591001"}, "F0591001"),
        ({"scene": "unknown"}, None),
        ({}, None),
    ],
)
async def test_who_enters_by_a_branchs_link_writes_to_that_branch(
    asked: Asked, tmp_path: Path, scene: Any, branch: Any
):
    event = {"event_type": "enter_session", "open_kfid": OPEN_KFID, "external_userid": PERSON, **scene}
    asked.wecom.put({"msgtype": "event", "event": event}, origin=4)
    await asked.ask()
    asked.clock.advance(60_000)
    asked.wecom.say("排队一个多小时，没人管。")
    await asked.ask()
    settings = Settings.model_validate({"channels": {"kf": {"adapter": "wecom_kf", **simulator.SETTINGS}}})
    house = make_house(tmp_path, asked.clock)
    reader = Reader(settings, house, {"kf": asked.channel})
    items = await asked.polling._store.claim_inbox(10, asked.clock.now_ms(), 60_000)
    complaints = [json.loads(read.document) for item in items if isinstance(read := reader.read(item), Read)]
    assert [complaint["branch"] and complaint["branch"]["code"] for complaint in complaints] == [branch]


@pytest.mark.parametrize(
    "content", [b'{"a file": "of the customer"}', b"{" + bytes(3_000_000), b"{broken", b"PK\x03\x04" + bytes(500)]
)
async def test_a_file_is_collected_whatever_it_looks_like(asked: Asked, content: bytes):
    asked.wecom.send("file", content, "application/octet-stream")
    (media_id,) = asked.wecom.media
    async with asked.channel.collect(f"media:{media_id}") as media:
        assert b"".join([chunk async for chunk in media.chunks]) == content


async def test_a_file_that_is_gone_is_said_to_be_gone(asked: Asked):
    with pytest.raises(Rejected, match="wecom_kf_media_gone"):
        async with asked.channel.collect("media:long-thrown-away"):
            pass


# --- answers -------------------------------------------------------------------------------------------------------


def make_notice(number: int = 1) -> Notice:
    return Notice(
        id=f"{number:032x}",
        purpose=Purpose.ACKNOWLEDGEMENT,
        to=Address(AddressKind.WECOM, PERSON, OPEN_KFID),
        subject="受理编号",
        text="受理编号 4711 0815 4242",
        receipt=Receipt("471108154242"),
    )


async def test_the_number_goes_out_five_times_and_no_more(tmp_path: Path):
    clock = ManualClock(RECEIVED_AT)
    async with open_wecom(clock.now_ms) as wecom:
        values = {name: simulator.SETTINGS[name] for name in ("corpid", "secret")}
        notifier = open_notice(
            "kf", NoticeSettings.model_validate({**values, "api_url": wecom.url}), make_house(tmp_path, clock)
        )
        wecom.say("投诉")
        for number in range(5):
            assert await notifier.send(make_notice(number)) == f"wecom_kf:{number:032x}"
        with pytest.raises(Rejected, match="wecom_kf_window_used"):
            await notifier.send(make_notice(6))
        assert wecom.telephone[PERSON] == ["受理编号 4711 0815 4242"] * 5
        await notifier.close()


async def test_wrong_secrets_and_absent_servers_are_named(tmp_path: Path):
    async with open_wecom(ManualClock().now_ms) as wecom:
        settings = NoticeSettings.model_validate({"corpid": "ww1", "secret": "x", "api_url": wecom.url})
        notifier = open_notice("kf", settings, make_house(tmp_path))
        with pytest.raises(Exception, match="wecom_kf_bad_secret"):
            await notifier.check()
        await notifier.close()
    away = open_notice("kf", settings.model_copy(update={"api_url": "http://127.0.0.1:9"}), make_house(tmp_path))
    with pytest.raises(TryLater, match="wecom_kf_unreachable"):
        await away.check()
    await away.close()


async def test_a_customer_is_answered_and_the_ticket_gets_the_picture(tmp_path: Path):
    """The whole gateway as a process of its own."""
    import time

    async with open_wecom(lambda: time.time_ns() // 1_000_000) as wecom, aiohttp.ClientSession() as session:
        wecom.bare_calls = 100
        account = f'corpid = "{simulator.CORPID}"\nsecret = "{simulator.SECRET}"\napi_url = "{wecom.url}"\n'
        text = (
            f'[channels.kf]\nadapter = "wecom_kf"\n{account}open_kfids = ["{OPEN_KFID}"]\n'
            f'tokens = ["{simulator.TOKENS[0]}"]\naes_keys = ["{simulator.AES_KEYS[0]}"]\n'
            f'[systems.ledger]\nadapter = "ledger"\n[notices.kf]\nadapter = "wecom_kf"\n{account}'
            "[stages]\nlease_s = 5\npoll_ms = 50\n"
        )
        with gateway(tmp_path, "--config", str(write_config(tmp_path, text))) as running:
            wecom.say("我要投诉，柜员机吞了我的卡。")
            wecom.send("image", JPEG, "image/jpeg")
            now = time.time_ns() // 1_000_000
            status = await simulator.nudge(session, f"{running.url}/wecom/kf", received_at=now)
            assert status == 200

            def is_whole() -> bool:
                entries = read_ledger(tmp_path)
                return bool(entries and entries[0]["attachments"] and entries[0]["attachments"][0]["size"])

            async with asyncio.timeout(PATIENCE_S):
                while not (is_whole() and wecom.telephone):  # noqa: ASYNC110  another process does it
                    await asyncio.sleep(0.05)
            (entry,) = read_ledger(tmp_path)
            assert await asyncio.to_thread(running.stop) == 0
    receipt = entry["receipt"]
    assert entry["attachments"][0]["size"] == len(JPEG)
    (words,) = wecom.telephone[PERSON]
    assert f"{receipt[:4]} {receipt[4:8]} {receipt[8:]}" in words
