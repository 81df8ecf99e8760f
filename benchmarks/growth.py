"""What an accept, a claim with its registration, and a trace cost at 0 to 10 million stored complaints on PostgreSQL.

The store is filled by SQL, over sixty months: every row and every index that so many complaints leave, as large as they are
when they are sealed, though nobody sealed them. What is traced was sealed: complaints strewn among these months. Then an
empty and the full database take turns, in one process through the store's port, so that what is compared is the
database's part and not the door's.  HUIYIN_SIZES=1000000,10000000 says how many.
"""

import asyncio
import os
import random
import statistics as st
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from unittest.mock import patch

from benchmarks import databases
from config.secret import Secret
from gateway.contract.clock import Millis
from gateway.contract.complaint import Authenticity, Kind
from gateway.contract.envelope import Envelope
from gateway.contract.ports import Event
from gateway.contract.receipt import Receipt
from gateway.contract.verdict import Level
from gateway.ops.time import SystemClock
from gateway.states import DutyState
from gateway.store.months import bounds, count_back, find_month, make_id_beside, make_partition, name_partitions
from gateway.store.postgres import PostgresStore
from gateway.store.rows import NewDuty, Registered, Settled, Target
from gateway.store.vault import number_month
from tests.keyring import read_keys
from tests.postgres_server import PASSWORD

MONTHS = 60
GROUP = 64
TRACES = 64
LEASE_MS = 600_000
PART = 50_000

_FILL = """
WITH made AS (
    SELECT n, lpad(to_hex({first} + (n - {start}) * {step}), 12, '0') || '7' || lpad(to_hex(n), 19, '0') AS id,
           {first} + (n - {start}) * {step} AS at, lpad(n::text, 12, '0') AS receipt, decode(md5(n::text), 'hex') AS mark
    FROM generate_series({start}::bigint, {end} - 1) AS n
), a AS (
    INSERT INTO inbox SELECT id, convert_to('stored-' || lpad(n::text, 9, '0'), 'UTF8'), mark, '95561', at, receipt, n, 0,
        'registered', at, 0, 0, 1, 1, '', ''::bytea FROM made
), b AS (
    INSERT INTO envelopes SELECT id, convert_to(repeat('r', 620), 'UTF8') FROM made
), c AS (
    INSERT INTO complaints SELECT id, receipt, n, 1, '95561', 'complaint', 'normal', 'zh-Hans', '', at, at FROM made
), d AS (
    INSERT INTO complaint_versions SELECT id, 1, 'registered', at, id, convert_to(repeat('d', 400), 'UTF8') FROM made
), e AS (
    INSERT INTO duties SELECT id, id, receipt, 1, 'normal', 'system', 'ledger', 'create', 'registered', ''::bytea, 'done', false,
        at, at, at, 0, 1, 1, false, '', ''::bytea, 'r', at, at, NULL FROM made
), f AS (
    INSERT INTO tickets SELECT id, 'ledger', 'TZ-' || n, at FROM made
), g AS (
    INSERT INTO threads SELECT convert_to('thread-' || lpad(n::text, 9, '0'), 'UTF8'), receipt, n, at, false FROM made
), h AS (
    INSERT INTO marks SELECT {month}, mark, n FROM made
)
INSERT INTO history (at_ms, subject, subject_id, event, before, after, detail)
SELECT at, 'envelope', id, event, '', 'x', '' FROM made, unnest(ARRAY['envelope.accepted', 'envelope.registered',
    'complaint.registered', 'duty.owed', 'duty.done']) AS event ORDER BY n
"""


def measure(rounds: int, seconds: int, store: str) -> None:
    """`seconds` says nothing here: every round is a group of accepts, their registration, and some traces."""
    del seconds
    if store != "postgres":
        print("\n### growth: fills PostgreSQL only, see --store postgres; for SQLite: million")
        return
    sizes = [int(size) for size in os.environ.get("HUIYIN_SIZES", "1000000").split(",")]
    print(f"\n### cost at N stored complaints / in an empty database; medians of {rounds} rounds of groups of {GROUP}")
    print("| stored | accept | claim and register | trace of any | MB |\n|---|---|---|---|---|")
    with databases.opened(store, None) as make:
        empty, full = make(), make()
        if empty is None or full is None:
            raise SystemExit("there is no PostgreSQL")
        there = 0
        for size in sizes:
            fill(full, size - there, is_first=not there)
            there = size
            print(asyncio.run(compare(empty, full, size, rounds)), flush=True)


