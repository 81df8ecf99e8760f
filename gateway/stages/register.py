"""Accepted envelopes become complaint versions; complaint, verdict, history and all duties are one commit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from config.settings import EscalationSettings, Rung
from gateway.contract.clock import Clock, Millis
from gateway.contract.draft import Address, AddressKind
from gateway.contract.ports import Change, Collect, Event, Notifier, Purpose, System
from gateway.contract.verdict import Level
from gateway.ops import metrics
from gateway.ops.logs import log
from gateway.stages.collect import plan_fetches
from gateway.stages.commit import commit
from gateway.stages.reading import Read
from gateway.stages.scan import plan_scan
from gateway.stages.settle import BUG_CEILING, find_pause
from gateway.stages.ways import find_ways, plan_next, plan_way, write_address
from gateway.stages.workers import Outcome, Workers
from gateway.states import EnvelopeState
from gateway.store.port import Store
from gateway.store.rows import Duty, InboxItem, Moved, NewDuty, Registered, Target

NEWS_PAUSE_MS = 5_000
"""How long news of a notice waits for the commit of that very notice."""


class Planner:
    """Which duties a new complaint version brings."""

    def __init__(
        self,
        systems: Mapping[str, System],
        notices: Mapping[str, Notifier],
        escalation: EscalationSettings,
        collectors: Mapping[str, Collect] | None = None,
        order: Sequence[str] = (),
        *,
        scanning: bool = False,
    ) -> None:
        """`order`: of the ways to a customer, as in the settings' `[delivery]`. `scanning`: a scanner is on."""
        self._scanning = scanning
        self._systems = systems
        self._notices = notices
        self._collectors = collectors or {}
        self._order = order
        self._ladders: Mapping[Level, Sequence[Rung]] = {
            Level.CRITICAL: escalation.critical,
            Level.HIGH: escalation.high,
        }
        self._repeat_ms = escalation.repeat_s * 1000

    def plan(self, read: Read, now: Millis, *, backfill: bool, channel: str = "") -> list[NewDuty]:
        """`channel`: where the new envelope came in, if what it names there is to be fetched."""
        change = Change(
            event=read.event,
            version=read.version,
            kind=read.kind,
            level=read.level,
            attachments=tuple(each for each in read.attachments if each.may_leave(scanning=self._scanning)),
        )
        duties = [
            NewDuty(target=Target.SYSTEM, instance=instance, step=step.name, event=read.event, due_ms=now)
            for instance, system in self._systems.items()
            for step in system.plan(change)
        ]
        if read.acknowledge is not None:
            duties += self._plan_acknowledgement(read.acknowledge, read.event, now)
        if read.raised and not backfill:
            duties += self._plan_warnings(read, now)
        collector = self._collectors.get(channel)
        if collector is not None and collector.collects:
            duties += plan_fetches(read, channel, collector.kept_s, now, backfill=backfill)
        if self._scanning:
            duties += plan_scan(read.brought, read.event, now)
        return duties

    def _plan_acknowledgement(self, to: Address, event: Event, now: Millis) -> list[NewDuty]:
        ways = find_ways([to], self._notices, self._order)
        return [plan_way(ways, Purpose.ACKNOWLEDGEMENT.value, event, now)] if ways else []

    def _plan_warnings(self, read: Read, now: Millis) -> list[NewDuty]:
        ladder = self._ladders.get(read.level, ())
        names = [*map(str, range(len(ladder) - 1)), _LAST]
        return [
            _plan_rung(rung, f"{Purpose.WARNING}:{read.version}:{name}", read.event, now + rung.after_s * 1000)
            for rung, name in zip(ladder, names, strict=False)
        ]

    def plan_repeat(self, duty: Duty, now: Millis) -> NewDuty | None:
        """The last rung again, as the settings say it today: nobody may be left unwarned because nobody answered."""
        ladder = self._ladders.get(duty.level, ())
        purpose, _, rest = duty.step.partition(":")
        if purpose != Purpose.WARNING or not rest.endswith(f":{_LAST}") or not ladder:
            return None
        return _plan_rung(ladder[-1], duty.step, duty.event, now + self._repeat_ms)


_LAST = "last"


def _plan_rung(rung: Rung, step: str, event: Event, due_ms: int) -> NewDuty:
    return NewDuty(
        target=Target.NOTICE,
        instance=rung.notice,
        step=step,
        event=event,
        to=write_address(find_address(rung.to)),
        due_ms=Millis(due_ms),
    )


