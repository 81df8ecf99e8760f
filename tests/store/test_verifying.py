import json
import random
import re
import sqlite3

import pytest

from gateway.contract.clock import Millis
from gateway.store.chain import BLOCK_ROWS, Head, Signer
from gateway.store.sqlite import SqliteStore
from gateway.store.tables import chain, history, seals, sums
from gateway.store.verifying import Broken, verify_export, write_export, write_head_export
from tests.store.chains import (
    DAY_MS,
    DAYS,
    HOW,
    KEY,
    OTHER_KEY,
    SIGNER,
    find_break,
    live,
    seal_all,
    tamper,
    verify,
)
from tests.store.conftest import NOW, Bench, make_envelope, on_sqlite

FIRST, SECOND, THIRD = "2025-06-15", "2025-06-16", "2025-06-17"


async def test_an_untouched_history_holds_from_the_first_row_to_the_head(store: SqliteStore, bench: Bench):
    await live(store, bench, 0, 1, 2)
    found = await verify(store)
    assert (found.rows, found.sums, found.unsealed, found.unsummed) == (24, 2, 0, THIRD)
    assert found.blocks == 6
    await store.accept([make_envelope("not-sealed-yet")])
    assert (await verify(store)).unsealed == 1


async def test_a_store_without_history_holds(store: SqliteStore):
    assert (await verify(store)).rows == 0


@pytest.mark.parametrize("seq", [1, 7, 24])
@pytest.mark.parametrize("column", [c.name for c in history.c if c.name != "seq"])
async def test_a_change_in_any_column_of_any_row_is_found_and_the_row_is_named(
    store: SqliteStore, bench: Bench, column: str, seq: int
):
    await live(store, bench, 0, 1, 2)
    change = f"{column} + 1" if column == "at_ms" else f"'!' || substr(\"{column}\", 2)"
    tamper(bench, f'UPDATE history SET "{column}" = {change} WHERE seq = {seq}')
    assert (await find_break(store)).startswith(f"Row {seq} was changed")


@on_sqlite
@pytest.mark.parametrize("value", ["CAST('hotline' AS BLOB)", "0.5", "'later'"])
async def test_a_value_of_another_type_is_a_change_too(store: SqliteStore, bench: Bench, value: str):
    await live(store, bench, 0)
    tamper(bench, f"UPDATE history SET at_ms = {value} WHERE seq = 2")
    assert await find_break(store) == "Row 2 was changed (block 1 was sealed 2025-06-15 15:06:40Z)"


@on_sqlite
async def test_text_that_is_no_text_any_more_is_found(store: SqliteStore, bench: Bench):
    await live(store, bench, 0)
    tamper(bench, "UPDATE history SET detail = CAST(x'ff' AS TEXT) WHERE seq = 3")
    assert "row behind 2 cannot be read" in await find_break(store)


@pytest.mark.parametrize("seq", [1, 2, 4, 5, 13, 23, 24])
async def test_a_row_that_is_taken_away_is_missed(store: SqliteStore, bench: Bench, seq: int):
    await live(store, bench, 0, 1, 2)
    tamper(bench, f"DELETE FROM history WHERE seq = {seq}")
    assert (await find_break(store)).startswith(f"Row {seq} is missing")


@pytest.mark.parametrize("seq", [-5, 0])
async def test_a_row_put_in_is_found(store: SqliteStore, bench: Bench, seq: int):
    await live(store, bench, 0)
    tamper(
        bench,
        f"INSERT INTO history SELECT {seq}, at_ms, subject, subject_id, event, before, after, detail FROM history WHERE seq = 1",
    )
    assert (await find_break(store)).startswith(f"Row {seq} was put in later")


async def test_rows_that_changed_places_are_found(store: SqliteStore, bench: Bench):
    await live(store, bench, 0, 1)
    tamper(
        bench,
        "UPDATE history SET seq = -1 WHERE seq = 6",
        "UPDATE history SET seq = 6 WHERE seq = 7",
        "UPDATE history SET seq = 7 WHERE seq = -1",
    )
    assert (await find_break(store)).startswith("Row 6 was changed")


async def test_moving_the_numbers_of_all_rows_is_found(store: SqliteStore, bench: Bench):
    await live(store, bench, 0)
    tamper(bench, "UPDATE history SET seq = seq + 100")
    assert (await find_break(store)).startswith("Row 1 is missing")


@on_sqlite
@pytest.mark.parametrize("column", [c.name for c in seals.c if c.name != "number"])
@pytest.mark.parametrize("number", [1, 3, 6])
async def test_a_change_in_any_column_of_a_seal_is_found(store: SqliteStore, bench: Bench, column: str, number: int):
    await live(store, bench, 0, 1, 2)
    change = {"digest": "zeroblob(32)", "checks": "zeroblob(length(checks))", "gaps": "'7'"}.get(
        column, f"{column} + 1"
    )
    tamper(bench, f'UPDATE seals SET "{column}" = {change} WHERE number = {number}')
    assert await find_break(store)
    assert await find_break(store, signer=None), "that needs no key"


