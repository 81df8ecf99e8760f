import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.contract.errors import AdapterError, AlreadyThere, Misconfigured, Rejected, TryLater
from gateway.contract.ports import BatchSystem, Delivered, Delivery, System
from gateway.stages.forward import Forward
from gateway.stages.settle import BUG_CEILING
from gateway.states import DutyState
from gateway.store.rows import Target
from tests.stages.conftest import House, OpenHouse, Tracker, make_call


def open_forward(bank: House, name: str = "tracker", *, lease_s: float = 60) -> Forward:
    return Forward(name, bank.systems[name], bank.store, bank.bench.clock, batch=100, lease_s=lease_s)  # type: ignore[arg-type]


async def register(bank: House, count: int = 1) -> list[Any]:
    receipts = await bank.accept(*(make_call() for _ in range(count)))
    await bank.register.work()
    return receipts


async def test_a_delivery_gives_a_ticket_and_is_not_made_again(open_bank: OpenHouse):
    tracker = Tracker()
    assert isinstance(tracker, System)
    bank = open_bank(systems={"tracker": tracker})
    (receipt,) = await register(bank)
    forward = open_forward(bank)
    assert await forward.work() == 1
    assert await forward.work() == 0
    trace = await bank.store.trace(receipt)
    assert trace is not None
    assert trace.tickets == {"tracker": f"T-{receipt}"}
    assert [(d.state, d.reference) for d in trace.duties] == [(DutyState.DONE, "r")]
    (delivery,) = tracker.asked
    assert (delivery.receipt, delivery.attempt, delivery.ticket) == (receipt, 1, None)
    assert delivery.complaint.receipt == receipt


async def test_the_idempotency_key_stays_the_same_over_all_attempts_and_doubt_is_passed_on(open_bank: OpenHouse):
    tracker = Tracker(answers=[TryLater("http_503"), TryLater("timeout", uncertain=True), ConnectionResetError()])
    bank = open_bank(systems={"tracker": tracker})
    await register(bank)
    forward = open_forward(bank)
    with capture_logs():
        for _ in range(4):
            assert await forward.work() == 1
            bank.advance(301)
    assert len({delivery.id for delivery in tracker.asked}) == 1
    assert [d.attempt for d in tracker.asked] == [1, 2, 3, 4]
    assert [d.uncertain for d in tracker.asked] == [False, False, True, True]


async def test_what_the_system_has_already_counts_as_done_with_its_number(open_bank: OpenHouse):
    bank = open_bank(systems={"tracker": Tracker(answers=[AlreadyThere("seen", ticket="T-7")])})
    (receipt,) = await register(bank)
    await open_forward(bank).work()
    trace = await bank.store.trace(receipt)
    assert trace is not None
    assert ([d.state for d in trace.duties], trace.tickets) == ([DutyState.DONE], {"tracker": "T-7"})


async def test_the_steps_of_a_complaint_run_in_order_and_learn_the_ticket(open_bank: OpenHouse):
    tracker = Tracker(steps=("create", "attach", "note"))
    bank = open_bank(systems={"tracker": tracker})
    (receipt,) = await register(bank)
    forward = open_forward(bank)
    while await forward.work():
        pass
    assert [(d.step, d.ticket) for d in tracker.asked] == [
        ("create", None),
        ("attach", f"T-{receipt}"),
        ("note", f"T-{receipt}"),
    ]


async def test_a_refused_complaint_is_parked_with_its_reason_and_the_others_go_on(open_bank: OpenHouse):
    tracker = Tracker(answers=[Rejected("too_long", "Cut the title.")])
    bank = open_bank(systems={"tracker": tracker})
    await register(bank, 3)
    with capture_logs() as logs:
        assert await open_forward(bank).work() == 3
    (parked,) = await bank.store.parked(10)
    assert (parked.code, parked.detail) == ("too_long", "Cut the title.")
    assert [line["event"] for line in logs] == ["duty.parked"]
    bank.advance(10_000)
    assert await open_forward(bank).work() == 0, "what is parked waits for a person"


async def test_a_bug_of_an_adapter_is_parked_after_its_ceiling(open_bank: OpenHouse):
    tracker = Tracker(answers=[ZeroDivisionError()] * BUG_CEILING)
    bank = open_bank(systems={"tracker": tracker})
    await register(bank)
    forward = open_forward(bank)
    with capture_logs() as logs:
        for _ in range(BUG_CEILING):
            assert await forward.work() == 1
            bank.advance(301)
    (parked,) = await bank.store.parked(10)
    assert (parked.code, parked.attempts) == ("bug_ZeroDivisionError", BUG_CEILING)
    assert all(line["exc_info"] for line in logs), "each with its traceback"


async def test_wrong_settings_are_tried_slowly_for_as_long_as_it_takes(open_bank: OpenHouse):
    tracker = Tracker(answers=[Misconfigured("key_refused")] * 40)
    bank = open_bank(systems={"tracker": tracker})
    (receipt,) = await register(bank)
    forward = open_forward(bank)
    with capture_logs():
        for _ in range(40):
            await forward.work()
            assert await forward.work() == 0
            bank.advance(301)
    assert await forward.work() == 1
    assert [d.state for d in await bank.duties(receipt)] == [DutyState.DONE]


