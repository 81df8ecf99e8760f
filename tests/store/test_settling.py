from gateway.contract.clock import Millis
from gateway.contract.ports import Event
from gateway.states import DutyState
from gateway.store.rows import Duty, Settled, Target
from gateway.store.sql_store import SqlStore
from tests.store.conftest import LEASE, NOW, Bench, make_duty, make_envelope, make_registered, register_one


async def claim(
    store: SqlStore, now: int = NOW, instance: str = "ledger", target: Target = Target.SYSTEM
) -> list[Duty]:
    return list(await store.claim_duties(target, instance, 10, Millis(now), LEASE))


def done(duty: Duty, **more: str) -> Settled:
    return Settled(duty=duty, state=DutyState.DONE, **more)  # type: ignore[arg-type]


async def test_steps_run_in_planned_order_and_carry_the_ticket_that_was_learnt(store: SqlStore):
    await register_one(store, make_duty("create"), make_duty("attach"), make_duty("note"))
    seen = []
    for _ in range(3):
        (duty,) = await claim(store)
        seen.append((duty.step, duty.ticket))
        assert await claim(store) == []
        ticket = {"ticket": "T-1"} if duty.step == "create" else {}
        assert await store.settle([done(duty, **ticket)], NOW) == [True]
    assert seen == [("create", None), ("attach", "T-1"), ("note", "T-1")]
    assert await claim(store) == []


async def test_a_duty_carries_the_complaint_of_its_own_version(store: SqlStore):
    item = await register_one(store, make_duty("create"))
    await store.accept([make_envelope("k2", joins=item.receipt)])
    (more,) = await store.claim_inbox(10, NOW, LEASE)
    await store.register([make_registered(more, make_duty("note", event=Event.SUPPLEMENTED))], NOW)
    (create,) = await claim(store)
    assert (create.version, create.document, create.receipt) == (1, b'{"version": 1}', item.receipt)
    await store.settle([done(create)], NOW)
    (note,) = await claim(store)
    assert (note.version, note.document, note.event) == (2, b'{"version": 2}', Event.SUPPLEMENTED)


async def test_a_supplement_after_all_is_done_is_claimable_at_once(store: SqlStore):
    item = await register_one(store, make_duty("create"))
    (create,) = await claim(store)
    await store.settle([done(create)], NOW)
    await store.accept([make_envelope("k2", joins=item.receipt)])
    (more,) = await store.claim_inbox(10, NOW, LEASE)
    await store.register([make_registered(more, make_duty("note"))], NOW)
    assert [duty.step for duty in await claim(store)] == ["note"]


async def test_a_parked_step_holds_back_the_later_ones_until_a_person_decides(store: SqlStore):
    await register_one(store, make_duty("create"), make_duty("attach"))
    (create,) = await claim(store)
    await store.settle([Settled(duty=create, state=DutyState.PARKED, code="rejected")], NOW)
    assert await claim(store, NOW + 10 * LEASE) == []
    assert await store.dismiss([create.id], "Entered by hand.", "desk:li", NOW) == [True]
    assert [duty.step for duty in await claim(store)] == ["attach"]


async def test_a_released_step_is_tried_again_before_the_later_ones(store: SqlStore):
    await register_one(store, make_duty("create"), make_duty("attach"))
    (create,) = await claim(store)
    await store.settle([Settled(duty=create, state=DutyState.PARKED, code="rejected")], NOW)
    assert await store.release([create.id], "desk:li", NOW) == [True]
    (again,) = await claim(store)
    assert (again.id, again.attempts) == (create.id, 1)


async def test_the_steps_of_one_complaint_do_not_hold_back_another(store: SqlStore):
    await register_one(store, make_duty("create"), make_duty("attach"))
    await register_one(store, make_duty("create"), envelope=make_envelope("k2"))
    assert [duty.step for duty in await claim(store)] == ["create", "create"]


async def test_later_means_not_before_it_is_due(store: SqlStore):
    await register_one(store, make_duty())
    (duty,) = await claim(store)
    await store.settle([Settled(duty=duty, state=DutyState.WAITING, code="timeout", due_ms=NOW + 100)], NOW)
    assert await claim(store, NOW + 99) == []
    (again,) = await claim(store, NOW + 100)
    assert (again.attempts, again.id) == (2, duty.id)


async def test_a_stale_claim_settles_nothing(store: SqlStore):
    await register_one(store, make_duty())
    (stale,) = await claim(store)
    (fresh,) = await claim(store, NOW + LEASE)
    assert await store.settle([done(stale, ticket="T-1")], NOW) == [False]
    assert await store.settle([done(fresh, ticket="T-2"), done(fresh, ticket="T-3")], NOW) == [True, False]
    trace = await store.trace(fresh.receipt)
    assert trace is not None
    assert trace.tickets == {"ledger": "T-2"}


async def test_after_a_worker_died_the_next_attempt_knows_that_the_outcome_is_unknown(store: SqlStore):
    await register_one(store, make_duty())
    (first,) = await claim(store)
    (second,) = await claim(store, NOW + LEASE)
    assert (first.uncertain, second.uncertain) == (False, True)


