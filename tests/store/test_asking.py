import hashlib
from dataclasses import replace

import pytest

from gateway.contract.clock import Millis
from gateway.contract.envelope import LENT_LIMIT_S, LENT_S, Envelope, Thread
from gateway.contract.ports import Event
from gateway.contract.receipt import make_receipt
from gateway.states import DutyState, EnvelopeState
from gateway.store import asking, registering, settling
from gateway.store.plan import Statement
from gateway.store.rows import Moved, Settled, Target
from gateway.store.sql_store import SqlStore
from tests.store.conftest import (
    LEASE,
    NOW,
    Bench,
    make_duty,
    make_envelope,
    make_registered,
    on_postgres,
    on_sqlite,
    register_one,
)


async def test_trace_tells_the_whole_life_of_a_receipt(store: SqlStore):
    item = await register_one(store, make_duty("create"), make_duty("attach"))
    assert item.receipt is not None
    (duty,) = await store.claim_duties(Target.SYSTEM, "ledger", 10, NOW, LEASE)
    later = Settled(duty=duty, state=DutyState.WAITING, code="timeout", due_ms=NOW)
    await store.settle([later], Millis(NOW + 1))
    (duty,) = await store.claim_duties(Target.SYSTEM, "ledger", 10, Millis(NOW + 2), LEASE)
    await store.settle([Settled(duty=duty, state=DutyState.DONE, ticket="T-1", reference="/t/1")], Millis(NOW + 3))
    (duty,) = await store.claim_duties(Target.SYSTEM, "ledger", 10, Millis(NOW + 3), LEASE)
    parked = Settled(duty=duty, state=DutyState.PARKED, code="too_large", detail="Attach it by hand.")
    await store.settle([parked], Millis(NOW + 4))
    await store.accept([make_envelope("k2", raw=b"more", joins=item.receipt)])
    (more,) = await store.claim_inbox(10, NOW, LEASE)
    await store.register([make_registered(more)], Millis(NOW + 5))
    await store.accept([make_envelope("k3", raw=b"", joins=item.receipt)])
    (empty,) = await store.claim_inbox(10, NOW, LEASE)
    await store.register([Moved(item=empty, state=EnvelopeState.SET_ASIDE, code="empty")], Millis(NOW + 6))

    trace = await store.trace(item.receipt)

    assert trace is not None
    assert [(e.source_key, e.state, e.code) for e in trace.envelopes] == [
        ("k1", "registered", ""),
        ("k2", "registered", ""),
        ("k3", "set_aside", "empty"),
    ]
    assert (trace.envelopes[1].size, trace.envelopes[1].sha256) == (4, hashlib.sha256(b"more").hexdigest())
    assert trace.versions == [
        (1, Event.REGISTERED, NOW, b'{"version": 1}'),
        (2, Event.SUPPLEMENTED, NOW + 5, b'{"version": 2}'),
    ]
    assert [(d.step, d.state, d.code, d.reference, d.done_ms) for d in trace.duties] == [
        ("create", DutyState.DONE, "", "/t/1", NOW + 3),
        ("attach", DutyState.PARKED, "too_large", "", None),
    ]
    assert trace.tickets == {"ledger": "T-1"}
    assert [(h.subject, h.event, h.before, h.after) for h in trace.history] == [
        ("envelope", "envelope.accepted", "", "accepted"),
        ("complaint", "complaint.registered", "", "1"),
        ("duty", "duty.owed", "", "waiting"),
        ("duty", "duty.owed", "", "waiting"),
        ("envelope", "envelope.registered", "accepted", "registered"),
        ("duty", "duty.later", "waiting", "waiting"),
        ("duty", "duty.done", "waiting", "done"),
        ("duty", "duty.parked", "waiting", "parked"),
        ("envelope", "envelope.accepted", "", "accepted"),
        ("complaint", "complaint.supplemented", "1", "2"),
        ("envelope", "envelope.registered", "accepted", "registered"),
        ("envelope", "envelope.accepted", "", "accepted"),
        ("envelope", "envelope.set_aside", "accepted", "set_aside"),
    ]


