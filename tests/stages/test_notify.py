import asyncio
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from structlog.testing import capture_logs

from gateway.contract.clock import Millis, to_millis
from gateway.contract.draft import Address, AddressKind, Draft
from gateway.contract.envelope import Envelope
from gateway.contract.errors import Rejected, TryLater
from gateway.contract.ports import Notifier, Purpose
from gateway.contract.receipt import Receipt, spoken
from gateway.stages.notify import ACKNOWLEDGEMENTS_PER_HOUR
from gateway.states import DutyState
from tests.stages.conftest import CALM, DUTY, HEAD, LADDER, URGENT, House, OpenHouse, Post, make_call

DAY_S = 86_400


class Letterbox:
    """A channel whose senders must be written to; the address stands before the first line's end."""

    def draft(self, envelope: Envelope) -> Draft:
        address, _, text = envelope.raw.decode().partition("\n")
        return Draft(text=text, acknowledge=Address(AddressKind.EMAIL, address, "<m1@example.org>"))


async def receive_mails(bank: House, *senders: str, text: str = CALM) -> list[Receipt | None]:
    mails = [
        replace(make_call(), channel="box", raw=f"{sender}\n{text}".encode(), media_type="text/plain")
        for sender in senders
    ]
    receipts = await bank.accept(*mails)
    await bank.open_register({"box": Letterbox()}).work()
    return receipts


async def register_urgent(bank: House) -> Receipt:
    (receipt,) = await bank.accept(make_call(URGENT))
    await bank.register.work()
    assert receipt is not None
    return receipt


# --- acknowledgements ----------------------------------------------------------------------------------------------


async def test_a_customer_gets_the_receipt_once_as_an_answer_to_the_mail(open_bank: OpenHouse):
    post = Post()
    assert isinstance(post, Notifier)
    bank = open_bank(notices={"duty": post})
    (receipt,) = await receive_mails(bank, "customer@example.org")
    notify = bank.open_notify()
    assert await notify.work() == 1
    assert await notify.work() == 0
    (notice,) = post.sent
    assert receipt is not None
    assert (notice.purpose, notice.receipt) == (Purpose.ACKNOWLEDGEMENT, receipt)
    assert notice.to == Address(AddressKind.EMAIL, "customer@example.org", "<m1@example.org>")
    assert spoken(receipt) in notice.text
    assert f"https://echo.bank.example/r/{receipt}" in notice.text
    assert [(d.state, d.reference) for d in await bank.duties(receipt)] == [(DutyState.DONE, "sent-1")]


async def test_two_mail_robots_do_not_write_to_each_other_for_ever(open_bank: OpenHouse):
    bank = open_bank(notices={"duty": Post()})
    receipts = await receive_mails(bank, *["robot@example.org"] * 7, "customer@example.org")
    while await bank_work(bank):
        pass
    states = [(await bank.duties(receipt))[0] for receipt in receipts]
    dismissed = [duty for duty in states if duty.state is DutyState.DISMISSED]
    assert len(dismissed) == 7 - ACKNOWLEDGEMENTS_PER_HOUR
    assert {duty.code for duty in dismissed} == {"too_many_to_this_address"}
    assert states[-1].state is DutyState.DONE, "another address has its own account"


async def bank_work(bank: House) -> int:
    notify = bank.__dict__.setdefault("notify", bank.open_notify())
    return int(await notify.work())


async def test_a_mail_server_that_is_away_costs_nobody_the_acknowledgement(open_bank: OpenHouse):
    post = Post(answers=[TryLater("mail_server_away")] * 20)
    bank = open_bank(notices={"duty": post})
    (receipt,) = await receive_mails(bank, "customer@example.org")
    with capture_logs():
        for _ in range(21):
            assert await bank_work(bank) == 1
            bank.advance(301)
    assert len(post.sent) == 1
    assert [d.state for d in await bank.duties(receipt)] == [DutyState.DONE]


async def test_a_hanging_notifier_is_given_up_inside_the_lease_and_tried_again_under_the_same_id(open_bank: OpenHouse):
    post = Post(answers=[3600])
    bank = open_bank(notices={"duty": post})
    (receipt,) = await receive_mails(bank, "customer@example.org")
    with capture_logs() as logs:
        await bank.open_notify(lease_s=0.2).work()
    assert [(line["event"], line["code"]) for line in logs] == [("duty.later", "timeout")]
    (duty,) = await bank.duties(receipt)
    bank.advance(10)
    await bank.open_notify().work()
    assert [notice.id for notice in post.sent] == [duty.id]


# --- the ladder ----------------------------------------------------------------------------------------------------