@pytest.mark.parametrize("number", [1, 3, 6])
async def test_a_seal_that_is_taken_away_is_missed(store: SqliteStore, bench: Bench, number: int):
    await live(store, bench, 0, 1, 2)
    tamper(bench, f"DELETE FROM seals WHERE number = {number}")
    said = await find_break(store)
    assert said.startswith((f"Block {number} is missing", f"The blocks from {number} on are missing"))


@on_sqlite
@pytest.mark.parametrize("column", [c.name for c in chain.c if c.name != "id"])
async def test_a_change_of_the_head_is_found(store: SqliteStore, bench: Bench, column: str):
    await live(store, bench, 0, 1)
    change = {"digest": "zeroblob(32)", "counts": "'{}'", "day": "'2025-06-20'", "signature": "''"}.get(
        column, f"{column} + 1" if chain.c[column].type.python_type is int else f"{column} || 'x'"
    )
    tamper(bench, f'UPDATE chain SET "{column}" = {change}')
    assert (await find_break(store)).startswith("The head of the chain")
    (sealed,) = [await store.seal(await store.newest_move(), HOW, Millis(bench.clock.now))]
    assert "head of the chain" in sealed.fault, "nothing is sealed on a head that somebody changed"


async def test_a_head_that_is_gone_is_found_and_not_begun_anew(store: SqliteStore, bench: Bench):
    await live(store, bench, 0)
    tamper(bench, "DELETE FROM chain")
    assert "head of the chain is gone" in await find_break(store)
    assert (await store.seal(99, HOW, Millis(NOW))).fault == "the head of the chain is gone"


@on_sqlite
@pytest.mark.parametrize("column", [c.name for c in sums.c if c.name != "number"])
async def test_a_change_in_any_column_of_a_daily_sum_is_found(store: SqliteStore, bench: Bench, column: str):
    await live(store, bench, 0, 1, 2)
    change = {"digest": "zeroblob(32)", "counts": "'{}'", "day": "'2025-06-14'", "signature": "''"}.get(
        column, f"{column} + 1"
    )
    tamper(bench, f'UPDATE sums SET "{column}" = {change} WHERE number = 1')
    assert (await find_break(store)).startswith("Daily sum 1 of 2025-06-1")


@pytest.mark.parametrize("number", [1, 2])
async def test_a_daily_sum_that_is_taken_away_is_missed(store: SqliteStore, bench: Bench, number: int):
    await live(store, bench, 0, 1, 2)
    tamper(bench, f"DELETE FROM sums WHERE number = {number}")
    assert await find_break(store) in (
        f"Daily sum {number} is missing; the next one is {number + 1} of {SECOND}.",
        "The last daily sum is 1, but the head of the chain says 2.",
    )


async def rewrite_chain(store: SqliteStore, bench: Bench, how=HOW) -> None:
    """What somebody could do who has this program, the database, and perhaps another key."""
    tamper(bench, "DELETE FROM seals", "DELETE FROM chain")
    tamper(bench, "DELETE FROM tallies", "DELETE FROM heard")
    await seal_all(store, bench.clock.now, how)


@on_sqlite
async def test_a_chain_made_anew_over_a_changed_history_contradicts_the_signed_sums(store: SqliteStore, bench: Bench):
    await live(store, bench, 0, 1, 2)
    kept = bench.query("SELECT * FROM sums")
    tamper(bench, "UPDATE history SET detail = 'nothing happened' WHERE seq = 2", "DELETE FROM sums")
    other = type(HOW)(Signer([OTHER_KEY]), DAYS)
    await rewrite_chain(store, bench, other)
    assert await find_break(store, Signer([OTHER_KEY])) == "", "without the key nobody can tell"
    assert "signed with the key" in await find_break(store), "with it everybody can"
    with sqlite3.connect(bench.path) as connection:
        connection.execute("DELETE FROM sums")
        connection.executemany(f"INSERT INTO sums VALUES ({', '.join('?' * len(kept[0]))})", kept)
    connection.close()
    assert await find_break(store, signer=None), "and the sums that were kept contradict it without any key"


async def test_a_wrong_key_is_said_to_be_one_and_an_old_key_is_known(store: SqliteStore, bench: Bench):
    await live(store, bench, 0)
    assert "is signed with the key" in await find_break(store, Signer([OTHER_KEY]))
    assert await find_break(store, Signer([OTHER_KEY, KEY])) == ""


@pytest.mark.parametrize("changed", ["UPDATE inbox SET channel = 'other'", "DELETE FROM inbox"])
async def test_a_whole_history_whose_envelopes_are_gone_or_moved_contradicts_the_sums(
    store: SqliteStore, bench: Bench, changed: str
):
    await live(store, bench, 0, 1)
    tamper(bench, changed)
    assert re.match(f"Daily sum 1 of {FIRST} counts . of envelope.accepted on channel", await find_break(store))