async def test_a_receipt_that_was_never_given_has_no_trace(store: SqlStore):
    assert await store.trace(make_receipt(10**10)) is None


async def test_a_receipt_can_be_traced_before_it_is_registered(store: SqlStore):
    (accepted,) = await store.accept([make_envelope()])
    assert accepted.receipt is not None
    trace = await store.trace(accepted.receipt)
    assert trace is not None
    assert (trace.complaint_id, [e.state for e in trace.envelopes]) == (None, ["accepted"])


async def test_what_waits_for_a_person_comes_in_pages_and_each_decision_is_kept(store: SqlStore):
    await register_one(store, make_duty())
    (duty,) = await store.claim_duties(Target.SYSTEM, "ledger", 10, NOW, LEASE)
    await store.settle([Settled(duty=duty, state=DutyState.PARKED, code="rejected", detail="No such branch.")], NOW)
    await store.accept([make_envelope(f"e{i}") for i in range(4)])
    items = await store.claim_inbox(10, NOW, LEASE)
    await store.register([Moved(item=i, state=EnvelopeState.SET_ASIDE, code="no_text") for i in items], NOW)

    first = await store.parked(3)
    rest = await store.parked(3, first[-1].id)
    assert [p.id for p in [*first, *rest]] == [duty.id, *(i.id for i in items)]
    assert [(p.subject, p.where, p.code, p.detail, p.attempts) for p in first[:2]] == [
        ("duty", "ledger", "rejected", "No such branch.", 1),
        ("envelope", "95561", "no_text", "", 1),
    ]

    assert await store.dismiss([items[0].id, "0" * 32, duty.id], "Test call.", "desk:li", NOW) == [True, False, True]
    assert await store.release([items[1].id, items[0].id, items[1].id[::-1]], "desk:li", NOW) == [True, True, False]
    assert await store.dismiss([items[0].id], "Not set aside.", "desk:li", NOW) == [False]
    assert await store.release([items[0].id, duty.id], "desk:li", NOW) == [False, False]
    assert [p.id for p in await store.parked(10)] == [items[2].id, items[3].id]
    trace = await store.trace(items[0].receipt)  # type: ignore[arg-type]
    assert trace is not None
    assert [(h.event, h.before, h.after, h.detail) for h in trace.history][-2:] == [
        ("envelope.dismissed", "set_aside", "dismissed", "by desk:li: Test call."),
        ("envelope.released", "dismissed", "accepted", "by desk:li"),
    ]


async def test_kept_envelopes_are_found_page_by_page(store: SqlStore):
    await store.accept([make_envelope(str(i), at=NOW + i, channel="ab"[i % 2]) for i in range(10)])

    async def walk(channel: str, since: int, until: int) -> list[str]:
        found: list[str] = []
        last = ""
        while page := await store.find_kept(channel, Millis(since), Millis(until), last, 2):
            found += page
            last = page[-1]
        items = [await store.find_envelope(envelope_id) for envelope_id in found]
        return [item.envelope.source_key for item in items if item]

    assert await walk("", NOW + 2, NOW + 7) == ["2", "3", "4", "5", "6"]
    assert await walk("a", NOW, NOW + 10) == ["0", "2", "4", "6", "8"]
    assert await walk("c", NOW, NOW + 10) == []


