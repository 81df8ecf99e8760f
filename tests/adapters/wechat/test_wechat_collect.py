"""Pictures, voices and videos: fetched from the simulated WeChat server into a real store, and told to the complaint."""

import asyncio
import copy
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from wechat_servers import AMR, JPEG, MP4, OPENID, describe_account, move, serving

from adapters.wechat.simulation import Pusher, WeChat
from config.settings import Settings
from gateway.contract.errors import TryLater
from gateway.contract.ports import Change, Collect, Delivered, Delivery, Step, Transcriber
from gateway.contract.receipt import Receipt
from gateway.intake.accept import Acceptance
from gateway.intake.scrub.envelope import Scrub
from gateway.intake.server import Intake
from gateway.ops.time import SystemClock
from gateway.plugins import open_channel
from gateway.stages.collect import Collecting
from gateway.stages.forward import Forward
from gateway.stages.reading import Reader
from gateway.stages.register import Planner, Register
from gateway.stages.workers import Workers
from gateway.states import DutyState
from gateway.store.blobs import FileBlobs
from gateway.store.rows import Target, Trace
from gateway.store.sqlite import SqliteStore
from tests.contract.house import ManualClock, make_house
from tests.keyring import KEYRING, mark
from tests.store.conftest import Bench

__all__: list[str] = []
DAY_S = 86_400
MEDIA_GET = "/cgi-bin/media/get"


@dataclass
class Tracker:
    """A system of record of the outside world: one ticket, and what it was told."""

    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def plan(self, change: Change) -> tuple[Step, ...]:
        return (Step("create" if change.version == 1 else f"update:{change.version}"),)

    async def deliver(self, delivery: Delivery) -> Delivered:
        self.told.append((delivery.step, json.loads(delivery.document)))
        return Delivered(ticket=delivery.ticket or f"T-{delivery.receipt}")

    async def check(self) -> str:
        return "good"

    async def close(self) -> None:
        pass


@dataclass
class Ear:
    """A speech service of the outside world. `answers` in turn; an exception is raised."""

    answers: list[str | Exception]
    heard: list[tuple[bytes, str]] = field(default_factory=list)

    async def transcribe(self, sound: bytes, media_type: str) -> str:
        self.heard.append((sound, media_type))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def check(self) -> str:
        return "good"

    async def close(self) -> None:
        pass


@dataclass
class DyingStore:
    """The process ends between the commit of what was fetched and the word that it was."""

    store: SqliteStore

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    async def settle(self, *_: object) -> None:
        raise ConnectionAbortedError


@dataclass
class Bank:
    """Store, stages and door of a bank with one official account, worked by hand."""

    wechat: WeChat
    clock: ManualClock
    folder: Path
    store: SqliteStore
    ear: Transcriber | None
    tracker: Tracker = field(default_factory=Tracker)

    def __post_init__(self) -> None:
        account = self.wechat.account
        entry = describe_account(
            self.wechat,
            adapter="wechat",
            tokens=[account.callback_token],
            aes_keys=[account.encoding_aes_key],
            api_timeout_s=0.5,
            media_limit_bytes=100_000,
        )
        self.settings = Settings.model_validate(
            {"data_dir": str(self.folder), "channels": {"gzh": entry}, "stages": {"processes": 0}}
        )
        self.house = make_house(self.folder, self.clock)
        self.channel = open_channel("gzh", self.settings.channels["gzh"], self.house)
        assert isinstance(self.channel, Collect)
        self.accept = Acceptance(self.store, Scrub(mark), lambda: None)
        self.blobs = FileBlobs(self.folder / "blobs", self.store)
        reader = Reader(self.settings, self.house, {"gzh": self.channel})
        planner = Planner({"tracker": self.tracker}, {}, self.settings.escalation, {"gzh": self.channel})
        workers = Workers(self.settings, KEYRING, reader)
        self.register = Register(self.store, workers, planner, self.clock, batch=100, lease_s=60)
        self.forward = Forward("tracker", self.tracker, self.store, self.clock, batch=100, lease_s=60)
        self.collecting = self.open_collecting()

    def open_collecting(self, limit_bytes: int = 25_000_000) -> Collecting:
        assert isinstance(self.channel, Collect)
        return Collecting(
            "gzh",
            self.channel,
            self.store,
            self.blobs,
            self.accept,
            self.clock,
            self.ear,
            lease_s=60,
            limit_bytes=limit_bytes,
        )

    async def work(self) -> None:
        """Everything that is due now."""
        while any([await self.register.work(), await self.collecting.work(), await self.forward.work()]):
            pass

    async def trace(self, receipt: Receipt) -> Trace:
        trace = await self.store.trace(receipt)
        assert trace is not None
        return trace

    async def attachments(self, receipt: Receipt) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads((await self.trace(receipt)).versions[-1][3])["attachments"]
        return found

    async def fetches(self, receipt: Receipt) -> list[tuple[str, DutyState, str]]:
        return [
            (duty.step, duty.state, duty.code)
            for duty in (await self.trace(receipt)).duties
            if duty.target is Target.COLLECT
        ]


