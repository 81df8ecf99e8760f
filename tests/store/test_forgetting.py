"""A month that was kept long enough: what was said goes, what was done stays, and everything still agrees."""

import asyncio
import json
from dataclasses import replace
from functools import partial

import pytest
import uuid_utils

from gateway.contract.clock import Millis
from gateway.contract.envelope import Thread
from gateway.states import DutyState, EnvelopeState
from gateway.store import forgetting
from gateway.store.forgetting import HOLDS
from gateway.store.months import bounds, find_month_of, make_id_beside
from gateway.store.port import KeyConflict, StoreUnavailable
from gateway.store.rows import InboxItem, KeptMonth, Moved, NewDuty, Settled, Target
from gateway.store.sql_store import SqlStore
from gateway.store.vault import number_month
from tests.store.chains import DAYS, seal_all, tamper, verify
from tests.store.conftest import LEASE, NOW, Bench, make_duty, make_envelope, make_registered, on_postgres

ADDRESS = b"16 bytes of hash"
LATER = "9999-12"


async def register(store: SqlStore, key: str, *duties: NewDuty, thread: str = "", decide_ms: int | None = None):
    """An envelope that became a complaint of its own month."""
    await store.accept([make_envelope(key, thread=Thread(key=thread) if thread else None)])
    (item,) = await store.claim_inbox(1, NOW, LEASE)
    complaint_id = item.complaint_id or make_id_beside(item.id)
    made = replace(make_registered(item, *duties), complaint_id=complaint_id, decide_ms=decide_ms)
    assert await store.register([made], NOW) == [True]
    return item


async def finish(store: SqlStore) -> None:
    for target, instance in ((Target.SYSTEM, "ledger"), (Target.NOTICE, "mail"), (Target.COLLECT, "gzh")):
        for duty in await store.claim_duties(target, instance, 100, NOW, LEASE):
            ticket = "T-1" if target is Target.SYSTEM else None
            await store.settle([Settled(duty=duty, state=DutyState.DONE, ticket=ticket, reference="sent-1")], NOW)


def make_notice() -> NewDuty:
    told = make_duty("acknowledgement", target=Target.NOTICE, instance="mail")
    return replace(told, to=json.dumps({"to": "li@example.com"}), address=ADDRESS)


async def look(store: SqlStore) -> KeptMonth:
    (name,) = await store.find_months(LATER)
    return await store.look_at_month(name)


async def forget(store: SqlStore) -> KeptMonth:
    month = await look(store)
    assert await store.forget(month, "tests", NOW) == {}
    return month


def count(bench: Bench, table: str) -> int:
    return bench.query(f"SELECT count(*) FROM {table}")[0][0]


@pytest.fixture
async def forgotten(bench: Bench, store: SqlStore) -> InboxItem:
    """The first of two complaints with all that they can have, finished, sealed, and forgotten."""
    item = await register(store, "k1", make_duty(), make_notice(), thread="call-7", decide_ms=NOW + 1000)
    await register(store, "k2", make_duty())
    await finish(store)
    assert item.receipt is not None
    assert await store.decide(item.receipt, "tests", NOW)
    await seal_all(store)
    month = await forget(store)
    assert (month.envelopes, month.complaints) == (2, 2)
    return item


async def test_what_was_said_and_where_it_was_answered_is_gone(bench: Bench, forgotten: InboxItem):
    assert (count(bench, "envelopes"), count(bench, "complaint_versions")) == (0, 0)
    assert bench.query('SELECT DISTINCT "to", address FROM duties') == [(b"", None)]
    assert (count(bench, "inbox"), count(bench, "complaints"), count(bench, "duties")) == (2, 2, 3)


async def test_its_trace_says_so_and_still_tells_what_was_done(store: SqlStore, forgotten: InboxItem):
    trace = await store.trace(forgotten.receipt)
    assert trace is not None
    assert trace.forgotten
    assert (list(trace.envelopes), list(trace.versions), trace.tickets) == ([], [], {"ledger": "T-1"})
    assert {duty.state for duty in trace.duties} == {"done"}
    events = [row.event for row in trace.history]
    assert {"complaint.registered", "duty.done", "complaint.closed"} <= set(events)
    assert events[-1] == "month.forgotten"
    assert trace.history[-1].detail == "2 envelopes, 2 complaints, by tests"


async def test_the_books_still_balance_and_the_chain_still_holds(store: SqlStore, forgotten: InboxItem):
    await seal_all(store)
    balance = await store.check_balance(DAYS, recount=True)
    assert (list(balance.imbalances), balance.unsealed) == ([], 0)
    assert (await verify(store)).rows == await store.newest_move()


async def test_the_same_push_is_still_known(store: SqlStore, forgotten: InboxItem):
    (again,) = await store.accept([make_envelope("k1", thread=Thread(key="call-7"))])
    assert (again.receipt, again.duplicate) == (forgotten.receipt, True)
    with pytest.raises(KeyConflict):
        await store.accept([make_envelope("k1", raw=b"something else")])


