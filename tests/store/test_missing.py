import random

import pytest

from gateway.contract.clock import Millis
from gateway.contract.ports import SourceNumber
from gateway.store.chain import Sealing
from gateway.store.missing import GAP_AROUND, HIGHEST
from gateway.store.sqlite import SqliteStore
from gateway.store.sqlite_connection import connect, explain
from tests.store.chains import DAYS, SIGNER, find_break, seal_all
from tests.store.conftest import NOW, Bench, make_envelope, on_sqlite


def find_number(source_key: str) -> SourceNumber | None:
    """`stream/number`."""
    stream, _, number = source_key.partition("/")
    return SourceNumber(stream, int(number)) if number else None


HOW = Sealing(SIGNER, DAYS, {"95561": find_number})


async def come(store: SqliteStore, *numbers: int, stream: str = "s", channel: str = "95561", now: int = NOW) -> None:
    """These numbers come in this order, each sealed before the next."""
    for number in numbers:
        await store.accept([make_envelope(f"{stream}/{number}", channel=channel)])
        await seal_all(store, now, HOW)


def read_gaps(bench: Bench) -> list[tuple]:
    return bench.query("SELECT stream, first, last FROM source_gaps ORDER BY stream, first")


async def test_a_number_missing_between_others_is_a_gap_until_it_comes(store: SqliteStore, bench: Bench):
    await come(store, 5, 6, 9)
    assert read_gaps(bench) == [("s", 7, 8)]
    await come(store, 8)
    assert read_gaps(bench) == [("s", 7, 7)]
    await come(store, 7)
    assert read_gaps(bench) == []
    await seal_all(store)
    moves = bench.query("SELECT event, before, after, detail FROM history WHERE subject = 'gap'")
    assert moves == [("gap.found", "", "open", "7-8"), ("gap.filled", "open", "filled", "")]
    assert await find_break(store) == ""
    assert (await store.check_balance(DAYS)).imbalances == []


async def test_a_number_in_the_middle_splits_a_gap_and_both_halves_are_as_old(store: SqliteStore, bench: Bench):
    await come(store, 1, 9)
    await come(store, 5, now=NOW + 60_000)
    assert bench.query("SELECT first, last, since_ms FROM source_gaps ORDER BY first") == [(2, 4, NOW), (6, 8, NOW)]


async def test_what_came_before_the_first_opens_a_gap_behind_it(store: SqliteStore, bench: Bench):
    await come(store, 10, 3)
    assert read_gaps(bench) == [("s", 4, 9)]
    assert bench.query("SELECT first, last FROM source_streams") == [(3, 10)]


@pytest.mark.parametrize("seed", range(6))
async def test_in_whatever_order_and_groups_they_come_what_is_missing_is_what_did_not_come(
    store: SqliteStore, bench: Bench, seed: int
):
    chance = random.Random(seed)
    numbers = chance.sample(range(60), 40)
    left = list(numbers)
    while left:
        size = chance.randint(1, 7)
        await store.accept([make_envelope(f"s/{number}") for number in left[:size]])
        left = left[size:]
        if chance.random() < 0.6:
            await seal_all(store, NOW, HOW)
    await seal_all(store, NOW, HOW)
    missing = {n for _, first, last in read_gaps(bench) for n in range(first, last + 1)}
    assert missing == set(range(min(numbers), max(numbers) + 1)) - set(numbers)


async def test_streams_and_channels_are_counted_for_themselves(store: SqliteStore, bench: Bench):
    await come(store, 1, 3)
    await come(store, 7, 9, stream="t")
    await come(store, 1, 100, channel="other")
    assert read_gaps(bench) == [("s", 2, 2), ("t", 8, 8)]
    (found,) = await store.read_missing(NOW, 0)
    assert (found.channel, found.count, found.since_ms) == ("95561", 2, NOW)
    assert await store.read_missing(NOW, 1) == []
    (found,) = await store.read_missing(Millis(NOW - 1), 1_000)
    assert found.count == 2, "a clock that ran ahead hides nothing"


async def test_a_number_that_comes_again_or_a_source_that_begins_anew_is_no_gap(store: SqliteStore, bench: Bench):
    await come(store, 1, 2, 3)
    await store.accept([make_envelope("no number")])
    await come(store, 2, 4)
    assert read_gaps(bench) == []


async def test_a_number_beyond_all_counting_is_left_out(store: SqliteStore, bench: Bench):
    await come(store, 1, HIGHEST + 1)
    assert bench.query("SELECT first, last FROM source_streams") == [(1, 1)]
    await come(store, HIGHEST)
    assert read_gaps(bench) == [("s", 2, HIGHEST - 1)]


async def test_a_gap_waits_for_a_person_who_may_say_why_it_is_none(store: SqliteStore, bench: Bench):
    await come(store, 1, 4)
    (parked,) = await store.parked(10)
    assert (parked.subject, parked.where, parked.code, parked.detail) == (
        "gap",
        "95561",
        "gap",
        "s2 to s3 did not come",
    )
    assert await store.parked(10, parked.id) == []
    assert await store.release([parked.id], "test", NOW) == [False]
    assert await store.dismiss([parked.id, "x"], "two test calls", "test", NOW) == [True, False]
    assert read_gaps(bench) == []
    assert await store.dismiss([parked.id], "again", "test", NOW) == [False]
    (row,) = bench.query("SELECT detail FROM history WHERE event = 'gap.dismissed'")
    assert row == ("by test: two test calls",)
    await come(store, 2)
    assert read_gaps(bench) == [], "what comes after all is kept as anything is"


@on_sqlite
def test_a_gap_is_found_by_its_place(bench: Bench):
    connection = connect(bench.path, write=False)
    (line,) = explain(connection, GAP_AROUND)
    connection.close()
    assert line.startswith("SEARCH source_gaps USING INDEX ix_source_gaps_place (channel=? AND stream=? AND first<?)")