async def test_standings_tell_count_and_age_of_what_is_unfinished(store: SqlStore, bench: Bench):
    rung = make_duty("warning:1:1", instance="sms", target=Target.NOTICE, due_ms=NOW + 1_800_000)
    await register_one(store, make_duty("create"), make_duty("attach"), rung)
    (duty,) = await store.claim_duties(Target.SYSTEM, "ledger", 10, NOW, LEASE)
    await store.settle([Settled(duty=duty, state=DutyState.WAITING, code="timeout", due_ms=NOW + 90_000)], NOW)
    bench.clock.now = Millis(NOW + 7)
    await store.accept([make_envelope("a"), make_envelope("b"), make_envelope("c", channel="gzh")])
    standings = {(s.subject, s.where, s.state): (s.count, s.oldest_ms) for s in await store.standings()}
    assert standings == {
        ("envelope", "95561", "accepted"): (2, NOW + 7),
        ("envelope", "gzh", "accepted"): (1, NOW + 7),
        # Owed since it was first due, however often it was put off, and not before a rung's time.
        ("system", "ledger", "waiting"): (2, NOW),
        ("notice", "sms", "waiting"): (1, NOW + 1_800_000),
    }
    totals = {(s.subject, s.where, s.state): s.count for s in await store.totals()}
    assert totals[("envelope", "95561", "registered")] == 1
    assert sum(n for (subject, *_), n in totals.items() if subject == "envelope") == 4


work_in_hand = pytest.mark.parametrize(
    ("statement", "index"),
    [
        (registering.CHANNELS_AT_WORK, "ix_inbox_accepted"),
        (registering.READY, "ix_inbox_accepted"),
        (registering.LENDERS, "PRIMARY KEY"),
        (settling.READY, "ix_duties_waiting"),
        (asking.PARKED_ENVELOPES, "ix_inbox_set_aside"),
        (asking.PARKED_DUTIES, "ix_duties_parked"),
        (asking.UNREGISTERED_ENVELOPES, "ix_inbox_unregistered"),
        (asking.STANDINGS[0], "ix_inbox_accepted"),
        (asking.STANDINGS[1], "ix_inbox_set_aside"),
        (asking.STANDINGS[2], "ix_duties_waiting"),
        (asking.STANDINGS[3], "ix_duties_parked"),
    ],
)


@on_sqlite
@work_in_hand
async def test_work_in_hand_is_found_without_reading_finished_rows(bench: Bench, statement: Statement, index: str):
    plan = [line for line in await bench.explain(statement) if " walk" not in line.lower()]
    assert any(index in line for line in plan)
    for line in plan:
        # Whole tables are never read, and rows looked up one by one are found by their key.
        assert not line.startswith("SCAN") or " ix_" in line or "CONSTANT" in line
        assert not line.startswith("SEARCH") or any(way in line for way in (" ix_", "PRIMARY KEY", "autoindex"))
    if statement in (registering.READY, settling.READY):
        assert not any("TEMP B-TREE" in line for line in plan)


@on_postgres
@work_in_hand
async def test_work_in_hand_is_found_without_reading_finished_rows_on_postgres(
    bench: Bench, statement: Statement, index: str
):
    plan = await bench.explain(statement)
    wanted = "pk_" if index == "PRIMARY KEY" else index
    assert any(wanted in line for line in plan)
    assert not any("Seq Scan" in line for line in plan)


async def test_the_states_of_named_envelopes_are_counted_and_no_others(store: SqlStore):
    registered = await register_one(store)
    accepted = await store.accept([make_envelope(f"more-{n}") for n in range(1500)])
    ids = [registered.id, *(one.envelope_id for one in accepted[:1400])]
    states = await store.count_states(ids)
    assert (states[EnvelopeState.REGISTERED], states[EnvelopeState.ACCEPTED], sum(states.values())) == (1, 1400, 1401)
    assert states[EnvelopeState.SET_ASIDE] == 0
    assert sum((await store.count_states([])).values()) == 0
    found = await store.find_envelope(registered.id)
    assert found is not None
    assert found.state is EnvelopeState.REGISTERED


def of_thread(key: str, openid: str, *, channel: str = "gzh", ends: bool = False, at: int = NOW) -> Envelope:
    thread = Thread(key=openid, window_ms=60_000, ends=ends)
    return make_envelope(key, channel=channel, thread=thread, at=at)


