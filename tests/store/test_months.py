"""Where the months of what customers said lie, and how they get their room."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime

from gateway.contract.clock import Millis
from gateway.store.months import bounds, find_month_of, months_from
from tests.store.conftest import LEASE, NOW, Bench, make_envelope, make_registered, on_postgres

SPREAD = "SELECT tableoid::regclass::text, count(*) FROM {} GROUP BY 1 ORDER BY 1"


def at(year: int, month: int, day: int = 1) -> Millis:
    return Millis(int(datetime(year, month, day, tzinfo=UTC).timestamp() * 1000))


def now() -> Millis:
    return Millis(time.time_ns() // 1_000_000)


def make_id(made: Millis, rest: str) -> str:
    return f"{made:012x}7{rest:0<19}"


def test_a_month_ends_where_the_next_begins():
    assert months_from(at(2026, 11, 30)) == ["2026-11", "2026-12", "2027-01"]
    first, end = bounds("2026-12")
    assert end == bounds("2027-01")[0]
    assert first <= make_id(at(2026, 12), "") < make_id(Millis(at(2027, 1) - 1), "fff") < end
    assert find_month_of(make_id(Millis(at(2027, 1) - 1), "fff")) == "2026-12"
    assert find_month_of(make_id(at(2027, 1), "")) == "2027-01"


@on_postgres
async def test_what_comes_in_lies_in_the_partition_of_its_month(bench: Bench):
    store = await bench.open()
    await store.accept([make_envelope()])
    (kept,) = bench.query("SELECT id, tableoid::regclass::text FROM envelopes")
    assert kept[1] == f"envelopes_{find_month_of(kept[0]).replace('-', '_')}"
    (item,) = await store.claim_inbox(1, NOW, LEASE)
    complaint_id = make_id(at(2005, 5), "a")
    assert await store.register([replace(make_registered(item), complaint_id=complaint_id)], NOW) == [True]
    assert bench.query(SPREAD.format("complaint_versions")) == [("complaint_versions_rest", 1)]
    assert await store.make_months(at(2005, 5)) == ["2005-05", "2005-06", "2005-07"]
    assert bench.query(SPREAD.format("complaint_versions")) == [("complaint_versions_2005_05", 1)]
    trace = await store.trace(item.receipt)
    assert trace is not None
    assert [version[0] for version in trace.versions] == [1]


@on_postgres
async def test_a_month_is_made_once_however_many_nodes_want_it(bench: Bench):
    nodes = [await bench.open() for _ in range(4)]
    made = await asyncio.gather(*(node.make_months(at(2031, 1)) for node in nodes))
    assert sorted(made) == [[], [], [], ["2031-01", "2031-02", "2031-03"]]
    assert await nodes[0].make_months(at(2031, 2)) == ["2031-04"]


@on_postgres
async def test_who_works_in_another_month_meanwhile_is_not_waited_for(bench: Bench):
    store = await bench.open()
    bench.query("BEGIN")
    bench.query("INSERT INTO envelopes VALUES (?, '')", make_id(now(), "a"))
    assert await store.make_months(at(2031, 1)) == ["2031-01", "2031-02", "2031-03"]
    bench.query("COMMIT")


async def test_the_months_ahead_are_there_from_the_beginning(bench: Bench):
    store = await bench.open()
    assert await store.make_months(now()) == []
