import asyncio
import json
import sqlite3
from collections.abc import Sequence

import pytest

from gateway.contract.clock import Millis
from gateway.store import sealing
from gateway.store.chain import Days, Seal, Sealed, Sealing, find_gaps, read_gaps
from gateway.store.sealing import GAPS, MOVES_BETWEEN
from gateway.store.sqlite import SqliteStore
from gateway.store.sqlite_connection import connect, explain
from gateway.store.verifying import Broken, verify_chain
from tests.store.chains import DAY_MS, DAYS, HOW, SIGNER, find_break, seal_all, tamper, verify
from tests.store.conftest import NOW, Bench, make_duty, make_envelope, on_sqlite, register_one

MINUTE = 60_000
MIDNIGHT = 1_750_003_200_000
"""2025-06-16 00:00 in Shanghai, 53 minutes after NOW."""


def write_row(bench: Bench, seq: int, at_ms: int = NOW) -> None:
    tamper(
        bench,
        "INSERT INTO history VALUES (?, ?, 'envelope', 'e1', 'envelope.accepted', '', 'accepted', '')",
        values=(seq, at_ms),
    )


async def test_accepting_writes_what_it_always_wrote_and_waits_for_no_seal(store: SqliteStore, bench: Bench):
    await store.accept([make_envelope()])
    for table in ("seals", "chain", "sums", "tallies", "heard"):
        assert bench.query(f"SELECT count(*) FROM {table}") == [(0,)]


async def test_a_block_says_how_many_rows_and_which(store: SqliteStore, bench: Bench):
    await register_one(store, make_duty())
    (sealed,) = await seal_all(store)
    assert sealed.rows == 4
    assert bench.query("SELECT number, first_seq, last_seq, rows, late, gaps, length(checks) FROM seals") == [
        (1, 1, 4, 4, 0, "", 16)
    ]
    assert await seal_all(store) == [], "what is sealed is not sealed again"


async def test_only_rows_up_to_the_settled_one_are_sealed(store: SqliteStore):
    await store.accept([make_envelope(f"k{n}") for n in range(5)])
    assert (await store.seal(3, HOW, NOW)).rows == 3
    assert (await store.seal(3, HOW, NOW)).rows == 0
    assert (await store.seal(5, HOW, NOW)).rows == 2


async def test_of_two_sealers_one_finds_that_the_other_was_quicker(store: SqliteStore, bench: Bench):
    await store.accept([make_envelope(f"k{n}") for n in range(3)])
    other = await bench.open()
    first, second = await asyncio.gather(store.seal(3, HOW, NOW), other.seal(3, HOW, NOW))
    assert sorted([(first.rows, first.lost), (second.rows, second.lost)]) in (
        [(0, True), (3, False)],
        [(0, False), (3, False)],
    )
    engine = store._engine
    prepared = await engine.read(lambda: sealing.prepare(store._vault, 3, HOW, NOW))
    assert isinstance(prepared, Sealed)
    await store.accept([make_envelope("k9")])
    prepared = await engine.read(lambda: sealing.prepare(store._vault, 4, HOW, NOW))
    assert isinstance(prepared, sealing.Prepared)
    assert await engine.write("seal", lambda: sealing.append(prepared, HOW, NOW))
    assert not await engine.write("seal", lambda: sealing.append(prepared, HOW, NOW)), "the head has moved"
    assert (await verify(store)).rows == 4


async def test_many_sealers_at_once_leave_one_chain(store: SqliteStore, bench: Bench):
    others = [store, await bench.open(), await bench.open()]

    async def work(one: SqliteStore) -> None:
        for n in range(30):
            await one.accept([make_envelope(f"k{id(one)}-{n}")])
            await one.seal(await one.newest_move(), HOW, NOW)

    await asyncio.gather(*(work(one) for one in others))
    await seal_all(store)
    assert (await verify(store)).rows == 90
    assert bench.query("SELECT count FROM tallies WHERE day = '' AND state = 'came'") == [(90,)]


