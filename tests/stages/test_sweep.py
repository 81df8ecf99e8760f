from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from config.settings import PromiseSettings
from gateway.contract.errors import Rejected, TryLater
from gateway.ops import metrics
from gateway.stages.forward import Forward
from gateway.stages.sweep import Sweep
from gateway.states import DutyState, EnvelopeState
from gateway.store.rows import Moved
from tests.stages.conftest import LADDER, URGENT, House, OpenHouse, Post, Tracker, make_call

PROMISES = PromiseSettings()


async def sweep(bank: House) -> set[tuple[str, str, str]]:
    """(promise, subject, state) of every alarm."""
    with capture_logs():
        await bank.seal()
    with capture_logs() as logs:
        await Sweep(bank.store, bank.bench.clock, PROMISES, "Asia/Shanghai").work()
    assert all(line["event"] == "promise.broken" for line in logs)
    return {(line["promise"], line["subject"], line["state"]) for line in logs}


async def leave_accepted(bank: House) -> None:
    await bank.accept(make_call())


async def leave_set_aside(bank: House) -> None:
    await bank.accept(make_call())
    (item,) = await bank.store.claim_inbox(1, bank.bench.clock.now, 1000)
    await bank.store.register([Moved(item=item, state=EnvelopeState.SET_ASIDE, code="odd")], bank.bench.clock.now)


async def leave_duty(bank: House, answer: Exception | None) -> None:
    await bank.accept(make_call())
    await bank.register.work()
    if answer:
        bank.systems["tracker"].answers = [answer]  # type: ignore[attr-defined]
        await Forward("tracker", bank.systems["tracker"], bank.store, bank.bench.clock, batch=1, lease_s=60).work()


async def leave_notice(bank: House, answer: Exception | None) -> None:
    await bank.accept(make_call(URGENT))
    await bank.register.work()
    if answer:
        bank.notices["duty"].answers = [answer]  # type: ignore[attr-defined]
        await bank.open_notify().work()


CASES = {
    ("envelope", EnvelopeState.ACCEPTED): (leave_accepted, PROMISES.register_s, "register"),
    ("envelope", EnvelopeState.SET_ASIDE): (leave_set_aside, PROMISES.parked_s, "set_aside"),
    ("system", DutyState.WAITING): (lambda bank: leave_duty(bank, None), PROMISES.forward_s, "forward"),
    ("system", DutyState.PARKED): (lambda bank: leave_duty(bank, Rejected("odd")), PROMISES.parked_s, "parked"),
    ("notice", DutyState.WAITING): (lambda bank: leave_notice(bank, None), PROMISES.warn_s, "warn"),
    ("notice", DutyState.PARKED): (lambda bank: leave_notice(bank, Rejected("odd")), PROMISES.parked_s, "parked"),
}


def test_no_unfinished_state_is_exempt():
    finished = {"registered", "dismissed", "done"}
    unfinished = {("envelope", state) for state in EnvelopeState if state not in finished}
    unfinished |= {(target, state) for target in ("system", "notice") for state in DutyState if state not in finished}
    assert CASES.keys() == unfinished


@pytest.mark.parametrize("case", CASES, ids=" ".join)
async def test_what_is_past_its_promise_raises_an_alarm_again_and_again_until_it_is_solved(
    open_bank: OpenHouse, case: tuple[str, str]
):
    leave, limit_s, promise = CASES[case]
    bank = open_bank(
        systems={"tracker": Tracker()} if case[0] == "system" else {},
        notices={"duty": Post()},
        escalation=LADDER,
    )
    with capture_logs():
        await leave(bank)
    alarm = (promise, *case)
    bank.advance(limit_s)
    assert alarm not in await sweep(bank), "a promise that is just kept is kept"
    bank.advance(1)
    counted = metrics.alarms.labels(promise)._value.get()
    for _ in range(3):
        assert alarm in await sweep(bank)
    assert metrics.alarms.labels(promise)._value.get() == counted + 3
    for parked in await bank.store.parked(10):
        await bank.store.dismiss([parked.id], "solved", "test", bank.bench.clock.now)
    (receipt,) = {row[0] for row in bank.bench.query("SELECT receipt FROM inbox")}
    await bank.store.cancel_warnings(receipt, "test", bank.bench.clock.now)
    await bank.register.work()
    await Forward("tracker", Tracker(), bank.store, bank.bench.clock, batch=1, lease_s=60).work()
    assert alarm not in await sweep(bank)


async def test_trying_again_does_not_make_a_duty_look_young(open_bank: OpenHouse):
    bank = open_bank(systems={"tracker": Tracker()})
    with capture_logs():
        await leave_duty(bank, TryLater("away"))
        bank.advance(PROMISES.forward_s + 1)
        bank.systems["tracker"].answers = [TryLater("away")]  # type: ignore[attr-defined]
        await Forward("tracker", bank.systems["tracker"], bank.store, bank.bench.clock, batch=1, lease_s=60).work()
    assert await sweep(bank) == {("forward", "system", "waiting")}


async def test_a_rung_whose_time_has_not_come_breaks_no_promise(open_bank: OpenHouse):
    bank = open_bank(notices={"duty": Post()}, escalation=LADDER)
    await leave_notice(bank, None)
    await bank.open_notify().work()
    bank.advance(299)
    assert await sweep(bank) == set()


async def test_the_gauges_show_the_age_of_the_oldest_and_forget_what_is_solved(open_bank: OpenHouse):
    bank = open_bank()
    await leave_accepted(bank)
    await bank.accept(replace(make_call(), channel="mail"))
    bank.advance(42)
    await sweep(bank)
    text = metrics.render()[0].decode()
    assert 'huiyin_standing{state="accepted",subject="envelope",where="95561"} 1.0' in text
    assert 'huiyin_oldest_seconds{state="accepted",subject="envelope",where="mail"} 42.0' in text
    await bank.register.work()
    await sweep(bank)
    assert 'state="accepted"' not in metrics.render()[0].decode()