async def cut_tail(store: SqliteStore, bench: Bench) -> tuple[list[bytes], Head]:
    """The end of history and chain is cut off, and the head is one that was copied when it stood there."""
    await live(store, bench, 0, 1)
    (head,) = bench.query("SELECT * FROM chain")
    (last,) = bench.query("SELECT max(seq) FROM history")[0]
    await live(store, bench, 2, 3)
    exported = await export(store)
    tamper(bench, f"DELETE FROM history WHERE seq > {last}", "DELETE FROM seals WHERE number > 4", "DELETE FROM chain")
    with sqlite3.connect(bench.path) as connection:
        connection.execute("DELETE FROM sums WHERE number > 1")
        connection.execute(f"INSERT INTO chain VALUES ({', '.join('?' * len(head))})", head)
    connection.close()
    return exported, Head(*head[1:])


async def export(store: SqliteStore) -> list[bytes]:
    previous, lines = "", []
    for day_sum in await store.read_sums(0, 100):
        lines.append(write_export(day_sum, previous))
        previous = day_sum.signature
    head = await store.read_head()
    assert head is not None
    return [json.dumps(line).encode() for line in [*lines, write_head_export(head)]]


@on_sqlite
async def test_a_tail_cut_with_an_old_head_is_found_by_what_was_exported(store: SqliteStore, bench: Bench):
    exported, _ = await cut_tail(store, bench)
    assert await find_break(store) == "", "an old copy of everything is a chain that holds"
    with pytest.raises(Broken, match=f"daily sum of {SECOND} was exported, and is not there any more"):
        await verify_export(store, SIGNER, exported)
    with pytest.raises(Broken, match="Block 8 of 2025-06-18 was exported, and is not there any more"):
        await verify_export(store, SIGNER, exported[-1:])


@pytest.mark.parametrize("table", ["history", "seals", "sums"])
async def test_a_tail_cut_of_one_table_is_found_by_the_others(store: SqliteStore, bench: Bench, table: str):
    await live(store, bench, 0, 1, 2)
    condition = {"history": "seq > 20", "seals": "number > 4", "sums": "number > 1"}[table]
    tamper(bench, f"DELETE FROM {table} WHERE {condition}")
    assert await find_break(store)


async def test_what_was_exported_holds_until_it_is_touched(store: SqliteStore, bench: Bench):
    await live(store, bench, 0, 1, 2)
    exported = await export(store)
    assert await verify_export(store, SIGNER, exported) == 3
    await live(store, bench, 3)
    assert await verify_export(store, SIGNER, [*exported, b"\n"]) == 3, "also when the chain has grown"
    changed = json.loads(exported[0])
    changed["counts"][FIRST]["95561"]["envelope.accepted"] -= 1
    with pytest.raises(Broken, match="Line 1 of the file does not bear out its signature"):
        await verify_export(store, SIGNER, [json.dumps(changed).encode()])
    with pytest.raises(Broken, match=f"daily sum of {FIRST} is not the one"):
        await verify_export(store, None, [json.dumps(changed).encode()])
    for line in (b"{}", b"[1]", b"\xff", b'{"form": "huiyin.sum/1"}'):
        with pytest.raises(Broken, match="Line 1 of the file is no export"):
            await verify_export(store, SIGNER, [line])


async def test_a_stretch_of_days_is_checked_from_the_signed_sum_before_it(store: SqliteStore, bench: Bench):
    await live(store, bench, 0, 1, 2, 3)
    found = await verify(store, since=SECOND, until=THIRD)
    assert (found.blocks, found.sums, found.anchored) == (4, 2, FIRST)
    tamper(bench, "UPDATE history SET detail = 'x' WHERE seq = 2")
    assert await find_break(store, since=SECOND) == ""
    assert await find_break(store, until=FIRST)
    assert await find_break(store, since=SECOND, until=SECOND) == ""
    tamper(bench, "UPDATE history SET detail = 'x' WHERE seq = 10")
    assert "Row 10 was changed" in await find_break(store, since=SECOND, until=SECOND)
    assert await find_break(store, since=THIRD) == ""


async def test_a_chain_that_grows_while_it_is_checked_holds(store: SqliteStore, bench: Bench):
    await live(store, bench, 0)
    read_seals = store.read_seals

    async def read_while_it_grows(after: int, limit: int):
        await live(store, bench, random.randint(1, 10**6), each=1)
        bench.clock.now = Millis(bench.clock.now + DAY_MS)
        return await read_seals(after, limit)

    store.read_seals = read_while_it_grows  # type: ignore[method-assign]
    assert (await verify(store)).rows == 8


async def test_many_rows_make_many_blocks(store: SqliteStore, bench: Bench):
    await store.accept([make_envelope(f"k{n}") for n in range(2 * BLOCK_ROWS + 10)])
    sealed = await seal_all(store)
    assert [one.rows for one in sealed] == [BLOCK_ROWS, BLOCK_ROWS, 10]
    assert (await verify(store)).rows == 2 * BLOCK_ROWS + 10
    tamper(bench, f"DELETE FROM history WHERE seq = {BLOCK_ROWS}")
    assert f"Row {BLOCK_ROWS} is missing" in await find_break(store)
