from dataclasses import replace

from gateway.contract.clock import Millis
from gateway.contract.ports import Event
from gateway.states import EnvelopeState
from gateway.store.rows import Moved, Target
from gateway.store.sql_store import SqlStore
from tests.store.conftest import LEASE, NOW, Bench, make_duty, make_envelope, make_registered, register_one


async def test_a_lease_keeps_others_away_until_it_lapses(store: SqlStore):
    await store.accept([make_envelope()])
    (first,) = await store.claim_inbox(10, NOW, LEASE)
    assert await store.claim_inbox(10, Millis(NOW + LEASE - 1), LEASE) == []
    (second,) = await store.claim_inbox(10, Millis(NOW + LEASE), LEASE)
    assert (first.claim, first.attempts, second.claim, second.attempts) == (1, 1, 2, 2)


async def test_a_stale_claim_changes_nothing(store: SqlStore, bench: Bench):
    await store.accept([make_envelope()])
    (stale,) = await store.claim_inbox(10, NOW, LEASE)
    (fresh,) = await store.claim_inbox(10, Millis(NOW + LEASE), LEASE)
    assert await store.register([make_registered(stale, make_duty())], NOW) == [False]
    assert await store.register([Moved(item=stale, state=EnvelopeState.DISMISSED, code="x")], NOW) == [False]
    assert bench.query("SELECT (SELECT count(*) FROM complaints), (SELECT count(*) FROM duties)") == [(0, 0)]
    assert await store.register([make_registered(fresh, make_duty())], NOW) == [True]
    assert await store.register([make_registered(fresh)], NOW) == [False]


async def test_each_item_of_a_batch_stands_for_itself(store: SqlStore):
    await store.accept([make_envelope(str(i)) for i in range(4)])
    good, lost, aside, later = await store.claim_inbox(10, NOW, LEASE)
    results = [
        make_registered(good),
        make_registered(replace(lost, claim=99)),
        Moved(item=aside, state=EnvelopeState.SET_ASIDE, code="no_text", detail="There is no text in it."),
        Moved(item=later, state=EnvelopeState.ACCEPTED, code="bug_KeyError", due_ms=NOW + 500),
    ]
    assert await store.register(results, NOW) == [True, False, True, True]
    assert await store.claim_inbox(10, Millis(NOW + 499), LEASE) == []
    assert [item.id for item in await store.claim_inbox(10, Millis(NOW + 500), LEASE)] == [later.id]
    assert [item.id for item in await store.claim_inbox(10, Millis(NOW + LEASE), LEASE)] == [lost.id]


async def test_envelopes_of_one_receipt_are_claimed_one_after_the_other_in_order(store: SqlStore):
    (first,) = await store.accept([make_envelope("a")])
    await store.accept([make_envelope("b", joins=first.receipt), make_envelope("c", joins=first.receipt)])
    keys = []
    for turn in range(3):
        (item,) = await store.claim_inbox(10, NOW, LEASE)
        assert await store.claim_inbox(10, NOW, LEASE) == []
        keys.append(item.envelope.source_key)
        assert (item.version, [e.source_key for e in item.earlier]) == (turn, keys[:-1])
        assert await store.register([make_registered(item)], NOW) == [True]
    assert keys == ["a", "b", "c"]


async def test_a_set_aside_envelope_does_not_hold_back_the_next_of_its_matter(store: SqlStore):
    (first,) = await store.accept([make_envelope("a")])
    await store.accept([make_envelope("b", joins=first.receipt)])
    (item,) = await store.claim_inbox(10, NOW, LEASE)
    await store.register([Moved(item=item, state=EnvelopeState.SET_ASIDE, code="no_text")], NOW)
    (following,) = await store.claim_inbox(10, NOW, LEASE)
    assert (following.envelope.source_key, following.version, following.earlier) == ("b", 0, [])
    assert await store.register([make_registered(following)], NOW) == [True]
    assert await store.release([item.id], "desk:li", NOW) == [True]
    (released,) = await store.claim_inbox(10, NOW, LEASE)
    assert (released.id, released.version, [e.source_key for e in released.earlier]) == (item.id, 1, ["b"])


async def test_a_flooding_channel_leaves_the_others_their_share(store: SqlStore, bench: Bench):
    await store.accept([make_envelope(f"f{i}", channel="flood") for i in range(300)])
    bench.clock.now = Millis(NOW + 1000)
    await store.accept([make_envelope(f"q{i}", channel="quiet") for i in range(3)])
    await store.accept([make_envelope(f"b{i}", channel="busy") for i in range(40)])
    claimed = await store.claim_inbox(60, NOW, LEASE)
    count = {name: sum(i.envelope.channel == name for i in claimed) for name in ("flood", "quiet", "busy")}
    assert count == {"flood": 29, "quiet": 3, "busy": 28}
    assert [i.envelope.source_key for i in claimed if i.envelope.channel == "flood"] == [f"f{i}" for i in range(29)]