async def test_uncertain_stays_until_the_duty_is_done(store: SqlStore):
    await register_one(store, make_duty())
    (duty,) = await claim(store)
    await store.settle([Settled(duty=duty, state=DutyState.WAITING, code="timeout", uncertain=True)], NOW)
    (duty,) = await claim(store)
    await store.settle([Settled(duty=duty, state=DutyState.WAITING, code="refused")], NOW)
    (duty,) = await claim(store)
    assert duty.uncertain
    await store.settle([Settled(duty=duty, state=DutyState.WAITING, code="refused")], NOW)


async def test_a_clean_failure_leaves_no_doubt(store: SqlStore):
    await register_one(store, make_duty())
    (duty,) = await claim(store)
    await store.settle([Settled(duty=duty, state=DutyState.WAITING, code="refused")], NOW)
    (duty,) = await claim(store, NOW + LEASE)
    assert not duty.uncertain


async def test_a_heartbeat_prolongs_only_the_claim_that_is_still_held(store: SqlStore):
    await register_one(store, make_duty())
    (duty,) = await claim(store)
    await store.extend([duty], Millis(NOW + LEASE - 1), LEASE)
    assert await claim(store, NOW + LEASE) == []
    (fresh,) = await claim(store, NOW + 2 * LEASE)
    await store.extend([duty], Millis(NOW + 2 * LEASE), 10 * LEASE)
    assert [d.claim for d in await claim(store, NOW + 3 * LEASE)] == [fresh.claim + 1]


async def test_many_failures_of_one_kind_leave_one_row_of_history(store: SqlStore, bench: Bench):
    await register_one(store, make_duty())
    for code in ("timeout", "timeout", "http_503", "http_503", "timeout"):
        (duty,) = await claim(store)
        await store.settle([Settled(duty=duty, state=DutyState.WAITING, code=code)], NOW)
    rows = bench.query("SELECT detail FROM history WHERE event = 'duty.later' ORDER BY seq")
    assert rows == [("timeout",), ("http_503",), ("timeout",)]
    assert bench.query("SELECT attempts, code FROM duties") == [(5, "timeout")]


async def test_an_acknowledged_warning_stops_the_ladder_of_its_complaint_only(store: SqlStore):
    warnings = [make_duty(f"warning:1:{n}", instance="sms", target=Target.NOTICE, due_ms=NOW + n) for n in range(3)]
    told = make_duty("acknowledgement", instance="sms", target=Target.NOTICE, due_ms=NOW + 5)
    item = await register_one(store, *warnings, told)
    await register_one(store, warnings[0], envelope=make_envelope("k2"))
    first, _ = await claim(store, NOW, "sms", Target.NOTICE)
    assert item.receipt is not None
    assert await store.cancel_warnings(item.receipt, "duty:zhang", NOW) == 3
    assert await store.cancel_warnings(item.receipt, "duty:zhang", NOW) == 0
    assert await store.settle([Settled(duty=first, state=DutyState.WAITING, code="timeout")], NOW) == [False]
    left = await claim(store, NOW + LEASE, "sms", Target.NOTICE)
    assert sorted((d.step, d.receipt == item.receipt) for d in left) == [
        ("acknowledgement", True),
        ("warning:1:0", False),
    ]


async def test_a_duty_under_way_cannot_be_dismissed_but_a_waiting_one_can(store: SqlStore):
    await register_one(store, make_duty())
    (duty,) = await claim(store)
    assert await store.dismiss([duty.id], "why", "desk:li", NOW) == [False]
    await store.settle([Settled(duty=duty, state=DutyState.WAITING, code="timeout")], NOW)
    assert await store.dismiss([duty.id], "why", "desk:li", NOW) == [True]
    assert await claim(store, NOW + LEASE) == []


async def test_what_follows_an_outcome_is_born_with_it_or_not_at_all(store: SqlStore):
    await register_one(store, make_duty("warning:1:last", instance="sms", target=Target.NOTICE))
    (stale,) = await claim(store, NOW, "sms", Target.NOTICE)
    (told,) = await claim(store, NOW + LEASE, "sms", Target.NOTICE)
    then = make_duty("warning:1:last", instance="mail", target=Target.NOTICE, due_ms=NOW + 600_000)
    outcomes = [Settled(duty=duty, state=DutyState.DONE, then=then) for duty in (stale, told)]
    assert await store.settle(outcomes[:1], NOW) == [False]
    assert await claim(store, NOW + 600_000, "mail", Target.NOTICE) == []
    assert await store.settle(outcomes[1:], NOW) == [True]
    assert await claim(store, NOW + 599_999, "mail", Target.NOTICE) == []
    (born,) = await claim(store, NOW + 600_000, "mail", Target.NOTICE)
    assert born.id != told.id
    assert (born.receipt, born.version, born.document, born.level) == (
        told.receipt,
        told.version,
        told.document,
        told.level,
    )