def fill(database: databases.Database, count: int, *, is_first: bool) -> None:
    """So many complaints more, evenly over all months."""
    now = SystemClock().now_ms()
    months = [count_back(find_month(now), back) for back in range(MONTHS, 0, -1)]
    if is_first:
        for name, (table, month) in name_partitions(months).items():
            for statement in make_partition(name, table, month):
                if not statement.startswith("LOCK"):  # nobody else is there, and no transaction
                    database.query(statement)
    begin = int(database.query("SELECT next FROM numbering")[0][0])
    share = -(-count // MONTHS)
    for place, month in enumerate(months):
        first, end = (int(text, 16) for text in bounds(month))
        step = max(1, (end - first) // share)
        start, stop = begin + place * share, min(begin + (place + 1) * share, begin + count)
        # In parts, as a statement may take a minute.
        for part in range(start, stop, PART):
            values = {"start": part, "end": min(part + PART, stop), "step": step, "month": number_month(month)}
            database.query(_FILL.format(**values, first=first + (part - start) * step))
    database.query("UPDATE numbering SET next = ?", begin + count)
    asyncio.run(_tidy(database))


async def _tidy(database: databases.Database) -> None:
    connection = await database.server.connect(database.name)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


async def compare(empty: databases.Database, full: databases.Database, size: int, rounds: int) -> str:
    stores = [await _open(empty), await _open(full)]
    strewn = [await strew(store) for store in stores]
    found: dict[str, list[float]] = {"accept": [], "register": [], "trace": []}
    for number in range(rounds + 2):
        took: list[dict[str, float]] = [{}, {}]
        for place in (0, 1) if number % 2 else (1, 0):
            took[place] = await _measure_round(stores[place], random.choices(strewn[place], k=TRACES))
        if number >= 2:  # the first are for the caches
            for name, each in found.items():
                each.append(took[1][name] / took[0][name])
    for store in stores:
        await store.close()
    ratios = " | ".join(f"{st.median(found[name]):.2f}" for name in found)
    return f"| {size:,} | {ratios} | {full.measure_mb():,.0f} |"


async def strew(store: PostgresStore) -> list[Receipt]:
    """Complaints of every other month, made as if it were then."""
    receipts: list[Receipt] = []
    now = SystemClock().now_ms()
    for back in range(MONTHS, 0, -2):
        begin, beyond = bounds(count_back(find_month(now), back))
        # So that the month has a key.
        await store.wrap(b"", "growth", begin)
        first, end = int(begin, 16), int(beyond, 16)
        with patch("uuid_utils.uuid7", partial(_make_id, first, end)):
            receipts += await _accept(store, [_make_envelope() for _ in range(GROUP)])
        await _register(store)
        await _finish(store)
    return receipts


def _make_id(first: int, end: int) -> uuid.UUID:
    return uuid.UUID(f"{random.randrange(first, end):012x}7{random.getrandbits(76):019x}")


async def _open(database: databases.Database) -> PostgresStore:
    url = database.server.url(database.name)
    store = PostgresStore(url, read_keys, password=Secret(PASSWORD), clock=SystemClock())
    await store.open()
    return store


async def _measure_round(store: PostgresStore, receipts: list[Receipt]) -> dict[str, float]:
    """Seconds of each kind of work. `receipts` are traced."""
    envelopes = [_make_envelope() for _ in range(GROUP)]

    async def trace() -> None:
        for receipt in receipts:
            if await store.trace(receipt) is None:
                raise SystemExit("a complaint that was stored is not found")

    took = {
        "accept": await _time(lambda: _accept(store, envelopes)),
        "register": await _time(lambda: _register(store)),
    }
    await _finish(store)
    return {**took, "trace": await _time(trace)}


async def _accept(store: PostgresStore, envelopes: list[Envelope]) -> list[Receipt]:
    answers = await asyncio.gather(*(store.accept([envelope]) for envelope in envelopes))
    return [answer.receipt for (answer,) in answers if answer.receipt]


async def _register(store: PostgresStore) -> None:
    now = SystemClock().now_ms()
    items = await store.claim_inbox(GROUP, now, LEASE_MS)
    duty = NewDuty(target=Target.SYSTEM, instance="ledger", step="create", event=Event.REGISTERED, due_ms=now)
    made = [
        Registered(
            item=item,
            complaint_id=make_id_beside(item.id),
            version=1,
            event=Event.REGISTERED,
            kind=Kind.COMPLAINT,
            level=Level.NORMAL,
            language="zh-Hans",
            branch="",
            document=b"{}",
            duties=[duty],
        )
        for item in items
    ]
    if len(items) != GROUP or not all(await store.register(made, now)):
        raise SystemExit("the store did not take all that it was given")


async def _finish(store: PostgresStore) -> None:
    now = SystemClock().now_ms()
    duties = await store.claim_duties(Target.SYSTEM, "ledger", GROUP, now, LEASE_MS)
    await store.settle([Settled(duty=duty, state=DutyState.DONE, ticket="T") for duty in duties], now)


def _make_envelope() -> Envelope:
    key = f"own-{time.time_ns():x}-{random.getrandbits(32):08x}"
    return replace(_PATTERN, source_key=key, received_at=SystemClock().now_ms())


_PATTERN = Envelope(
    channel="95561",
    adapter="hotline",
    source_key="",
    media_type="application/json",
    raw="\u8f6c\u8d26\u6ca1\u6709\u5230\u8d26".encode() * 30,
    received_at=Millis(0),
    authenticity=Authenticity(verified=True, method="key"),
    sequential=True,
)


async def _time(work: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began
