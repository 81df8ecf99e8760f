"""Words that go to a person: the acknowledgement where the channel's reply could not carry it, and early warnings."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from limits import RateLimitItemPerHour
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from gateway.contract.clock import Clock, Millis
from gateway.contract.complaint import Complaint
from gateway.contract.draft import AddressKind
from gateway.contract.errors import TryLater
from gateway.contract.ports import Delivered, Notice, Notifier, Purpose
from gateway.contract.receipt import Receipt
from gateway.ops.killpoints import point
from gateway.stages.commit import commit
from gateway.stages.forward import CONCURRENCY, report
from gateway.stages.settle import settle
from gateway.stages.ways import conclude_way, read_address
from gateway.stages.words import Words
from gateway.states import DutyState
from gateway.store.port import Store
from gateway.store.rows import Duty, NewDuty, Settled, Target

ACKNOWLEDGEMENTS_PER_HOUR = 5
"""To one address: two mail robots must not talk to each other for ever."""


class Notify:
    """One per notice instance. `link_for(receipt)` and `answer_for(receipt)` are the status and the duty officer's page.
    `repeat` plans the next warning when the last rung of a ladder was told. `patience_s`: how long a customer's notice
    may wait on this way before the next is tried.
    """

    def __init__(
        self,
        instance: str,
        notifier: Notifier,
        store: Store,
        clock: Clock,
        words: Words,
        *,
        lease_s: int,
        link_for: Callable[[Receipt], str],
        answer_for: Callable[[Receipt], str],
        repeat: Callable[[Duty, Millis], NewDuty | None],
        patience_s: int = 900,
    ) -> None:
        self._instance = instance
        self._notifier = notifier
        self._store = store
        self._clock = clock
        self._words = words
        self._lease_ms = lease_s * 1000
        self._limit_s = lease_s / 2
        self._link_for = link_for
        self._answer_for = answer_for
        self._repeat = repeat
        self._patience_s = patience_s
        self._per_address = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def work(self) -> int:
        duties = await self._store.claim_duties(
            Target.NOTICE, self._instance, CONCURRENCY, self._clock.now_ms(), self._lease_ms
        )
        if not duties:
            return 0
        point("notify.before_send")
        outcomes = await asyncio.gather(*(self._send(duty) for duty in duties))
        point("notify.after_send")
        now = self._clock.now_ms()
        settled = [self._conclude(duty, outcome, now) for duty, outcome in zip(duties, outcomes, strict=True)]
        kept = await commit(self._store.settle, settled, now, lambda one, error: self._conclude(one.duty, error, now))
        report(settled, outcomes, kept)
        return len(duties)

    def _conclude(self, duty: Duty, outcome: Delivered | Settled | Exception, now: Millis) -> Settled:
        settled = outcome if isinstance(outcome, Settled) else settle(duty, outcome, now)
        if _find_purpose(duty) is not Purpose.WARNING:
            return conclude_way(duty, settled, now, self._patience_s)
        # Also where this one was refused for good: somebody must hear of it, and the settings may be right by then.
        told = settled.state in (DutyState.DONE, DutyState.PARKED)
        return replace(settled, then=self._repeat(duty, now)) if told else settled

    async def _send(self, duty: Duty) -> Delivered | Settled | Exception:
        try:
            notice = await self._look_back(duty, self._compose(duty))
            # Counted at the first attempt only: a mail server that is away must not use up what a customer may get.
            first = notice.purpose is Purpose.ACKNOWLEDGEMENT and duty.attempts == 1
            if first and not self._per_address.hit(RateLimitItemPerHour(ACKNOWLEDGEMENTS_PER_HOUR), notice.to.value):
                return Settled(duty=duty, state=DutyState.DISMISSED, code="too_many_to_this_address")
            async with asyncio.timeout(self._limit_s):
                return Delivered(reference=await self._notifier.send(notice))
        except TimeoutError:
            return TryLater("timeout", uncertain=True)
        except Exception as error:
            return error

    async def _look_back(self, duty: Duty, notice: Notice) -> Notice:
        """With what the windows and quotas of the way hang on, read from what was committed."""
        if duty.address is None or notice.to.kind is not AddressKind.WECHAT:
            return notice
        heard_at = await self._store.heard(notice.to.thread, notice.to.value)
        if heard_at is None:
            return notice
        sent = await self._store.count_sent(duty.address, self._instance, heard_at)
        return replace(notice, heard_at=heard_at, sent_since=sent)

    def _compose(self, duty: Duty) -> Notice:
        complaint = Complaint.model_validate_json(duty.document)
        purpose = _find_purpose(duty)
        warning = purpose is Purpose.WARNING
        link = self._answer_for(duty.receipt) if warning else self._link_for(duty.receipt)
        match purpose:
            case Purpose.WARNING:
                text = self._words.warn(complaint, link)
            case Purpose.ACKNOWLEDGEMENT:
                text = self._words.acknowledge(complaint, link)
            case Purpose.PROGRESS:
                text = self._words.tell_progress(complaint, link)
        return Notice(
            id=duty.id,
            purpose=purpose,
            to=read_address(duty.to),
            subject=text.subject,
            text=text.body,
            receipt=duty.receipt,
            language=complaint.language,
            link=link,
        )


def _find_purpose(duty: Duty) -> Purpose:
    return Purpose(duty.step.partition(":")[0])