@on_sqlite
async def test_numbers_that_no_row_has_are_named_and_a_row_that_appears_there_late_is_told_and_sealed(
    store: SqliteStore, bench: Bench
):
    for seq in (3, 4, 7, 11):
        write_row(bench, seq)
    await seal_all(store)
    assert bench.query("SELECT gaps, last_seq FROM seals") == [("1-2,5-6,8-10", 11)]
    write_row(bench, 5)
    write_row(bench, 12)
    assert "Row 5 was put in later" in await find_break(store)
    (sealed,) = await seal_all(store)
    assert (sealed.rows, sealed.late, sealed.number) == (1, [5], 2)
    found = await verify(store)
    assert (found.rows, found.late) == (6, 1)
    assert bench.query("SELECT seq, block FROM late_rows") == [(5, 2)]
    write_row(bench, 9)
    (alone,) = await seal_all(store)
    assert (alone.rows, alone.late) == (0, [9]), "also where nothing else is to be sealed"
    await store.accept([make_envelope()])
    await seal_all(store)
    assert (await verify(store)).late == 2


async def test_a_late_row_that_is_sealed_while_the_chain_is_checked_is_no_break(store: SqliteStore, bench: Bench):
    for seq in (1, 3):
        write_row(bench, seq)
    await seal_all(store)
    read_seals = store.read_seals

    async def read_and_seal(after: int, limit: int) -> Sequence[Seal]:
        if await store.read_late(2) == []:
            write_row(bench, 2)
            await seal_all(store)
        return await read_seals(after, limit)

    store.read_seals = read_and_seal  # type: ignore[method-assign]
    found = await verify(store)
    assert (found.blocks, found.rows, found.late) == (1, 2, 0)


@on_sqlite
async def test_a_late_row_cannot_be_forged_changed_or_taken_away(store: SqliteStore, bench: Bench):
    for seq in (1, 2, 5):
        write_row(bench, seq)
    await seal_all(store)
    write_row(bench, 3)
    await seal_all(store)
    write_row(bench, 7)
    await seal_all(store)
    assert await find_break(store) == ""
    forged = "INSERT INTO history VALUES (4, 1, 'envelope', 'e1', 'envelope.accepted', '', 'accepted', '')"
    for statements in (
        ["UPDATE history SET detail = 'x' WHERE seq = 3"],
        ["DELETE FROM history WHERE seq = 3"],
        ["DELETE FROM late_rows"],
        ["UPDATE late_rows SET block = 3"],
        ["UPDATE late_rows SET block = 99"],
        [forged],
        [forged, "INSERT INTO late_rows VALUES (4, 2, 1)"],
        [forged, "INSERT INTO late_rows VALUES (4, 3, 1)"],
        [forged, "INSERT INTO late_rows VALUES (4, 99, 1)"],
        ["INSERT INTO late_rows VALUES (2, 3, 1)"],
    ):
        kept = [bench.query(f"SELECT * FROM {table}") for table in ("history", "late_rows")]
        tamper(bench, *statements)
        assert await find_break(store), statements
        assert await find_break(store, signer=None), statements
        tamper(
            bench, "DELETE FROM history", *(["DELETE FROM late_rows"] if bench.query("SELECT 1 FROM late_rows") else [])
        )
        with sqlite3.connect(bench.path) as connection:
            connection.executemany("INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?, ?)", kept[0])
            connection.executemany("INSERT INTO late_rows VALUES (?, ?, ?)", kept[1])
        connection.close()
        assert await find_break(store) == "", "the test itself put everything back"


@on_sqlite
async def test_gaps_are_watched_for_many_blocks_and_later_a_row_there_counts_as_put_in(
    store: SqliteStore, bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sealing, "LATE_BLOCKS", 2)
    write_row(bench, 3)
    await seal_all(store)
    await store.accept([make_envelope("k1")])
    await seal_all(store, NOW + 365 * DAY_MS)
    write_row(bench, 1)
    assert [sealed.late for sealed in await seal_all(store)][-1] == [1], "whatever the clock says"
    write_row(bench, 2)
    assert await seal_all(store) == []
    assert "Row 2 was put in later" in await find_break(store)


async def test_a_wide_gap_costs_no_row_of_its_own(store: SqliteStore, bench: Bench):
    write_row(bench, 10**12)
    await seal_all(store)
    assert bench.query("SELECT gaps FROM seals") == [(f"1-{10**12 - 1}",)]
    write_row(bench, 10**11)
    (sealed,) = await seal_all(store)
    assert sealed.late == [10**11]
    assert (await verify(store)).rows == 2


def test_gaps_are_written_and_read_as_ranges():
    assert find_gaps(0, [1, 2, 3]) == ""
    assert find_gaps(4, [6, 9, 10]) == "5,7-8"
    assert list(read_gaps("5,7-8")) == [(5, 5), (7, 8)]
    assert list(read_gaps("")) == []


# --- days ----------------------------------------------------------------------------------------------------------


