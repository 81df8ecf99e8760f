"""A real store of its own on each engine, and short ways to make what goes into it."""

import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from config.secret import Secret
from gateway.contract.clock import Millis
from gateway.contract.complaint import Authenticity, Kind
from gateway.contract.envelope import Envelope, Thread
from gateway.contract.ports import Event
from gateway.contract.verdict import Level
from gateway.store import postgres_connection, postgres_statements, sqlite_connection
from gateway.store.migrate import migrate
from gateway.store.plan import Statement
from gateway.store.postgres import PostgresStore
from gateway.store.rows import InboxItem, NewDuty, Registered, Target
from gateway.store.sql_store import SqlStore
from gateway.store.sqlite import SqliteStore
from gateway.store.vault import find_key
from tests.keyring import read_keys
from tests.postgres_server import PASSWORD, PostgresServer

NOW = Millis(1_750_000_000_000)
LEASE = 60_000


class FixedClock:
    def __init__(self) -> None:
        self.now = NOW

    def now_ms(self) -> Millis:
        return self.now


class Bench:
    """A store under test, where it keeps things, and its clock."""

    def __init__(self, url: str, server: PostgresServer | None = None) -> None:
        self.url = url
        self.clock = FixedClock()
        self._server = server
        self._opened: list[SqlStore] = []

    @property
    def path(self) -> Path:
        """The file of the embedded engine."""
        return Path(self.url.removeprefix("sqlite:///"))

    @property
    def is_postgres(self) -> bool:
        return not self.url.startswith("sqlite:")

    async def read_envelopes(self) -> dict[str, Envelope]:
        """All that is kept, by id."""
        store = await self.open()
        items = [await store.find_envelope(row[0]) for row in self.query("SELECT id FROM inbox")]
        return {item.id: item.envelope for item in items if item}

    def make(self, **options: int) -> SqlStore:
        if self.is_postgres:
            store = PostgresStore(self.url, read_keys, password=Secret(PASSWORD), clock=self.clock, **options)
            # The clock stands still and every node is in one process: what is committed is all there is.
            store.settle_s = 0.0
            return store
        return SqliteStore(self.url, read_keys, clock=self.clock, **{"min_free_mb": 0, **options})

    async def open(self, **options: int) -> SqlStore:
        store = self.make(**options)
        await store.open()
        # Ids are made by the real time, or are no UUIDv7 at all, whatever our clock says.
        await store._read_keys(find_key(Millis(time.time_ns() // 1_000_000)), find_key(Millis(2**48)))
        self._opened.append(store)
        return store

    async def close(self) -> None:
        for store in self._opened:
            await store.close()

    def query(self, sql: str, *values: object) -> list[tuple]:
        if self._server is not None:
            return self._server.query(self.url.rpartition("/")[2], sql, *values)
        connection = sqlite3.connect(self.path)
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    async def explain(self, statement: Statement) -> list[str]:
        """How the engine would run it, one line per step."""
        if self.is_postgres:
            connection = await postgres_connection.connect(postgres_connection.find_address(self.url, Secret(PASSWORD)))
            try:
                return await postgres_statements.explain(connection, statement)
            finally:
                await connection.close()
        with closing(sqlite_connection.connect(self.path, write=False)) as file:
            return sqlite_connection.explain(file, statement)


ENGINES = ("sqlite", "postgres")
on_sqlite = pytest.mark.parametrize("bench", ["sqlite"], indirect=True)
on_postgres = pytest.mark.parametrize("bench", ["postgres"], indirect=True)


@pytest.fixture(params=ENGINES)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    if request.param == "sqlite":
        bench = Bench(f"sqlite:///{tmp_path / 'huiyin.db'}")
        migrate(bench.url)
        yield bench
        await bench.close()
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    database = server.make_database()
    bench = Bench(server.url(database), server)
    yield bench
    await bench.close()
    server.drop_database(database)


@pytest.fixture
async def store(bench: Bench) -> SqlStore:
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
    store: SqlStore, *duties: NewDuty, envelope: Envelope | None = None, now: int = NOW
) -> InboxItem:
    """Accepts an envelope, claims it, and registers it with these duties."""
    await store.accept([envelope or make_envelope()])
    (item,) = await store.claim_inbox(10, Millis(now), LEASE)
    assert await store.register([make_registered(item, *duties)], Millis(now)) == [True]
    return item