def find_address(text: str) -> Address:
    """`duty@bank` -> e-mail, `wechat:openid` -> WeChat, else a telephone number."""
    if text.startswith("wechat:"):
        return Address(AddressKind.WECHAT, text.removeprefix("wechat:"))
    return Address(AddressKind.EMAIL if "@" in text else AddressKind.PHONE, text)


class Register:
    def __init__(
        self,
        store: Store,
        workers: Workers,
        planner: Planner,
        clock: Clock,
        *,
        batch: int,
        lease_s: int,
        wakes: Sequence[Callable[[], None]] = (),
    ) -> None:
        self._store = store
        self._workers = workers
        self._planner = planner
        self._clock = clock
        self._batch = batch
        self._lease_ms = lease_s * 1000
        self._wakes = wakes

    async def work(self) -> int:
        items = await self._store.claim_inbox(self._batch, self._clock.now_ms(), self._lease_ms)
        if not items:
            self._workers.rest()
            return 0
        outcomes = await self._workers.read(items)
        now = self._clock.now_ms()
        results = [self._conclude(item, outcome, now) for item, outcome in zip(items, outcomes, strict=True)]
        results = [await self._take_news(one, now) if isinstance(one, Moved) and one.news else one for one in results]
        kept = await commit(self._store.register, results, now, lambda one, error: _give_back(one.item, error, now))
        for result, outcome, was_kept in zip(results, outcomes, kept, strict=True):
            _count(result, outcome, was_kept=was_kept)
        for wake in self._wakes:
            wake()
        return len(items)

    def _conclude(self, item: InboxItem, outcome: Outcome, now: Millis) -> Registered | Moved:
        match outcome:
            case Read():
                try:
                    envelope = item.envelope
                    duties = self._planner.plan(outcome, now, backfill=envelope.backfill, channel=envelope.channel)
                except Exception as error:
                    return _give_back(item, error, now)
                return to_registered(item, outcome, duties)
            case Moved():
                return outcome
            case _:
                return _give_back(item, outcome, now)

    async def _take_news(self, moved: Moved, now: Millis) -> Moved:
        """Acts on it in a commit of its own, before the envelope moves: done twice, it changes nothing twice."""
        news = moved.news
        if news is None:
            return moved
        duty = await self._store.find_sent(news.reference)
        if duty is None and moved.item.attempts == 1:
            # It may be quicker than the commit of the very sending it is about. Else it is about somebody else's.
            due = now + NEWS_PAUSE_MS
            return replace(moved, state=EnvelopeState.ACCEPTED, code="news_of_nothing_sent", due_ms=due)
        if duty is not None and news.delivered:
            await self._store.delivered(duty, now)
        elif duty is not None:
            await self._store.undelivered(duty, news.code, plan_next(duty, now), now)
            log.warning("notice.undelivered", duty=duty.id, instance=duty.instance, code=news.code)
        return moved


def to_registered(item: InboxItem, read: Read, duties: Sequence[NewDuty]) -> Registered:
    return Registered(
        item=item,
        complaint_id=read.complaint_id,
        version=read.version,
        event=read.event,
        kind=read.kind,
        level=read.level,
        language=read.language,
        branch=read.branch,
        document=read.document,
        duties=duties,
        decide_ms=read.decide_ms,
        found_by=read.found_by,
    )


def _give_back(item: InboxItem, error: Exception, now: Millis) -> Moved:
    """A bug: tried again, later and later, then set aside. Its neighbours go on."""
    metrics.bugs.labels("register").inc()
    code = f"bug_{type(error).__name__}"
    log.error("envelope.failed", envelope=item.id, channel=item.envelope.channel, code=code, exc_info=error)
    if item.attempts >= BUG_CEILING:
        return Moved(item=item, state=EnvelopeState.SET_ASIDE, code=code)
    due = now + round(find_pause(item.attempts) * 1000)
    return Moved(item=item, state=EnvelopeState.ACCEPTED, code=code, due_ms=due)


def _count(result: Registered | Moved, outcome: Outcome, *, was_kept: bool) -> None:
    channel = result.item.envelope.channel
    if not was_kept:
        metrics.read.labels(channel, "lost_claim").inc()
    elif isinstance(result, Moved):
        metrics.read.labels(channel, "later" if result.state is EnvelopeState.ACCEPTED else result.state.value).inc()
        if result.state is EnvelopeState.SET_ASIDE:
            log.warning("envelope.set_aside", envelope=result.item.id, channel=channel, code=result.code)
    else:
        metrics.read.labels(channel, result.event.value).inc()
        metrics.verdicts.labels(channel, result.level.value).inc()
        if isinstance(outcome, Read):
            for signal in outcome.signals:
                metrics.signals.labels(signal).inc()
