"""What is kept is sealed: under which keys, what opens it, and what never does again."""

import os
import sqlite3
from dataclasses import replace
from functools import partial
from uuid import UUID

import pytest
import uuid_utils

from config.keys import Keyring
from config.secret import Secret
from gateway.contract.clock import Millis
from gateway.contract.envelope import Thread
from gateway.store.accepting import mark_key
from gateway.store.months import find_month_of
from gateway.store.port import StoreUnavailable
from gateway.store.postgres import PostgresStore
from gateway.store.rows import Target
from gateway.store.sql_store import KEYS_EVERY_S, SqlStore
from gateway.store.sqlite import SqliteStore
from gateway.store.vault import Erased, Tampered, destroy_key, find_key, name_month, number_month, read_month
from tests.keyring import KEYRING
from tests.postgres_server import PASSWORD
from tests.store.conftest import LEASE, NOW, Bench, make_duty, make_envelope, make_registered, register_one

MONTH_MS = 31 * 86_400_000


def open_with(bench: Bench, keyring: Keyring) -> SqlStore:
    if bench.is_postgres:
        return PostgresStore(bench.url, lambda: keyring, password=Secret(PASSWORD), clock=bench.clock)
    return SqliteStore(bench.url, lambda: keyring, clock=bench.clock, min_free_mb=0)


async def test_nothing_a_customer_said_stands_in_the_rows(store: SqlStore, bench: Bench):
    story = "张三的转账没有到账，电话13800138000".encode()
    item = await register_one(
        store,
        make_duty(),
        envelope=make_envelope("call:13800138000", raw=story, thread=Thread(key="openid-of-zhang-san")),
    )
    assert item.envelope.raw == story
    kept = bench.query("SELECT said FROM envelopes") + bench.query("SELECT document FROM complaint_versions")
    kept += bench.query('SELECT "to", detail FROM duties') + bench.query("SELECT key, content FROM inbox")
    kept += bench.query("SELECT key FROM threads")
    everything = b"".join(bytes(value) for row in kept for value in row)
    for secret in ("张三", "13800138000", "openid", "version", "call:"):
        assert secret.encode() not in everything
    assert len(everything) > len(story)


async def test_equal_words_are_sealed_differently_each_time(store: SqlStore, bench: Bench):
    await store.accept([make_envelope("a"), make_envelope("b")])
    (one,), (other,) = bench.query("SELECT said FROM envelopes")
    assert bytes(one) != bytes(other)


async def test_a_row_that_was_changed_or_moved_does_not_open_and_holds_up_nobody(store: SqlStore, bench: Bench):
    await store.accept([make_envelope(f"k{n}") for n in range(4)])
    first, second, third, _ = (row[0] for row in bench.query("SELECT id FROM envelopes ORDER BY id"))
    place = "$1" if bench.is_postgres else "?"
    swap = f"UPDATE envelopes SET said = (SELECT said FROM envelopes WHERE id = '{second}') WHERE id = {place}"
    await execute(bench, swap, first)
    await execute(bench, f"UPDATE envelopes SET said = substr(said, 1, length(said) - 1) WHERE id = {place}", third)
    items = await store.claim_inbox(10, NOW, LEASE)
    assert sorted(item.envelope.source_key for item in items) == ["k1", "k3"]
    aside = await store.parked(10)
    assert [(each.id, each.code) for each in aside] == [(first, "seal_broken"), (third, "seal_broken")]
    with pytest.raises(Tampered):
        await store.find_envelope(first)


async def test_a_duty_whose_complaint_was_changed_is_parked_and_its_neighbour_goes_on(store: SqlStore, bench: Bench):
    await register_one(store, make_duty(), envelope=make_envelope("a"))
    await register_one(store, make_duty(), envelope=make_envelope("b"))
    (first,), (_,) = bench.query("SELECT complaint_id FROM complaint_versions ORDER BY complaint_id")
    place = "$1" if bench.is_postgres else "?"
    other = "SELECT document FROM complaint_versions WHERE complaint_id"
    await execute(
        bench, f"UPDATE complaint_versions SET document = ({other} <> {place}) WHERE complaint_id = '{first}'", first
    )
    duties = await store.claim_duties(Target.SYSTEM, "ledger", 10, NOW, LEASE)
    assert len(duties) == 1
    assert [each.code for each in await store.parked(10)] == ["seal_broken"]


