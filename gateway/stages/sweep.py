"""Whatever is past its promise raises an alarm, again and again until it is solved. Nothing is exempt by its state."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from config.settings import PromiseSettings
from gateway.contract.clock import Clock, Millis
from gateway.ops import metrics
from gateway.ops.logs import log
from gateway.stages.alarms import Alarms
from gateway.stages.words import Alarm
from gateway.states import DutyState, EnvelopeState
from gateway.store.chain import Days
from gateway.store.port import Store, StoreUnavailable
from gateway.store.rows import Balance, Target

EVERY_S = 15.0
DAY_MS = 86_400_000


class Sweep:
    """`expected`: channel -> after how many seconds of silence there is something wrong. `find_fault`: what is wrong with
    the chain of the history, empty if nothing. `alarms` tells people; the log and the metrics say it all in any case.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        promises: PromiseSettings,
        timezone: str,
        *,
        lease_s: int = 60,
        expected: Mapping[str, int] | None = None,
        find_fault: Callable[[], str] = lambda: "",
        alarms: Alarms | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._promises = promises
        self._days = Days(timezone)
        self._lease_ms = lease_s * 1000
        self._expected = expected or {}
        self._find_fault = find_fault
        self._alarms = alarms
        self._began = clock.now_ms()
        self._limits: dict[tuple[str, str], tuple[str, int]] = {
            ("envelope", EnvelopeState.ACCEPTED): ("register", promises.register_s),
            ("envelope", EnvelopeState.SET_ASIDE): ("set_aside", promises.parked_s),
            (Target.SYSTEM, DutyState.WAITING): ("forward", promises.forward_s),
            (Target.SYSTEM, DutyState.PARKED): ("parked", promises.parked_s),
            (Target.COLLECT, DutyState.WAITING): ("collect", promises.collect_s),
            (Target.COLLECT, DutyState.PARKED): ("parked", promises.parked_s),
            (Target.SCAN, DutyState.WAITING): ("scan", promises.scan_s),
            (Target.SCAN, DutyState.PARKED): ("parked", promises.parked_s),
            (Target.NOTICE, DutyState.WAITING): ("warn", promises.warn_s),
            (Target.NOTICE, DutyState.PARKED): ("parked", promises.parked_s),
        }

    async def work(self) -> int:
        now = self._clock.now_ms()
        broken: list[Alarm] = []
        parts: tuple[Callable[[Millis], Awaitable[Sequence[Alarm]]], ...] = (
            self._redate,
            self._watch_standings,
            self._watch_balance,
            self._watch_deadlines,
            self._watch_numbers,
        )
        for part in parts:
            try:
                broken += await part(now)
            except StoreUnavailable:
                raise
            except Exception:
                # The other promises are watched all the same.
                metrics.bugs.labels("sweep").inc()
                log.exception("sweep.failed", part=part.__name__.strip("_"))
        for alarm in broken:
            metrics.alarms.labels(alarm.promise).inc()
            log.error(
                "promise.broken",
                promise=alarm.promise,
                subject=alarm.subject,
                where=alarm.where,
                state=alarm.state,
                count=alarm.count,
                oldest_s=alarm.age_s,
                limit_s=alarm.limit_s,
            )
        if self._alarms is not None:
            await self._alarms.tell(broken)
        return 0

    async def _redate(self, now: Millis) -> list[Alarm]:
        if count := await self._store.redate(now, self._lease_ms):
            log.warning("clock.had_run_ahead", rows=count)
        return []

    async def _watch_standings(self, now: Millis) -> list[Alarm]:
        standings = await self._store.standings()
        metrics.standing.clear()
        metrics.oldest_seconds.clear()
        broken = []
        for standing in standings:
            labels = (standing.subject, standing.where, standing.state)
            metrics.standing.labels(*labels).set(standing.count)
            age_s = (now - standing.oldest_ms) / 1000 if standing.oldest_ms is not None else 0.0
            metrics.oldest_seconds.labels(*labels).set(age_s)
            promise, limit_s = self._limits.get((standing.subject, standing.state), ("", 0))
            if promise and age_s > limit_s:
                broken.append(Alarm(promise, *labels, standing.count, round(age_s), limit_s))
        return broken

    async def _watch_balance(self, now: Millis) -> list[Alarm]:
        """Conservation, the chain, and channels that have gone silent: all of it is told by the history."""
        balance = await self._store.check_balance(self._days)
        unsealed_s = (now - balance.unsealed_ms) / 1000 if balance.unsealed_ms is not None else 0.0
        metrics.unsealed_seconds.set(unsealed_s)
        broken = []
        if self._find_fault():
            broken.append(Alarm("chain", "history", "chain", "broken", 1, 0, 0))
        if unsealed_s > self._promises.seal_s:
            labels = ("history", "chain", "unsealed")
            broken.append(Alarm("seal", *labels, balance.unsealed, round(unsealed_s), self._promises.seal_s))
        return [*broken, *_watch_conservation(balance), *self._watch_silence(balance, now)]

    def _watch_silence(self, balance: Balance, now: Millis) -> list[Alarm]:
        for channel, at_ms in balance.heard.items():
            metrics.heard.labels(channel).set(at_ms / 1000)
        broken = []
        for channel, limit_s in self._expected.items():
            at_ms = balance.heard.get(channel, 0)
            # Nobody can have been heard while nobody listened. A time still to come is of a clock that ran ahead.
            silent_s = (now - max(at_ms if at_ms <= now else 0, self._began)) / 1000
            if silent_s > limit_s:
                broken.append(Alarm("silence", "channel", channel, "silent", 1, round(silent_s), limit_s))
        return broken

    async def _watch_deadlines(self, now: Millis) -> list[Alarm]:
        soon_ms = self._promises.decide_soon_days * DAY_MS
        metrics.deadlines.clear()
        broken = []
        for found in await self._store.read_deadlines(now, soon_ms):
            metrics.deadlines.labels(found.channel, "approaching").set(found.approaching)
            metrics.deadlines.labels(found.channel, "passed").set(found.passed)
            if not self._promises.decide_alarm:
                continue
            age_s = round((now - found.first_ms) / 1000)
            if found.passed:
                broken.append(Alarm("decide", "complaint", found.channel, "passed", found.passed, age_s, 0))
            if found.approaching:
                broken.append(Alarm("decide_soon", "complaint", found.channel, "approaching", found.approaching, 0, 0))
        return broken

    async def _watch_numbers(self, now: Millis) -> list[Alarm]:
        limit_s = self._promises.gap_s
        metrics.missing.clear()
        broken = []
        for found in await self._store.read_missing(now, limit_s * 1000):
            metrics.missing.labels(found.channel).set(found.count)
            age_s = round((now - found.since_ms) / 1000)
            broken.append(Alarm("gap", "source", found.channel, "missing", found.count, age_s, limit_s))
        return broken


def _watch_conservation(balance: Balance) -> list[Alarm]:
    metrics.unbalanced.clear()
    missing: dict[tuple[str, str], int] = {}
    for one in balance.imbalances:
        difference = abs(one.told - one.found)
        metrics.unbalanced.labels(one.subject, one.where, one.state).set(difference)
        log.error(
            "conservation.broken",
            subject=one.subject,
            where=one.where,
            state=one.state,
            history=one.told,
            found=one.found,
        )
        missing[one.subject, one.where] = max(difference, missing.get((one.subject, one.where), 0))
    return [
        Alarm("conservation", subject, where, "unbalanced", count, 0, 0) for (subject, where), count in missing.items()
    ]