async def climb(bank: House, seconds: int, step_s: int = 10) -> None:
    notify = bank.open_notify()
    for _ in range(seconds // step_s):
        while await notify.work():
            pass
        bank.advance(step_s)


async def test_the_warning_shows_why_and_climbs_after_its_time(open_bank: OpenHouse):
    post = Post()
    bank = open_bank(notices={"duty": post}, escalation=LADDER)
    receipt = await register_urgent(bank)
    await climb(bank, 300)
    (first,) = post.sent
    assert (first.purpose, first.to.value) == (Purpose.WARNING, DUTY)
    assert "盗刷" in first.text
    assert f"https://echo.bank.example/a/{receipt}" in first.text
    await climb(bank, 10)
    assert [notice.to.value for notice in post.sent] == [DUTY, HEAD]


async def test_the_last_rung_is_told_again_and_again_until_somebody_answers(open_bank: OpenHouse):
    post = Post()
    bank = open_bank(notices={"duty": post}, escalation=LADDER)
    receipt = await register_urgent(bank)
    await climb(bank, 7 * DAY_S, step_s=600)
    told = [notice.to.value for notice in post.sent]
    assert told[:2] == [DUTY, HEAD]
    assert set(told[2:]) == {HEAD}
    assert 7 * DAY_S // 1200 <= len(told) <= 7 * DAY_S // 600 + 1
    assert len({notice.id for notice in post.sent}) == len(told), "each is a duty of its own"
    assert await bank.store.cancel_warnings(receipt, "duty:zhang", bank.bench.clock.now) == 1
    await climb(bank, DAY_S, step_s=600)
    assert len(post.sent) == len(told)


async def test_an_answer_stops_the_rungs_that_have_not_come_yet(open_bank: OpenHouse):
    post = Post()
    bank = open_bank(notices={"duty": post}, escalation=LADDER)
    receipt = await register_urgent(bank)
    await climb(bank, 60)
    assert await bank.store.cancel_warnings(receipt, "duty:zhang", bank.bench.clock.now) == 1
    await climb(bank, DAY_S, step_s=600)
    assert [notice.to.value for notice in post.sent] == [DUTY]


async def test_an_answer_while_the_last_rung_is_being_told_lets_no_other_follow(open_bank: OpenHouse):
    class Answered(Post):
        async def send(self, notice: object) -> str:
            await bank.store.cancel_warnings(receipt, "duty:zhang", bank.bench.clock.now)
            return await super().send(notice)  # type: ignore[arg-type]

    post = Answered()
    bank = open_bank(notices={"duty": post}, escalation={"critical": [{"notice": "duty", "to": DUTY}]})
    receipt = await register_urgent(bank)
    await climb(bank, DAY_S, step_s=600)
    assert len(post.sent) == 1
    assert {d.state for d in await bank.duties(receipt)} == {DutyState.DISMISSED}


async def test_a_worker_that_dies_after_telling_the_last_rung_leaves_the_ladder_whole(open_bank: OpenHouse):
    post = Post(answers=[0, 3600])
    bank = open_bank(notices={"duty": post}, escalation={"critical": [{"notice": "duty", "to": DUTY}]})
    await register_urgent(bank)
    await bank.open_notify().work()
    bank.advance(600)
    dying = asyncio.create_task(bank.open_notify().work())
    while post.answers:  # noqa: ASYNC110 - the double counts, it does not tell
        await asyncio.sleep(0)
    dying.cancel()
    await asyncio.wait([dying])
    await climb(bank, DAY_S, step_s=600)
    assert len(post.sent) >= DAY_S // 1200


async def test_a_last_rung_that_is_refused_for_good_is_parked_and_the_ladder_goes_on(open_bank: OpenHouse):
    post = Post(answers=[Rejected("no_such_address")])
    bank = open_bank(notices={"duty": post}, escalation={"critical": [{"notice": "duty", "to": DUTY}]})
    receipt = await register_urgent(bank)
    with capture_logs():
        await climb(bank, 1210)
    assert [d.state for d in await bank.duties(receipt)] == [DutyState.PARKED, DutyState.DONE, DutyState.DONE,
                                                             DutyState.WAITING]  # fmt: skip
    assert len(post.sent) == 2


async def test_a_repeat_goes_where_the_settings_say_by_then(open_bank: OpenHouse):
    post = Post()
    first = open_bank(notices={"duty": post}, escalation={"critical": [{"notice": "duty", "to": DUTY}]})
    await register_urgent(first)
    then = open_bank(notices={"duty": post}, escalation={"critical": [{"notice": "duty", "to": HEAD}]})
    await climb(then, 610)
    assert [notice.to.value for notice in post.sent] == [DUTY, HEAD]


@pytest.mark.parametrize("hour", range(0, 24, 3))
async def test_there_are_no_quiet_hours(open_bank: OpenHouse, hour: int):
    post = Post()
    bank = open_bank(notices={"duty": post}, escalation=LADDER)
    at_night = datetime(2026, 2, 17, hour, 30, tzinfo=timezone(timedelta(hours=8)))  # New Year's Day in China
    bank.bench.clock.now = Millis(to_millis(at_night))
    await register_urgent(bank)
    await bank.open_notify().work()
    assert [notice.to.value for notice in post.sent] == [DUTY]


async def test_calm_complaints_wake_nobody(open_bank: OpenHouse):
    post = Post()
    bank = open_bank(notices={"duty": post}, escalation=LADDER)
    await bank.accept(make_call(CALM))
    await bank.register.work()
    await climb(bank, 1000, step_s=100)
    assert post.sent == []