async def test_another_keyring_opens_nothing_and_says_which_key_is_wanted(store: SqlStore, bench: Bench):
    await store.accept([make_envelope()])
    with pytest.raises(StoreUnavailable, match="does not fit this store"):
        await open_with(bench, Keyring({1: bytes(32)})).open()
    with pytest.raises(StoreUnavailable, match="lacks version 1"):
        await open_with(bench, Keyring({2: bytes(32)})).open()


async def test_a_new_master_key_opens_what_the_old_one_sealed_and_then_stands_alone(store: SqlStore, bench: Bench):
    await store.accept([make_envelope("before")])
    both = Keyring({**KEYRING.keys, 2: os.urandom(32)})
    renewed = open_with(bench, both)
    await renewed.open()
    count = len(await renewed.read_month_keys())
    assert await renewed.rewrap_keys() == count
    assert await renewed.rewrap_keys() == 0
    assert {key.version for key in await renewed.read_month_keys()} == {2}
    # A process that was there before goes on: its keys are the same.
    await store.accept([make_envelope("meanwhile")])
    await renewed.close()
    alone = open_with(bench, Keyring({2: both.keys[2]}))
    await alone.open()
    items = await alone.claim_inbox(10, NOW, LEASE)
    assert sorted(item.envelope.source_key for item in items) == ["before", "meanwhile"]
    (again,) = await alone.accept([make_envelope("before")])
    assert again.duplicate, "what is marked is found under the new key as well"
    await alone.close()


async def test_keys_are_made_two_months_ahead_and_when_the_clock_has_jumped(store: SqlStore, bench: Bench):
    month = find_key(NOW)
    names = ["", *(name_month(month + n) for n in range(3))]
    assert set(names) <= {key.month for key in await store.read_month_keys()}
    bench.clock.now = Millis(NOW + 8 * MONTH_MS)
    (accepted,) = await store.accept([make_envelope("later")])
    assert accepted.receipt
    bench.clock.now = Millis(1)
    await store.accept([make_envelope("1970")])
    items = await store.claim_inbox(10, Millis(NOW + 9 * MONTH_MS), LEASE)
    assert {item.envelope.source_key for item in items} == {"later", "1970"}


async def test_what_one_node_sealed_in_a_month_another_has_no_key_of_is_read_all_the_same(
    store: SqlStore, bench: Bench
):
    other = await bench.open()
    bench.clock.now = Millis(NOW + 8 * MONTH_MS)
    await store.accept([make_envelope("later")])
    (item,) = await other.claim_inbox(10, bench.clock.now, LEASE)
    assert item.envelope.source_key == "later"


async def test_who_only_accepts_lets_go_of_a_key_that_another_process_destroyed(bench: Bench):
    store, other = await bench.open(), await bench.open()
    sealed = store._vault.seal(b"words", "a", NOW)
    await other._engine.write("key", partial(destroy_key, name_month(find_key(NOW)), NOW))
    assert store._vault.unseal(sealed, "a") == b"words"
    store._keys_read_at -= KEYS_EVERY_S
    await store.look_after_keys()
    with pytest.raises(Erased):
        store._vault.unseal(sealed, "a")


async def test_a_month_whose_key_is_destroyed_can_never_be_read_again(store: SqlStore, bench: Bench):
    await store.accept([make_envelope()])
    (envelope_id,) = bench.query("SELECT id FROM envelopes")[0]
    for month in (find_month_of(envelope_id), name_month(find_key(NOW))):
        await store._engine.write("key", partial(destroy_key, month, NOW))
    anew = await bench.open()
    with pytest.raises(Erased, match=find_month_of(envelope_id)):
        await anew.find_envelope(envelope_id)
    with pytest.raises(StoreUnavailable, match="destroyed"):
        await anew.accept([make_envelope("k2")])


async def test_an_envelope_is_sealed_under_the_key_of_the_month_of_its_id(store: SqlStore, bench: Bench):
    # The clock of the tests stands still; ids are of today, as if the month had turned since it was read.
    await store.accept([make_envelope("k1"), make_envelope("k2")])
    assert find_month_of(bench.query("SELECT id FROM envelopes")[0][0]) != name_month(find_key(NOW))
    for envelope_id, said in bench.query("SELECT id, said FROM envelopes"):
        assert read_month(said) == find_month_of(envelope_id)


async def test_an_id_of_a_month_that_has_no_key_becomes_one_of_this_month(bench: Bench):
    # As after a clock that ran ahead for months: ids stay there.
    store = bench.make()
    await store.open()
    (accepted,) = await store.accept([make_envelope("k1")])
    ((envelope_id, said),) = bench.query("SELECT id, said FROM envelopes")
    assert accepted.envelope_id == envelope_id
    assert find_month_of(envelope_id) == read_month(said) == name_month(find_key(NOW))
    (item,) = await store.claim_inbox(10, NOW, LEASE)
    assert item.envelope.source_key == "k1"
    await store.close()