async def accept_at(store: SqliteStore, bench: Bench, at: int, key: str) -> None:
    bench.clock.now = Millis(at)
    await store.accept([make_envelope(key, at=at)])


def read_sums(bench: Bench) -> list[tuple]:
    return bench.query("SELECT number, day, first_block, last_block, rows FROM sums ORDER BY number")


async def test_a_day_of_the_banks_zone_gets_its_sum_once_it_is_over(store: SqliteStore, bench: Bench):
    await accept_at(store, bench, MIDNIGHT - 1, "k1")
    await accept_at(store, bench, MIDNIGHT, "k2")
    await seal_all(store, MIDNIGHT)
    assert read_sums(bench) == [(1, "2025-06-15", 1, 1, 1)]
    (counts,) = bench.query("SELECT counts FROM sums")[0]
    assert json.loads(counts) == {"2025-06-15": {"95561": {"envelope.accepted": 1}}}
    assert await find_break(store) == ""


async def test_a_quiet_day_gets_its_sum_some_minutes_after_midnight(store: SqliteStore, bench: Bench):
    await accept_at(store, bench, NOW, "k1")
    await seal_all(store, MIDNIGHT + 4 * MINUTE)
    assert read_sums(bench) == []
    await seal_all(store, MIDNIGHT + 5 * MINUTE)
    assert read_sums(bench) == [(1, "2025-06-15", 1, 1, 1)]
    await seal_all(store, MIDNIGHT + 3 * DAY_MS)
    assert read_sums(bench) == [(1, "2025-06-15", 1, 1, 1)], "a day without rows has no sum"


async def test_nodes_that_pass_midnight_apart_make_one_sum_per_day(store: SqliteStore, bench: Bench):
    for n, at in enumerate((MIDNIGHT - 2, MIDNIGHT + 1, MIDNIGHT - 1, MIDNIGHT + 2)):
        await accept_at(store, bench, at, f"k{n}")
    await seal_all(store, MIDNIGHT)
    await seal_all(store, MIDNIGHT + 2 * DAY_MS)
    assert [row[1] for row in read_sums(bench)] == ["2025-06-15", "2025-06-16"]
    (counts,) = bench.query("SELECT counts FROM sums WHERE number = 2")[0]
    assert json.loads(counts) == {
        "2025-06-15": {"95561": {"envelope.accepted": 1}},
        "2025-06-16": {"95561": {"envelope.accepted": 2}},
    }, "the straggler is counted under its own day"
    assert await find_break(store) == ""


async def test_a_clock_that_jumps_a_year_ahead_and_back_stops_no_sum(store: SqliteStore, bench: Bench):
    year = 365 * DAY_MS
    await accept_at(store, bench, NOW, "k1")
    await seal_all(store, NOW)
    await accept_at(store, bench, NOW + year, "k2")
    await seal_all(store, NOW + year)
    await accept_at(store, bench, NOW + MINUTE, "k3")
    await seal_all(store, NOW + MINUTE)
    await seal_all(store, NOW + DAY_MS)
    assert [row[1] for row in read_sums(bench)] == ["2025-06-15", "2026-06-15", "2025-06-15"]
    assert await find_break(store) == ""


async def test_a_day_is_the_banks_own(store: SqliteStore, bench: Bench):
    await accept_at(store, bench, MIDNIGHT - 1, "k1")
    here = Sealing(SIGNER, Days("America/New_York"))
    await seal_all(store, MIDNIGHT + DAY_MS, here)
    assert read_sums(bench)[0][1] == "2025-06-15"
    assert bench.query("SELECT DISTINCT day FROM tallies ORDER BY day") == [("",), ("2025-06-15",)]
    with pytest.raises(Broken):
        await verify_chain(store, SIGNER, Days("Asia/Tokyo"))


@pytest.mark.parametrize("at", [-(2**62), 2**62, 2**70, "never", None])
def test_a_time_beyond_all_calendars_has_a_day_too(at: int):
    assert DAYS.find(at) == "0000-00-00"


# --- cost ----------------------------------------------------------------------------------------------------------


@on_sqlite
def test_reading_rows_to_seal_walks_the_history_by_number_and_everything_else_by_key(bench: Bench):
    connection = connect(bench.path, write=False)
    plan = explain(connection, MOVES_BETWEEN)
    assert explain(connection, GAPS) == ["SEARCH seals USING INDEX ix_seals_gaps (number>?)"]
    connection.close()
    assert plan[0] == "SEARCH history USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"
    assert all("SCAN" not in line and "TEMP" not in line for line in plan), plan