async def test_a_batch_smaller_than_the_number_of_channels_stays_within_its_limit(store: SqlStore):
    await store.accept([make_envelope(channel=name) for name in "abc"])
    assert len(await store.claim_inbox(2, NOW, LEASE)) == 2
    assert len(await store.claim_inbox(2, NOW, LEASE)) == 1


async def test_a_complaint_that_moved_on_refuses_the_older_view_and_offers_the_item_again_at_once(store: SqlStore):
    first = await register_one(store)
    await store.accept([make_envelope("k2", joins=first.receipt)])
    (item,) = await store.claim_inbox(10, NOW, LEASE)
    replayed = await store.find_envelope(first.id)
    assert replayed is not None
    assert await store.reread(make_registered(replayed, event=Event.REREAD), NOW)
    assert await store.register([make_registered(item)], NOW) == [False]
    (again,) = await store.claim_inbox(10, NOW, LEASE)
    assert (again.id, again.version) == (item.id, 2)
    assert await store.register([make_registered(again)], NOW) == [True]


async def test_a_reread_of_an_older_view_changes_nothing(store: SqlStore, bench: Bench):
    item = await register_one(store)
    replayed = await store.find_envelope(item.id)
    assert replayed is not None
    result = make_registered(replayed, make_duty("note"), event=Event.REREAD)
    assert await store.reread(result, NOW)
    assert not await store.reread(result, NOW)
    assert bench.query("SELECT version FROM complaints") == [(2,)]
    assert bench.query("SELECT count(*) FROM complaint_versions") == [(2,)]
    assert bench.query("SELECT state FROM inbox") == [("registered",)]


async def test_a_reread_does_not_count_an_envelope_twice(store: SqlStore):
    item = await register_one(store)
    replayed = await store.find_envelope(item.id)
    assert replayed is not None
    assert replayed.earlier == []
    await store.reread(make_registered(replayed, event=Event.REREAD), NOW)
    await store.accept([make_envelope("k2", joins=item.receipt)])
    (following,) = await store.claim_inbox(10, NOW, LEASE)
    assert [e.source_key for e in following.earlier] == ["k1"]
    trace = await store.trace(item.receipt)
    assert trace is not None
    assert len(trace.envelopes) == 2


async def test_two_complaints_never_share_a_receipt(store: SqlStore, bench: Bench):
    first = await register_one(store)
    await store.accept([make_envelope("k2", joins=first.receipt)])
    (item,) = await store.claim_inbox(10, NOW, LEASE)
    wrong = replace(make_registered(item), complaint_id="f" * 32)
    assert await store.register([wrong], NOW) == [False]
    assert bench.query("SELECT count(*) FROM complaints") == [(1,)]


async def test_what_reads_as_a_complaint_but_has_no_number_waits_for_a_person_and_gets_one(store: SqlStore):
    await store.accept([make_envelope(wanted=False)])
    (item,) = await store.claim_inbox(10, NOW, LEASE)
    assert await store.register([make_registered(item)], NOW) == [True]
    (waiting,) = await store.parked(10)
    assert (waiting.id, waiting.code, waiting.receipt) == (item.id, "receipt_missing", None)
    assert await store.release([item.id], "desk:li", NOW) == [True]
    (numbered,) = await store.claim_inbox(10, NOW, LEASE)
    assert numbered.receipt is not None
    assert numbered.attempts == 1
    assert await store.register([make_registered(numbered)], NOW) == [True]


async def test_giving_back_again_and_again_for_one_reason_writes_history_once(store: SqlStore, bench: Bench):
    await store.accept([make_envelope()])
    for code in ("bug_KeyError", "bug_KeyError", "bug_ValueError", "bug_ValueError"):
        (item,) = await store.claim_inbox(10, NOW, LEASE)
        await store.register([Moved(item=item, state=EnvelopeState.ACCEPTED, code=code)], NOW)
    later = bench.query("SELECT detail FROM history WHERE event = 'envelope.later' ORDER BY seq")
    assert later == [("bug_KeyError",), ("bug_ValueError",)]


async def test_only_the_first_step_of_each_system_is_open_and_notices_never_wait(store: SqlStore):
    await register_one(
        store,
        make_duty("create"),
        make_duty("attach"),
        make_duty("create", instance="redmine"),
        make_duty("acknowledgement", instance="mail", target=Target.NOTICE),
        make_duty("warning:1:0", instance="mail", target=Target.NOTICE),
    )

    async def claim(target: Target, instance: str) -> list[str]:
        return [duty.step for duty in await store.claim_duties(target, instance, 10, NOW, LEASE)]

    assert await claim(Target.SYSTEM, "ledger") == ["create"]
    assert await claim(Target.SYSTEM, "redmine") == ["create"]
    assert await claim(Target.NOTICE, "mail") == ["acknowledgement", "warning:1:0"]