async def test_what_follows_begins_a_new_matter(store: SqlStore, forgotten: InboxItem):
    joining = make_envelope("k3", joins=forgotten.receipt)
    (by_thread,) = await store.accept([make_envelope("k4", thread=Thread(key="call-7"))])
    (by_number,) = await store.accept([joining])
    assert len({forgotten.receipt, by_thread.receipt, by_number.receipt}) == 3
    (next_,) = await store.accept([make_envelope("k5", thread=Thread(key="call-7"))])
    assert next_.receipt == by_thread.receipt
    items = await store.claim_inbox(10, NOW, LEASE)
    assert [(item.version, list(item.earlier)) for item in items] == [(0, [])] * 2


async def test_nothing_more_can_be_owed_read_or_released(bench: Bench, store: SqlStore, forgotten: InboxItem):
    assert await store.owe(forgotten.receipt, [make_notice()], NOW) is False
    assert await store.find_envelope(forgotten.id) is None
    assert await store.find_kept("", Millis(0), Millis(2**53), "", 10) == []
    assert await store.find_sent("sent-1") is None
    tamper(bench, f"UPDATE inbox SET state = 'dismissed' WHERE id = '{forgotten.id}'")
    assert await store.release([forgotten.id], "tests", NOW) == [False]


async def test_a_forgotten_month_is_not_forgotten_again(store: SqlStore, forgotten: InboxItem):
    assert await store.find_months(LATER) == []


async def test_what_was_dismissed_is_forgotten_too(bench: Bench, store: SqlStore):
    (kept,) = await store.accept([make_envelope()])
    items = await store.claim_inbox(1, NOW, LEASE)
    await store.register([Moved(item=items[0], state=EnvelopeState.DISMISSED, code="spam")], NOW)
    await forget(store)
    trace = await store.trace(kept.receipt)
    assert trace is not None
    assert (trace.forgotten, [(e.forgotten, e.state, e.code, e.size) for e in trace.envelopes]) == (
        True,
        [(True, "dismissed", "spam", 0)],
    )
    assert await store.release([kept.envelope_id], "tests", NOW) == [False]


async def leave_envelope(store: SqlStore) -> None:
    await store.accept([make_envelope("k9")])


async def set_aside(store: SqlStore) -> None:
    await store.accept([make_envelope("k9")])
    (item,) = await store.claim_inbox(1, NOW, LEASE)
    await store.register([Moved(item=item, state=EnvelopeState.SET_ASIDE, code="odd")], NOW)


async def leave_duty(store: SqlStore) -> None:
    await register(store, "k9", make_duty())


async def park_duty(store: SqlStore) -> None:
    await register(store, "k9", make_duty())
    (duty,) = await store.claim_duties(Target.SYSTEM, "ledger", 1, NOW, LEASE)
    await store.settle([Settled(duty=duty, state=DutyState.PARKED, code="odd")], NOW)


async def leave_decision(store: SqlStore) -> None:
    await register(store, "k9", decide_ms=NOW + 1000)


@pytest.mark.parametrize(
    ("leave", "name"),
    [
        (leave_envelope, "envelopes not finished"),
        (set_aside, "envelopes not finished"),
        (leave_duty, "duties not done"),
        (park_duty, "duties not done"),
        (leave_decision, "decisions not told"),
    ],
)
async def test_a_month_with_something_unfinished_is_held_as_a_whole(bench: Bench, store: SqlStore, leave, name: str):
    await register(store, "k1", make_duty())
    await finish(store)
    await leave(store)
    month = await look(store)
    assert month.holds == {name: 1}
    kept = (count(bench, "envelopes"), count(bench, "complaint_versions"))
    assert await store.forget(month, "tests", NOW) == month.holds
    assert (count(bench, "envelopes"), count(bench, "complaint_versions")) == kept == (2, kept[1])
    assert await store.find_months(LATER) == [month.name]


async def test_a_month_is_held_by_what_is_added_to_its_complaints_later(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
):
    first = await register_old(store, monkeypatch)
    assert await store.find_months(LATER) == ["2019-05"]
    assert first.receipt is not None
    await store.accept([make_envelope("k2", joins=first.receipt)])
    old = await store.look_at_month("2019-05")
    assert old.holds == {"supplements not registered": 1}
    assert await store.forget(old, "tests", NOW) == old.holds
    (item,) = await store.claim_inbox(1, NOW, LEASE)
    assert len(item.earlier) == 1
    assert await store.register([make_registered(item)], NOW) == [True]
    recent = await store.look_at_month(find_month_of(item.id))
    assert recent.holds == {"supplements of older complaints still kept": 1}
    assert await store.forget(await store.look_at_month("2019-05"), "tests", NOW) == {}
    assert (await store.look_at_month(recent.name)).holds == {}


