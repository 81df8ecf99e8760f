"""The stages over a real store, real rules and the real hotline channel. Doubles: the clock, a system, a notifier."""

import asyncio
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from gateway.contract.clock import Millis
from gateway.contract.complaint import Authenticity
from gateway.contract.envelope import Accepted, Envelope, Thread
from gateway.contract.ports import Change, Channel, Delivered, Delivery, Notice, Notifier, Step, System
from gateway.contract.receipt import Receipt
from gateway.stages.notify import Notify
from gateway.stages.reading import Reader, open_reader
from gateway.stages.register import Planner, Register
from gateway.stages.seal import Sealer, make_signer
from gateway.stages.words import Words
from gateway.stages.workers import Workers
from gateway.store.rows import DutyFacts
from gateway.store.sql_store import SqlStore
from tests.contract.house import make_house
from tests.keyring import KEYRING
from tests.store.conftest import Bench, bench, store

__all__ = ["bench", "store"]

CALM = "我想反映一下排队时间太长的问题。"
URGENT = "我的信用卡昨天晚上被盗刷了八千元，不是我本人操作，请马上帮我冻结！"
DUTY, HEAD = "duty@bank.example", "head@bank.example"
LADDER = {
    "critical": [{"notice": "duty", "to": DUTY}, {"notice": "duty", "to": HEAD, "after_s": 300}],
    "repeat_s": 600,
}

numbers = itertools.count(1)


def make_call(text: str = CALM, *, call_id: str = "", backfill: bool = False, receipt_wanted: bool = True) -> Envelope:
    raw = json.dumps({"call_id": call_id, "turns": [{"role": "customer", "text": text}]}, ensure_ascii=False)
    return Envelope(
        channel="95561",
        adapter="hotline",
        source_key=f"call-{next(numbers)}",
        media_type="application/json",
        raw=raw.encode(),
        received_at=Millis(1_750_000_000_000),
        authenticity=Authenticity(verified=True, method="key"),
        thread=Thread(key=call_id) if call_id else None,
        backfill=backfill,
        receipt_wanted=receipt_wanted,
    )


@dataclass
class Tracker:
    """A system of record. `answers` are taken in turn (an exception is raised, a number is slept); then it says yes."""

    answers: list[Any] = field(default_factory=list)
    asked: list[Delivery] = field(default_factory=list)
    steps: Sequence[str] = ("create",)
    closed: bool = False

    def plan(self, change: Change) -> Sequence[Step]:
        return [Step(step) for step in self.steps]

    async def deliver(self, delivery: Delivery) -> Delivered:
        self.asked.append(delivery)
        answer = self.answers.pop(0) if self.answers else Delivered(ticket=f"T-{delivery.receipt}", reference="r")
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, (int, float)):
            await asyncio.sleep(answer)
            return Delivered(ticket=f"T-{delivery.receipt}")
        return answer

    async def check(self) -> str:
        return "good"

    async def close(self) -> None:
        self.closed = True


@dataclass
class Post:
    """A way to reach people. `answers` as in Tracker."""

    answers: list[Any] = field(default_factory=list)
    sent: list[Notice] = field(default_factory=list)
    serves: Sequence[str] = ("email", "phone")

    async def send(self, notice: Notice) -> str:
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            await asyncio.sleep(answer)
        self.sent.append(notice)
        return f"sent-{len(self.sent)}"

    async def check(self) -> str:
        return "good"

    async def close(self) -> None:
        pass


@dataclass
class House:
    """One bank: what the tests of the stages share."""

    bench: Bench
    store: SqlStore
    folder: Path
    settings: Settings
    systems: Mapping[str, System]
    notices: Mapping[str, Notifier]

    def __post_init__(self) -> None:
        self.house = make_house(self.folder, self.bench.clock)  # type: ignore[arg-type]
        self.reader: Reader = open_reader(self.settings, self.house)
        self.planner = Planner(self.systems, self.notices, self.settings.escalation)
        self.workers = Workers(self.settings, KEYRING, self.reader)
        self.register = self.open_register()

    def open_register(self, channels: Mapping[str, Channel] | None = None, **options: Any) -> Register:
        workers = self.workers
        if channels is not None:
            workers = Workers(self.settings, KEYRING, Reader(self.settings, self.house, channels))
        return Register(self.store, workers, self.planner, self.bench.clock, **{"batch": 100, "lease_s": 60, **options})

    def open_notify(self, name: str = "duty", *, lease_s: float = 60) -> Notify:
        return Notify(
            name,
            self.notices[name],
            self.store,
            self.bench.clock,
            Words(bank="示例银行", hotline="95561"),
            lease_s=lease_s,  # type: ignore[arg-type]
            link_for=lambda receipt: f"https://echo.bank.example/r/{receipt}",
            answer_for=lambda receipt: f"https://echo.bank.example/a/{receipt}",
            repeat=self.planner.plan_repeat,
        )

    async def seal(self) -> None:
        """As the gateway does beside the sweep."""
        await Sealer(self.store, self.bench.clock, make_signer(KEYRING), "Asia/Shanghai").finish(5)

    def advance(self, seconds: float) -> None:
        self.bench.clock.now = Millis(self.bench.clock.now + round(seconds * 1000))

    async def accept(self, *envelopes: Envelope) -> list[Receipt | None]:
        accepted: Sequence[Accepted] = await self.store.accept(envelopes)
        return [one.receipt for one in accepted]

    async def duties(self, receipt: Receipt | None) -> list[DutyFacts]:
        assert receipt is not None
        trace = await self.store.trace(receipt)
        assert trace is not None
        return list(trace.duties)

    async def level(self, receipt: Receipt | None) -> tuple[int, str]:
        """The current version and its level."""
        assert receipt is not None
        trace = await self.store.trace(receipt)
        assert trace is not None
        return trace.versions[-1][0], json.loads(trace.versions[-1][3])["verdict"]["level"]


OpenHouse = Callable[..., House]


@pytest.fixture
def open_bank(bench: Bench, store: SqlStore, tmp_path: Path) -> OpenHouse:
    def start(
        *,
        systems: Mapping[str, System] | None = None,
        notices: Mapping[str, Notifier] | None = None,
        escalation: Mapping[str, object] | None = None,
        **stages: object,
    ) -> House:
        settings = Settings.model_validate(
            {
                "data_dir": str(tmp_path),
                "channels": {"95561": {"adapter": "hotline", "keys": ["a-key-of-the-hotline"]}},
                "escalation": escalation or {},
                "stages": {"processes": 0, **stages},
            }
        )
        return House(bench, store, tmp_path, settings, systems or {}, notices or {})

    return start