async def test_of_envelopes_between_which_the_month_turned_each_has_the_key_of_its_id(
    store: SqlStore, bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    # 2026-11-30 23:59:59.999 and a millisecond later
    monkeypatch.setattr(uuid_utils, "uuid7", partial(next, iter(map(uuid_at, (1_796_083_199_999, 1_796_083_200_000)))))
    await store._read_keys(number_month("2026-11"), number_month("2026-12"))
    bench.clock.now = Millis(1_796_083_199_999)
    await store.accept([make_envelope("k1"), make_envelope("k2")])
    kept = bench.query("SELECT id, said FROM envelopes")
    assert {(find_month_of(envelope_id), read_month(said)) for envelope_id, said in kept} == {("2026-11", "2026-11")}


def uuid_at(ms: int) -> UUID:
    return UUID(hex=f"{ms:012x}7{os.urandom(10).hex()[:19]}")


async def test_a_store_without_its_keyring_tells_the_history_and_nothing_else(store: SqlStore, bench: Bench):
    await store.accept([make_envelope()])
    if bench.is_postgres:
        closed: SqlStore = PostgresStore(bench.url, None, password=Secret(PASSWORD), clock=bench.clock)
    else:
        closed = SqliteStore(bench.url, None, clock=bench.clock, min_free_mb=0)
    await closed.open()
    assert await closed.newest_move() == 1
    with pytest.raises(StoreUnavailable, match="keyring"):
        await closed.accept([make_envelope("k2")])
    await closed.close()


async def test_a_complaint_is_found_by_what_it_was_given_under(store: SqlStore, bench: Bench):
    receipts = []
    for key, ways in (("a", ("phone:13800138000",)), ("b", ("phone:13800138000", "email:z@example.org")), ("c", ())):
        await store.accept([make_envelope(key)])
        (item,) = await store.claim_inbox(1, bench.clock.now, LEASE)
        result = replace(make_registered(item), found_by=ways)
        assert await store.register([result], bench.clock.now) == [True]
        receipts.append(item.receipt)
        bench.clock.now = Millis(bench.clock.now + MONTH_MS)
    found = await store.find(["phone:13800138000"])
    assert [each.receipt for each in found] == [receipts[1], receipts[0]]
    assert [each.receipt for each in await store.find(["email:z@example.org"])] == [receipts[1]]
    assert await store.find(["phone:13900139000"]) == []
    assert b"13800138000" not in b"".join(bytes(row[0]) for row in bench.query("SELECT mark FROM marks"))


async def test_what_a_supplement_repeats_is_noted_once_whoever_else_was_given_under_it(store: SqlStore, bench: Bench):
    (first,) = await store.accept([make_envelope("a")])
    await store.accept([make_envelope("b"), make_envelope("c", joins=first.receipt)])
    for _ in range(2):
        items = await store.claim_inbox(10, NOW, LEASE)
        results = [replace(make_registered(item), found_by=("phone:13800138000",)) for item in items]
        assert all(await store.register(results, NOW))
    assert [each.receipt for each in await store.find(["phone:13800138000"])].count(first.receipt) == 1
    assert bench.query("SELECT count(*) FROM marks") == [(2,)]


async def test_marks_of_growing_keys_lie_together_and_tell_nothing(store: SqlStore):
    def mark(key: str, *, sequential: bool = True) -> bytes:
        return mark_key(store._vault, "95561", key, sequential=sequential)

    one, next_, later, other_day = (mark(f"call:{call}:digest") for call in
                                    ("20261126000101", "20261126000102", "20261126000901", "20261127000101"))  # fmt: skip
    assert one[:8] == next_[:8] != later[:8]
    assert one[:3] == later[:3] != other_day[:3]
    assert len({one, next_, later, other_day, mark("call:20261126000101:digest", sequential=False)}) == 5
    assert mark("call:1") != mark("call:2")


@pytest.mark.parametrize("month", ["2000-01", "2026-11", "2026-12", "3999-12"])
def test_months_are_counted_there_and_back(month: str):
    assert name_month(number_month(month)) == month


async def execute(bench: Bench, sql: str, *values: object) -> None:
    if bench._server is not None:
        bench.query(sql, *values)
        return
    with sqlite3.connect(bench.path) as connection:
        connection.execute(sql, values)
