"""A clock that ran hours ahead for a while must not put work off into those hours."""

from gateway.contract.clock import Millis
from gateway.states import DutyState
from gateway.store.rows import Settled, Target
from gateway.store.sql_store import SqlStore
from tests.store.conftest import LEASE, NOW, Bench, make_duty, make_envelope, register_one

LATER = Millis(NOW + 3 * 3_600_000)


async def test_what_a_dead_worker_had_leased_in_hours_to_come_is_claimed_as_lapsed(store: SqlStore):
    await register_one(store, make_duty())
    await store.accept([make_envelope("other")])
    assert await store.claim_inbox(10, LATER, LEASE)
    assert await store.claim_duties(Target.SYSTEM, "ledger", 10, LATER, LEASE)
    assert not await store.claim_inbox(10, NOW, LEASE)
    assert not await store.claim_duties(Target.SYSTEM, "ledger", 10, NOW, LEASE)
    assert await store.redate(NOW, LEASE) == 2
    assert len(await store.claim_inbox(10, NOW, LEASE)) == 1
    (duty,) = await store.claim_duties(Target.SYSTEM, "ledger", 10, NOW, LEASE)
    assert duty.uncertain


async def test_a_retry_that_was_put_off_in_hours_to_come_is_due_and_one_of_today_is_not(store: SqlStore):
    for key in ("1", "2"):
        await register_one(store, make_duty(), envelope=make_envelope(key))
    ahead, today = await store.claim_duties(Target.SYSTEM, "ledger", 2, NOW, LEASE)

    def put_off(duty, at: Millis) -> Settled:
        return Settled(duty=duty, state=DutyState.WAITING, code="status_503", due_ms=at + 1_000)

    assert await store.settle([put_off(ahead, LATER)], LATER) == [True]
    assert await store.settle([put_off(today, Millis(NOW + 86_400_000))], NOW) == [True]
    assert await store.redate(NOW, LEASE) == 1
    (duty,) = await store.claim_duties(Target.SYSTEM, "ledger", 2, NOW, LEASE)
    assert (duty.id, duty.uncertain) == (ahead.id, False)


async def test_what_is_dated_by_a_right_clock_is_left_as_it_is(store: SqlStore, bench: Bench):
    await register_one(store, make_duty())
    await store.accept([make_envelope("other")])
    assert await store.claim_inbox(10, NOW, LEASE)
    assert await store.claim_duties(Target.SYSTEM, "ledger", 10, NOW, LEASE)
    rows = "SELECT id, since_ms, due_ms, lease_until_ms FROM inbox UNION ALL SELECT id, since_ms, due_ms, lease_until_ms FROM duties"
    before = sorted(bench.query(rows))
    assert await store.redate(Millis(NOW - 30_000), LEASE) == 0
    assert sorted(bench.query(rows)) == before