@dataclass
class Running:
    """`said` are the numbers the customer read."""

    bank: Bank
    wechat: WeChat

    async def send(self, kind: str, content: bytes, media_type: str, **fields: str) -> Receipt:
        pushed = await self.wechat.send_media(OPENID, kind, content, media_type, **fields)
        assert pushed.answered
        digits = "".join(letter for letter in pushed.words if letter.isdigit())
        return Receipt(digits[:12])


@pytest.fixture
async def running(bench: Bench, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    from aiohttp import web

    clock = ManualClock()
    bench.clock = clock  # type: ignore[assignment]
    store = await bench.open()
    # A parameter is one object for both engines.
    ear = copy.deepcopy(getattr(request, "param", None))
    async with serving(clock) as (wechat, _):
        bank = Bank(wechat, clock, tmp_path, store, ear)
        intake = Intake(
            keep_soon=bank.accept.keep_soon,
            clock=clock,
            public_url="http://127.0.0.1",
            trusted_proxies=(),
            per_minute=1000,
        )
        intake.add_channel("gzh", bank.channel)  # type: ignore[arg-type]
        runner = web.ServerRunner(intake.build_server())
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        wechat.pusher = Pusher(wechat.account, f"http://127.0.0.1:{runner.addresses[0][1]}/wechat/gzh")
        yield Running(bank, wechat)
        await wechat.pusher.close()
        await runner.cleanup()
        await bank.channel.close()  # type: ignore[attr-defined]


# --- fetched -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "content", "media_type"),
    [("image", JPEG, "image/jpeg"), ("video", MP4, "video/mp4"), ("shortvideo", MP4, "video/mp4")],
)
async def test_a_picture_or_video_is_fetched_and_the_one_ticket_learns_of_it(
    running: Running, kind: str, content: bytes, media_type: str
):
    bank = running.bank
    receipt = await running.send(kind, content, media_type)
    await bank.work()
    digest = hashlib.sha256(content).hexdigest()
    (attachment,) = await bank.attachments(receipt)
    assert (attachment["sha256"], attachment["size"], attachment["media_type"]) == (digest, len(content), media_type)
    assert await bank.blobs.read(digest) == content
    assert [step for step, _ in bank.tracker.told] == ["create", "update:2"]
    assert bank.tracker.told[0][1]["attachments"][0]["sha256"] == ""
    assert bank.tracker.told[1][1]["attachments"][0]["sha256"] == digest
    assert list((await bank.trace(receipt)).tickets.values()) == [f"T-{receipt}"]


async def test_a_picture_sent_twice_is_kept_once_and_stands_once(running: Running):
    receipt = await running.send("image", JPEG, "image/jpeg")
    assert receipt.endswith(await running.send("image", JPEG, "image/jpeg"))
    await running.bank.work()
    assert len(await running.bank.attachments(receipt)) == 1
    assert sum(path.is_file() for path in (running.bank.folder / "blobs").rglob("*")) == 1


async def test_what_the_bytes_are_goes_before_what_the_channel_said(running: Running):
    png = b"\x89PNG\r\n\x1a\n" + bytes(500)
    receipt = await running.send("image", png, "image/jpeg")
    await running.bank.work()
    assert [each["media_type"] for each in await running.bank.attachments(receipt)] == ["image/png"]


async def test_the_words_of_the_complaint_stay_as_they_were(running: Running):
    bank = running.bank
    receipt = await running.send("image", JPEG, "image/jpeg")
    await bank.work()
    documents = [json.loads(version[3]) for version in (await bank.trace(receipt)).versions]
    assert [document["narrative"] for document in documents] == ["[图片]", "[图片]"]
    assert documents[0]["authenticity"] == documents[1]["authenticity"]