async def test_a_slow_system_does_not_delay_another(open_bank: OpenHouse):
    slow, quick = Tracker(answers=[3600] * 5), Tracker()
    bank = open_bank(systems={"slow": slow, "quick": quick})
    receipts = await register(bank, 5)
    hanging = asyncio.create_task(open_forward(bank, "slow").work())
    while len(slow.asked) < 5:  # noqa: ASYNC110 - the double counts, it does not tell
        await asyncio.sleep(0)
    assert await open_forward(bank, "quick").work() == 5
    assert {d.receipt for d in quick.asked} == set(receipts)
    assert not hanging.done()
    hanging.cancel()


async def test_one_slow_answer_in_a_batch_is_given_up_well_inside_the_lease_and_left_in_doubt(open_bank: OpenHouse):
    tracker = Tracker(answers=[3600])
    bank = open_bank(systems={"tracker": tracker})
    first, second = await register(bank, 2)
    with capture_logs() as logs:
        assert await open_forward(bank, lease_s=0.4).work() == 2
    assert [(line["event"], line["code"]) for line in logs] == [("duty.later", "timeout")]
    assert [d.state for d in await bank.duties(second)] == [DutyState.DONE]
    assert [d.state for d in await bank.duties(first)] == [DutyState.WAITING]
    bank.advance(10)
    await open_forward(bank).work()
    assert [d.uncertain for d in tracker.asked] == [False, False, True]


async def test_nobody_delivers_what_another_has_claimed_until_its_lease_lapses(open_bank: OpenHouse):
    tracker = Tracker()
    bank = open_bank(systems={"tracker": tracker})
    await register(bank)
    await bank.store.claim_duties(Target.SYSTEM, "tracker", 10, bank.bench.clock.now, 60_000)  # and that worker dies
    bank.advance(59)
    assert await open_forward(bank).work() == 0
    bank.advance(1)
    assert await open_forward(bank).work() == 1
    assert [(d.attempt, d.uncertain) for d in tracker.asked] == [(2, True)], "what the dead one did is unknown"


async def test_an_outcome_that_comes_after_the_claim_was_lost_changes_nothing(open_bank: OpenHouse):
    class Late(Tracker):
        async def deliver(self, delivery: Delivery) -> Delivered:
            if not self.asked:
                bank.advance(61)
                await super().deliver(delivery)
                await open_forward(bank).work()
                raise Rejected("too_late")
            return await super().deliver(delivery)

    late = Late()
    bank = open_bank(systems={"tracker": late})
    (receipt,) = await register(bank)
    await open_forward(bank).work()
    assert len(late.asked) == 2
    assert [d.state for d in await bank.duties(receipt)] == [DutyState.DONE]
    assert await bank.store.parked(10) == []


async def test_an_answer_the_store_cannot_keep_holds_back_only_its_own_duty(open_bank: OpenHouse):
    tracker = Tracker(answers=[Delivered(ticket="T-\udc80"), Delivered(ticket="T-2")])
    bank = open_bank(systems={"tracker": tracker})
    first, second = await register(bank, 2)
    with capture_logs():
        await open_forward(bank).work()
    assert [(d.state, d.code) for d in await bank.duties(first)] == [(DutyState.WAITING, "bug_UnicodeEncodeError")]
    assert [d.state for d in await bank.duties(second)] == [DutyState.DONE]


# --- systems that take many at once ------------------------------------------------------------------------------


@dataclass
class Batcher(Tracker):
    batches: list[int] = field(default_factory=list)
    failure: Any = None

    async def deliver_many(self, deliveries: Sequence[Delivery]) -> Sequence[Delivered | AdapterError]:
        self.batches.append(len(deliveries))
        if isinstance(self.failure, Exception):
            raise self.failure
        if self.failure:
            await asyncio.sleep(self.failure)
        return [Rejected("odd") if n == 1 else Delivered(ticket=f"T-{n}") for n, _ in enumerate(deliveries)]


async def test_a_system_that_takes_many_gets_them_in_one_go_with_an_outcome_each(open_bank: OpenHouse):
    batcher = Batcher()
    assert isinstance(batcher, BatchSystem)
    bank = open_bank(systems={"tracker": batcher})
    receipts = await register(bank, 40)
    with capture_logs():
        assert await open_forward(bank).work() == 40
    assert batcher.batches == [40]
    states = [(await bank.duties(receipt))[0].state for receipt in receipts]
    assert states == [DutyState.DONE, DutyState.PARKED] + [DutyState.DONE] * 38


@pytest.mark.parametrize(
    ("failure", "code", "doubt"),
    [(TryLater("ledger_busy"), "ledger_busy", False), (3600, "timeout", True), (OSError(), "bug_OSError", True)],
)
async def test_a_batch_that_fails_as_a_whole_is_tried_again_as_a_whole(
    open_bank: OpenHouse, failure: object, code: str, doubt: bool
):
    batcher = Batcher(failure=failure)
    bank = open_bank(systems={"tracker": batcher})
    receipts = await register(bank, 3)
    with capture_logs():
        assert await open_forward(bank, lease_s=0.2).work() == 3
    for receipt in receipts:
        assert [(d.state, d.code) for d in await bank.duties(receipt)] == [(DutyState.WAITING, code)]
    bank.advance(10)
    duties = await bank.store.claim_duties(Target.SYSTEM, "tracker", 10, bank.bench.clock.now, 1000)
    assert [duty.uncertain for duty in duties] == [doubt] * 3