async def test_a_thread_learns_of_its_latest_matter_ended_or_not(store: SqlStore):
    (first,) = await store.accept([of_thread("k1", "o1", ends=True)])
    assert await store.find_matter("gzh", "o1") == first.receipt
    (second,) = await store.accept([of_thread("k2", "o1")])
    assert second.receipt != first.receipt
    assert await store.find_matter("gzh", "o1") == second.receipt
    assert await store.find_matter("gzh", "o2") is None
    assert await store.find_matter("other", "o1") is None


async def test_a_thread_whose_key_grows_with_time_is_found_as_well(store: SqlStore):
    thread = Thread(key="20260101-0001", sequential=True)
    (kept,) = await store.accept([make_envelope(thread=thread)])
    assert await store.find_matter("95561", thread.key, sequential=True) == kept.receipt


async def test_the_trace_says_of_which_thread_each_envelope_is_and_whether_it_wanted_a_number(store: SqlStore):
    (kept,) = await store.accept([of_thread("k1", "o1")])
    await store.accept([replace(of_thread("k2", "o1"), receipt_wanted=False)])
    assert kept.receipt
    await store.accept([make_envelope("k3", joins=kept.receipt)])
    for _ in range(2):
        trace = await store.trace(kept.receipt)
        assert trace
        facts = [(e.source_key, e.thread, e.receipt_wanted) for e in trace.envelopes]
        assert facts == [("k1", "o1", True), ("k2", "o1", False), ("k3", None, True)]
        items = await store.claim_inbox(10, NOW, LEASE)
        await store.register([make_registered(item) for item in items], NOW)


async def test_an_envelope_comes_with_those_of_its_thread_that_may_lend_to_it(store: SqlStore):
    hour = 3_600_000

    def lend(key: str, branch: str, at: int, openid: str = "o1", channel: str = "gzh") -> Envelope:
        hints = {"branch": branch, LENT_S: "7200"}
        return replace(of_thread(key, openid, channel=channel, at=at), receipt_wanted=False, hints=hints)

    plain = replace(of_thread("plain", "o1"), receipt_wanted=False, hints={"branch": "not lent"})
    await store.accept([lend("s1", "A", NOW), lend("s2", "B", NOW, "o2"), lend("s3", "C", NOW, channel="x"), plain])
    (first,) = await store.accept([of_thread("k1", "o1", at=NOW + hour)])
    await store.accept([lend("s4", "D", NOW + 2 * hour)])
    items = {item.envelope.source_key: item for item in await store.claim_inbox(10, Millis(NOW + 3 * hour), LEASE)}
    assert [lender.hints["branch"] for lender in items["k1"].lenders] == ["A", "D"]
    assert [lender.received_at for lender in items["k1"].lenders] == [NOW, NOW + 2 * hour]
    await store.register([make_registered(items["k1"])], NOW)
    assert first.receipt
    await store.accept([make_envelope("more", channel="gzh", joins=first.receipt, at=NOW + 3 * hour)])
    (more,) = await store.claim_inbox(1, Millis(NOW + 3 * hour), LEASE)
    assert [lender.hints["branch"] for lender in more.lenders] == ["A", "D"], "for those before it"


async def test_what_was_lent_long_ago_is_not_even_looked_at(store: SqlStore):
    scan = replace(of_thread("s", "o1"), receipt_wanted=False, hints={"branch": "A", LENT_S: "9999999"})
    await store.accept([scan])
    (item,) = await store.claim_inbox(1, NOW, LEASE)
    await store.register([Moved(item=item, state=EnvelopeState.DISMISSED, code="scan")], NOW)
    later = NOW + LENT_LIMIT_S * 1000
    await store.accept([of_thread("k1", "o1", at=later, ends=True), of_thread("k2", "o1", at=later + 1)])
    first, second = sorted(await store.claim_inbox(10, Millis(later), LEASE), key=lambda item: item.id)
    await store.register([make_registered(first)], NOW)
    assert first.lenders
    alone = await store.find_envelope(second.id)
    assert alone
    assert not alone.lenders