# --- a server that misbehaves --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["drop", "502", "half", "slow", -1, 45009, 45011, 40164])
async def test_a_failure_is_tried_again_until_the_picture_is_here(running: Running, fault: Any):
    # The HTTP library itself asks again, once, where an idle connection turns out to be closed.
    running.wechat.faults[MEDIA_GET] = [fault, fault] if fault == "drop" else [fault]
    receipt = await running.send("image", JPEG, "image/jpeg")
    with capture_logs():
        await running.bank.work()
    assert [state for _, state, _ in await running.bank.fetches(receipt)] == [DutyState.WAITING]
    move(running.bank.clock, 4000)
    await running.bank.work()
    (attachment,) = await running.bank.attachments(receipt)
    assert attachment["sha256"] == hashlib.sha256(JPEG).hexdigest()
    left = list((running.bank.folder / "blobs" / "incoming").iterdir())
    assert left == []


async def test_a_token_that_ran_out_is_refreshed_on_the_way(running: Running):
    receipt = await running.send("image", JPEG, "image/jpeg")
    await running.bank.work()
    running.wechat.account.spoil_tokens()
    await running.send("image", JPEG + b"2", "image/jpeg")
    await running.bank.work()
    assert [state for _, state, _ in await running.bank.fetches(receipt)] == [DutyState.DONE] * 2


async def test_what_wechat_has_thrown_away_waits_for_a_person_with_its_reason(running: Running):
    receipt = await running.send("image", JPEG, "image/jpeg")
    running.wechat.account.media.clear()
    with capture_logs() as logs:
        await running.bank.work()
    assert await running.bank.fetches(receipt) == [("fetch", DutyState.PARKED, "wechat_media_gone")]
    assert [line["event"] for line in logs if line["event"].startswith("duty.")] == ["duty.parked"]
    assert OPENID not in repr(logs)


async def test_it_is_tried_until_wechat_would_have_thrown_it_away_and_no_longer(running: Running):
    running.wechat.faults[MEDIA_GET] = [-1] * 10_000
    receipt = await running.send("image", JPEG, "image/jpeg")
    with capture_logs():
        for _ in range(3 * 24 * 2 + 1):
            await running.bank.work()
            move(running.bank.clock, 1800)
    assert await running.bank.fetches(receipt) == [("fetch", DutyState.PARKED, "collect_expired")]
    (parked,) = await running.bank.store.parked(10)
    assert "wechat_busy" in parked.detail


@pytest.mark.parametrize(
    ("content", "media_type", "code"),
    [
        (b"<html><script>alert(1)</script></html>", "image/jpeg", "collect_type_refused"),
        (b"MZ\x90\x00" + bytes(200), "image/jpeg", "collect_type_refused"),
        (b"", "image/jpeg", "collect_empty"),
    ],
)
async def test_what_is_no_picture_is_not_kept(running: Running, content: bytes, media_type: str, code: str):
    receipt = await running.send("image", content, media_type)
    with capture_logs():
        await running.bank.work()
    assert await running.bank.fetches(receipt) == [("fetch", DutyState.PARKED, code)]
    assert not any(path.is_file() for path in (running.bank.folder / "blobs").rglob("*"))
    assert [step for step, _ in running.bank.tracker.told] == ["create"], "the complaint itself went its way"


async def test_what_is_larger_than_the_limit_is_not_kept_and_the_complaint_says_so(running: Running):
    bank = running.bank
    receipt = await running.send("image", b"\xff\xd8\xff" + bytes(100_001), "image/jpeg")
    with capture_logs():
        await bank.work()
    assert await bank.fetches(receipt) == [("fetch", DutyState.PARKED, "collect_too_large")]
    assert not any(path.is_file() for path in (bank.folder / "blobs").rglob("*"))
    (attachment,) = await bank.attachments(receipt)
    assert (attachment["note"], attachment["sha256"], attachment["size"]) == ("too_large", "", 0)
    assert [step for step, _ in bank.tracker.told] == ["create", "update:2"]


async def test_the_houses_own_limit_holds_where_a_channel_takes_more(running: Running):
    bank = running.bank
    bank.collecting = bank.open_collecting(limit_bytes=500)
    receipt = await running.send("image", b"\xff\xd8\xff" + bytes(498), "image/jpeg")
    with capture_logs():
        await bank.work()
    assert await bank.fetches(receipt) == [("fetch", DutyState.PARKED, "collect_too_large")]


async def test_a_video_that_is_said_to_lie_in_the_banks_own_network_is_not_fetched(running: Running):
    receipt = await running.send("video", MP4, "video/mp4")
    running.wechat.url = "http://169.254.169.254"  # where the simulator will say that the video is
    with capture_logs():
        await running.bank.work()
    assert await running.bank.fetches(receipt) == [("fetch", DutyState.PARKED, "wechat_media_elsewhere")]