async def register_old(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> InboxItem:
    """A complaint of 2019-05, as if it had come then."""
    await store._read_keys(number_month("2019-05"))
    with monkeypatch.context() as then:
        old = uuid_utils.UUID(bounds("2019-05")[0] + uuid_utils.uuid7().hex[12:])
        then.setattr("uuid_utils.uuid7", lambda: old)
        await store.accept([make_envelope("k1")])
    (item,) = await store.claim_inbox(1, NOW, LEASE)
    made = replace(make_registered(item), complaint_id=make_id_beside(item.id))
    assert await store.register([made], NOW) == [True]
    return item


async def test_what_was_broken_off_is_taken_up_and_leaves_no_half_matter(
    bench: Bench, store: SqlStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(forgetting, "BITE", 2)
    items = [await register(store, f"k{number}", make_notice()) for number in range(5)]
    await finish(store)
    month = await look(store)
    engine = store._engine
    await engine.write("forget", partial(forgetting.forget_complaints, month.name, ""))
    traces = [await store.trace(item.receipt) for item in items if item.receipt]
    assert [trace.forgotten for trace in traces if trace] == [True, True, False, False, False]
    assert await store.find_months(LATER) == [month.name]
    assert await store.forget(month, "tests", NOW) == {}
    assert (count(bench, "envelopes"), count(bench, "complaint_versions")) == (0, 0)
    assert bench.query('SELECT DISTINCT "to" FROM duties') == [(b"",)]


async def test_files_that_only_this_month_has_are_named(bench: Bench, store: SqlStore):
    await register(store, "k1", *(make_duty("fetch", target=Target.COLLECT, instance="gzh") for _ in range(3)))
    names = [letter * 64 for letter in "abb"]
    for name, duty in zip(names, await store.claim_duties(Target.COLLECT, "gzh", 3, NOW, LEASE), strict=True):
        await store.settle([Settled(duty=duty, state=DutyState.DONE, reference=f"file:{name}")], NOW)
    month = await look(store)
    assert await store.find_files(month.name, "", 10) == ["a" * 64, "b" * 64]
    assert await store.find_files(month.name, "", 1) == ["a" * 64]
    assert await store.find_files(month.name, "a" * 64, 1) == ["b" * 64]
    # The picture that is in a complaint of another month as well stays.
    tamper(bench, "UPDATE duties SET complaint_id = '0' WHERE id = (SELECT max(id) FROM duties)")
    assert await store.find_files(month.name, "", 10) == ["a" * 64]
    assert await store.forget(month, "tests", NOW) == {}
    assert bench.query("SELECT reference FROM duties ORDER BY reference") == [("",), ("",), (f"file:{'b' * 64}",)]


@on_postgres
async def test_the_partitions_are_dropped_and_others_stay(bench: Bench, store: SqlStore):
    await register(store, "k1")
    month = await forget(store)
    tables = "SELECT tablename FROM pg_tables WHERE tablename LIKE 'envelopes_%' ORDER BY 1"
    left = [row[0] for row in bench.query(tables)]
    assert f"envelopes_{month.name.replace('-', '_')}" not in left
    assert "envelopes_rest" in left
    assert len(left) == 3
    assert (await store.accept([make_envelope("k2")]))[0].receipt, "it goes into the rest"
    assert bench.query("SELECT count(*) FROM envelopes_rest") == [(1,)]


@on_postgres
async def test_nodes_that_forget_at_once_note_it_once(bench: Bench, store: SqlStore):
    await register(store, "k1")
    other = await bench.open()
    month = await look(store)
    await asyncio.gather(*(forget_patiently(node, month) for node in (store, other)))
    assert bench.query("SELECT count(*) FROM history WHERE event = 'month.forgotten'") == [(1,)]


async def forget_patiently(store: SqlStore, month: KeptMonth) -> None:
    for _ in range(50):
        try:
            assert await store.forget(month, "tests", NOW) == {}
        except StoreUnavailable:
            await asyncio.sleep(0.1)
        else:
            return


@on_postgres
async def test_nobody_is_held_up_by_a_month_that_somebody_reads(bench: Bench, store: SqlStore):
    await register(store, "k1")
    month = await look(store)
    bench.query("BEGIN")
    bench.query("SELECT count(*) FROM complaint_versions")
    with pytest.raises(StoreUnavailable, match="busy"):
        await store.forget(month, "tests", NOW)
    assert (await store.accept([make_envelope("k2")]))[0].receipt
    bench.query("COMMIT")
    assert await store.find_months(LATER) == [month.name]


@pytest.mark.parametrize("name", HOLDS)
async def test_asking_what_holds_a_month_reads_an_index(bench: Bench, name: str):
    for statement in HOLDS[name]:
        plan = await bench.explain(statement)
        assert not [line for line in plan if line.startswith("SCAN") and "INDEX" not in line], plan
