"""One plan per customer: ways in order, the next only when the one before is known to have failed."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from structlog.testing import capture_logs

from gateway.contract.complaint import Complaint
from gateway.contract.draft import Address, AddressKind, Draft
from gateway.contract.envelope import Envelope, Thread
from gateway.contract.errors import Ignored, Misconfigured, Rejected, TryLater
from gateway.contract.ports import BringsNews, Event, News, Notice, Notifier, Purpose
from gateway.contract.receipt import Receipt
from gateway.stages.register import NEWS_PAUSE_MS
from gateway.stages.ways import find_addresses, find_ways, plan_way
from gateway.states import DutyState
from gateway.store.rows import DutyFacts, Target
from tests.stages.conftest import House, OpenHouse, Post, make_call

OPENID, PHONE, MAIL = "oia2TjuEGTNoeX76QEjQNrcURxG8", "13912345678", "customer@example.org"
PATIENCE_S = 900


@dataclass
class WeChatPost(Post):
    serves: Sequence[str] = ("wechat",)

    async def send(self, notice: Notice) -> str:
        return f"wechat-{await super().send(notice)}"


@dataclass
class SmsPost(Post):
    serves: Sequence[str] = ("phone",)


@dataclass
class MailPost(Post):
    serves: Sequence[str] = ("email",)


@dataclass
class Account:
    """A channel whose envelopes are words of a customer, or news of a notice (`news:<reference>:<code>`)."""

    news: list[News] = field(default_factory=list)

    def draft(self, envelope: Envelope) -> Draft:
        if envelope.raw.startswith(b"news:"):
            raise Ignored("news")
        return Draft(text=envelope.raw.decode(), wechat_openid=OPENID, phones=(PHONE,), emails=(MAIL,))

    def read_news(self, envelope: Envelope) -> News | None:
        if not envelope.raw.startswith(b"news:"):
            return None
        _, reference, code = envelope.raw.decode().split(":")
        return News(reference=reference, delivered=not code, code=code)


@dataclass
class Customer:
    bank: House
    receipt: Receipt
    posts: dict[str, Post]

    async def tell(self) -> None:
        """A notice about progress is owed, as `huiyin tell` does it."""
        trace = await self.bank.store.trace(self.receipt)
        assert trace is not None
        complaint = Complaint.model_validate_json(trace.versions[-1][3])
        ways = find_ways(find_addresses(complaint), self.bank.notices, ())
        now = self.bank.bench.clock.now
        assert await self.bank.store.owe(
            self.receipt, [plan_way(ways, Purpose.PROGRESS.value, Event.REGISTERED, now)], now
        )

    async def work(self) -> None:
        with capture_logs():
            while sum([await self.bank.open_notify(name).work() for name in self.posts]):
                pass

    async def pass_time(self, seconds: int, step_s: int = 60) -> None:
        for _ in range(seconds // step_s):
            await self.work()
            self.bank.advance(step_s)
        await self.work()

    async def hear(self, reference: str, code: str) -> None:
        news = replace(
            make_call(), channel="gzh", raw=f"news:{reference}:{code}".encode(), receipt_wanted=False, adapter="wechat"
        )
        await self.bank.accept(news)
        register = self.bank.open_register({"gzh": Account()})
        with capture_logs():
            await register.work()
            self.bank.advance(NEWS_PAUSE_MS / 1000)
            await register.work()

    def read(self) -> list[str]:
        """The ways on which words went out, in order of the ways."""
        return [name for name, post in self.posts.items() for _ in post.sent]

    async def notices(self) -> list[tuple[str, DutyState, str]]:
        duties: list[DutyFacts] = await self.bank.duties(self.receipt)
        return [(duty.instance, duty.state, duty.code) for duty in duties if duty.target is Target.NOTICE]


async def open_customer(open_bank: OpenHouse, **posts: Post) -> Customer:
    bank = open_bank(notices=posts)
    envelope = replace(
        make_call(), channel="gzh", adapter="wechat", raw="排队太久".encode(), thread=Thread(key=OPENID, window_ms=1000)
    )
    (receipt,) = await bank.accept(envelope)
    await bank.open_register({"gzh": Account()}).work()
    assert receipt is not None
    return Customer(bank, receipt, posts)


def test_the_double_fits_the_port():
    assert isinstance(Account(), BringsNews)
    assert isinstance(WeChatPost(), Notifier)


async def test_the_first_way_that_works_is_the_only_one(open_bank: OpenHouse):
    customer = await open_customer(
        open_bank, service=WeChatPost(), template=WeChatPost(), sms=SmsPost(), mail=MailPost()
    )
    await customer.tell()
    await customer.pass_time(3600)
    assert customer.read() == ["service"]
    (notice,) = customer.posts["service"].sent
    assert notice.to == Address(AddressKind.WECHAT, OPENID, "gzh")
    assert "新进展" in notice.text
    assert await customer.notices() == [("service", DutyState.DONE, "")]


async def test_never_for_this_person_leads_to_the_next_way_at_once(open_bank: OpenHouse):
    refused = [Rejected("wechat_window_closed")]
    customer = await open_customer(
        open_bank, service=WeChatPost(refused), template=WeChatPost([Rejected("wechat_not_following")]), sms=SmsPost()
    )
    await customer.tell()
    await customer.work()
    assert customer.read() == ["sms"]
    assert customer.posts["sms"].sent[0].to.value == PHONE
    assert await customer.notices() == [
        ("service", DutyState.DISMISSED, "wechat_window_closed"),
        ("template", DutyState.DISMISSED, "wechat_not_following"),
        ("sms", DutyState.DONE, ""),
    ]


@pytest.mark.parametrize("failure", [TryLater("wechat_busy"), Misconfigured("wechat_bad_secret")])
async def test_not_now_is_waited_for_but_not_for_ever(open_bank: OpenHouse, failure: Exception):
    customer = await open_customer(open_bank, service=WeChatPost([failure] * 1000), sms=SmsPost())
    await customer.tell()
    await customer.pass_time(PATIENCE_S - 400)
    assert customer.read() == []
    await customer.pass_time(PATIENCE_S)
    assert customer.read() == ["sms"]


async def test_a_later_that_is_longer_than_the_patience_is_not_waited_for(open_bank: OpenHouse):
    customer = await open_customer(
        open_bank, service=WeChatPost([TryLater("wechat_quota", after_s=3600)]), sms=SmsPost()
    )
    await customer.tell()
    await customer.work()
    assert customer.read() == ["sms"]


async def test_while_a_message_may_have_arrived_no_second_way_is_tried(open_bank: OpenHouse):
    lost = TryLater("wechat_lost", uncertain=True)
    customer = await open_customer(
        open_bank, service=WeChatPost([lost, *[TryLater("wechat_busy")] * 200]), sms=SmsPost()
    )
    await customer.tell()
    await customer.pass_time(4 * PATIENCE_S)
    assert customer.read() == []
    customer.posts["service"].answers[:] = [Rejected("wechat_window_closed")]
    await customer.pass_time(PATIENCE_S)
    assert customer.read() == []
    assert await customer.notices() == [("service", DutyState.PARKED, "wechat_window_closed")]
    (parked,) = await customer.bank.store.parked(10)
    assert "may have arrived" in parked.detail


async def test_when_no_way_is_left_a_person_is_asked(open_bank: OpenHouse):
    customer = await open_customer(
        open_bank, service=WeChatPost([Rejected("a")]), sms=SmsPost([Rejected("b")]), mail=MailPost([Rejected("c")])
    )
    await customer.tell()
    await customer.work()
    assert customer.read() == []
    assert (await customer.notices())[-1] == ("mail", DutyState.PARKED, "c")
    assert [parked.code for parked in await customer.bank.store.parked(10)] == ["c"]


# --- what the other side says later --------------------------------------------------------------------------------


async def test_news_that_it_did_not_arrive_leads_to_the_next_way_once(open_bank: OpenHouse):
    customer = await open_customer(open_bank, template=WeChatPost(), sms=SmsPost())
    await customer.tell()
    await customer.work()
    assert customer.read() == ["template"]
    for _ in range(2):
        await customer.hear("wechat-sent-1", "wechat_blocked_by_customer")
        await customer.work()
    assert customer.read() == ["template", "sms"]
    assert (await customer.notices())[0] == ("template", DutyState.DISMISSED, "wechat_blocked_by_customer")
    trace = await customer.bank.store.trace(customer.receipt)
    assert trace is not None
    assert [row.event for row in trace.history if row.event.startswith("duty.und")] == ["duty.undelivered"]


async def test_news_that_it_arrived_changes_nothing_but_the_history(open_bank: OpenHouse):
    customer = await open_customer(open_bank, template=WeChatPost(), sms=SmsPost())
    await customer.tell()
    await customer.work()
    await customer.hear("wechat-sent-1", "")
    await customer.pass_time(600)
    assert customer.read() == ["template"]
    trace = await customer.bank.store.trace(customer.receipt)
    assert trace is not None
    assert "duty.delivered" in [row.event for row in trace.history]


async def test_news_of_the_last_way_asks_a_person(open_bank: OpenHouse):
    customer = await open_customer(open_bank, template=WeChatPost())
    await customer.tell()
    await customer.work()
    await customer.hear("wechat-sent-1", "wechat_system_failed")
    assert await customer.notices() == [("template", DutyState.PARKED, "wechat_system_failed")]


async def test_news_that_overtakes_the_commit_of_the_sending_is_not_lost(open_bank: OpenHouse):
    customer = await open_customer(open_bank, template=WeChatPost(), sms=SmsPost())
    bank = customer.bank
    await customer.tell()
    news = replace(make_call(), channel="gzh", raw=b"news:wechat-sent-1:blocked", receipt_wanted=False)
    await bank.accept(news)
    register = bank.open_register({"gzh": Account()})
    await register.work()
    await customer.work()
    assert customer.read() == ["template"]
    bank.advance(NEWS_PAUSE_MS / 1000)
    with capture_logs():
        await register.work()
    await customer.work()
    assert customer.read() == ["template", "sms"]


async def test_news_of_messages_that_others_sent_is_put_away(open_bank: OpenHouse):
    customer = await open_customer(open_bank, template=WeChatPost())
    await customer.hear("of-the-marketing-department", "blocked")
    standings = await customer.bank.store.standings()
    assert [s for s in standings if s.count and s.subject == "envelope"] == []


# --- windows and quotas --------------------------------------------------------------------------------------------


async def test_a_way_is_told_when_the_customer_wrote_and_what_was_sent_since(open_bank: OpenHouse):
    customer = await open_customer(open_bank, service=WeChatPost(), other=WeChatPost([Rejected("never")]))
    heard_at = 1_750_000_000_000  # as make_call says
    for number in range(3):
        await customer.tell()
        await customer.work()
        assert len(customer.posts["service"].sent) == number + 1
    told = [(notice.heard_at, notice.sent_since) for notice in customer.posts["service"].sent]
    assert told == [(heard_at, 0), (heard_at, 1), (heard_at, 2)]
    again = replace(
        make_call(),
        channel="gzh",
        adapter="wechat",
        raw="还是没人管".encode(),
        received_at=customer.bank.bench.clock.now + 5000,
        thread=Thread(key=OPENID, window_ms=1000),
    )
    await customer.bank.accept(again)
    customer.bank.advance(10)
    await customer.tell()
    await customer.work()
    last = customer.posts["service"].sent[-1]
    assert (last.heard_at, last.sent_since) == (again.received_at, 0), "a new message opens a new window"


async def test_who_wants_to_stay_unknown_is_answered_only_where_they_wrote(open_bank: OpenHouse):
    customer = await open_customer(open_bank, service=WeChatPost([Rejected("closed")]), sms=SmsPost())
    trace = await customer.bank.store.trace(customer.receipt)
    assert trace is not None
    complaint = Complaint.model_validate_json(trace.versions[-1][3])
    unknown = complaint.model_copy(update={"complainant": complaint.complainant.model_copy(update={"anonymous": True})})
    assert [address.kind for address in find_addresses(unknown)] == [AddressKind.WECHAT]
    assert [address.kind for address in find_addresses(complaint)] == [
        AddressKind.WECHAT,
        AddressKind.PHONE,
        AddressKind.EMAIL,
    ]


async def test_the_settings_say_which_way_is_best(open_bank: OpenHouse):
    notices = {"service": WeChatPost(), "sms": SmsPost(), "mail": MailPost()}
    addresses = [Address(AddressKind.WECHAT, OPENID, "gzh"), Address(AddressKind.PHONE, PHONE)]
    assert [way.instance for way in find_ways(addresses, notices, ())] == ["service", "sms"]
    assert [way.instance for way in find_ways(addresses, notices, ("sms", "mail", "service"))] == ["sms", "service"]