async def test_a_worker_that_dies_after_keeping_the_bytes_doubles_nothing(running: Running):
    bank = running.bank
    receipt = await running.send("image", JPEG, "image/jpeg")
    await bank.register.work()
    dying = bank.open_collecting()
    dying._store = DyingStore(bank.store)  # type: ignore[assignment]
    with pytest.raises(ConnectionAbortedError):
        await dying.work()
    move(bank.clock, 61)  # that worker never came back to say so
    await bank.work()
    assert [(step, state) for step, state, _ in await bank.fetches(receipt)] == [("fetch", DutyState.DONE)]
    assert [version[0] for version in (await bank.trace(receipt)).versions] == [1, 2]
    assert [step for step, _ in bank.tracker.told] == ["create", "update:2"]


async def test_a_fetch_that_takes_longer_than_its_lease_stays_with_its_worker(running: Running):
    bank = running.bank
    bank.clock.now = SystemClock().now_ms()
    running.wechat.faults[MEDIA_GET] = ["slow"]
    receipt = await running.send("image", JPEG, "image/jpeg")
    await bank.register.work()
    entry = bank.settings.channels["gzh"].model_copy(update={"api_timeout_s": 2.5})
    channel = open_channel("gzh", entry, bank.house)
    assert isinstance(channel, Collect)
    workers = [
        Collecting(
            "gzh", channel, bank.store, bank.blobs, bank.accept, SystemClock(), None, lease_s=1, limit_bytes=25_000_000
        )
        for _ in range(2)
    ]
    slow = asyncio.create_task(workers[0].work())
    while not slow.done():
        await asyncio.sleep(0.1)
        if not slow.done():
            assert await workers[1].work() == 0, "it belongs to the slow one"
    assert await slow == 1
    assert [state for _, state, _ in await bank.fetches(receipt)] == [DutyState.WAITING]
    await channel.close()


# --- voice ---------------------------------------------------------------------------------------------------------


async def test_a_voice_without_words_is_marked_for_people_to_hear(running: Running):
    receipt = await running.send("voice", AMR, "audio/amr", Format="amr")
    await running.bank.work()
    (attachment,) = await running.bank.attachments(receipt)
    assert attachment["needs_transcription"] is True
    assert (attachment["media_type"], attachment["size"]) == ("audio/amr", len(AMR))
    assert [step for step, _, _ in await running.bank.fetches(receipt)] == ["fetch"]


async def test_a_voice_that_wechat_has_written_down_is_not_marked(running: Running):
    receipt = await running.send("voice", AMR, "audio/amr", Format="amr", Recognition="我的卡被吞了。")
    await running.bank.work()
    (attachment,) = await running.bank.attachments(receipt)
    assert attachment["needs_transcription"] is False


@pytest.mark.parametrize(
    "running", [Ear([TryLater("speech_unreachable"), "我的钱正在被人转走，快帮我止付！"])], indirect=True
)
async def test_what_a_speech_service_hears_is_judged_like_any_word(running: Running):
    bank = running.bank
    receipt = await running.send("voice", AMR, "audio/amr", Format="amr")
    with capture_logs():
        await bank.work()
        move(bank.clock, 10)
        await bank.work()
    documents = [json.loads(version[3]) for version in (await bank.trace(receipt)).versions]
    assert [document["verdict"]["level"] for document in documents] == ["normal", "normal", "critical"]
    assert "快帮我止付" in documents[-1]["narrative"]
    assert [each["needs_transcription"] for each in documents[-1]["attachments"]] == [False]
    assert isinstance(bank.ear, Ear)
    assert bank.ear.heard == [(AMR, "audio/amr")] * 2
    assert list((await bank.trace(receipt)).tickets.values()) == [f"T-{receipt}"]


@pytest.mark.parametrize("running", [Ear([""])], indirect=True)
async def test_a_recording_without_words_waits_for_a_person(running: Running):
    receipt = await running.send("voice", AMR, "audio/amr", Format="amr")
    with capture_logs():
        await running.bank.work()
    assert (await running.bank.fetches(receipt))[-1] == ("transcribe", DutyState.PARKED, "speech_without_words")
    (attachment,) = await running.bank.attachments(receipt)
    assert attachment["needs_transcription"] is True


def test_the_doubles_fit_the_ports():
    assert isinstance(Ear([]), Transcriber)
