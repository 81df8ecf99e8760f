"""A real store in a file of its own, and short ways to make what goes into it."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.contract.clock import Millis
from gateway.contract.complaint import Authenticity, Kind
from gateway.contract.envelope import Envelope, Thread
from gateway.contract.ports import Event
from gateway.contract.verdict import Level
from gateway.store.migrate import migrate
from gateway.store.rows import InboxItem, NewDuty, Registered, Target
from gateway.store.sqlite import SqliteStore

NOW = Millis(1_750_000_000_000)
LEASE = 60_000


class FixedClock:
    def __init__(self) -> None:
        self.now = NOW

    def now_ms(self) -> Millis:
        return self.now


class Bench:
    """The store under test, its file, and its clock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"
        self.clock = FixedClock()
        self._opened: list[SqliteStore] = []

    async def open(self, **options: int) -> SqliteStore:
        store = SqliteStore(self.url, clock=self.clock, **{"min_free_mb": 0, **options})
        await store.open()
        self._opened.append(store)
        return store

    async def close(self) -> None:
        for store in self._opened:
            await store.close()

    def query(self, sql: str, *values: object) -> list[tuple]:
        connection = sqlite3.connect(self.path)
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path / "huiyin.db")
    migrate(bench.url)
    yield bench
    await bench.close()


@pytest.fixture
async def store(bench: Bench) -> SqliteStore:
    return await bench.open()


def make_envelope(
    key: str = "k1",
    *,
    channel: str = "95561",
    raw: bytes = "转账没有到账".encode(),
    at: int = NOW,
    thread: Thread | None = None,
    joins: str | None = None,
    wanted: bool = True,
    sequential: bool = False,
    hints: dict[str, str] | None = None,
) -> Envelope:
    return Envelope(
        channel=channel,
        adapter="hotline",
        source_key=key,
        media_type="application/json",
        raw=raw,
        received_at=Millis(at),
        authenticity=Authenticity(verified=True, method="hmac", detail="current key"),
        thread=thread,
        joins=joins,
        receipt_wanted=wanted,
        sequential=sequential,
        hints=hints or {},
    )


def make_duty(
    step: str = "create",
    *,
    instance: str = "ledger",
    target: Target = Target.SYSTEM,
    event: Event = Event.REGISTERED,
    due_ms: int = NOW,
) -> NewDuty:
    return NewDuty(target=target, instance=instance, step=step, event=event, due_ms=Millis(due_ms))


def make_registered(
    item: InboxItem, *duties: NewDuty, version: int | None = None, event: Event | None = None
) -> Registered:
    number = item.version + 1 if version is None else version
    return Registered(
        item=item,
        complaint_id=item.complaint_id or f"c{item.id[1:]}",
        version=number,
        event=event or (Event.REGISTERED if number == 1 else Event.SUPPLEMENTED),
        kind=Kind.COMPLAINT,
        level=Level.NORMAL,
        language="zh-Hans",
        branch="0101",
        document=f'{{"version": {number}}}'.encode(),
        duties=duties,
    )


async def register_one(
    store: SqliteStore, *duties: NewDuty, envelope: Envelope | None = None, now: int = NOW
) -> InboxItem:
    """Accepts an envelope, claims it, and registers it with these duties."""
    await store.accept([envelope or make_envelope()])
    (item,) = await store.claim_inbox(10, Millis(now), LEASE)
    assert await store.register([make_registered(item, *duties)], Millis(now)) == [True]
    return item
