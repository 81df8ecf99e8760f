"""Whatever is past its promise raises an alarm, again and again until it is solved. Nothing is exempt by its state."""

from config.settings import PromiseSettings
from gateway.contract.clock import Clock
from gateway.ops import metrics
from gateway.ops.logs import log
from gateway.states import DutyState, EnvelopeState
from gateway.store.port import Store
from gateway.store.rows import Standing, Target

EVERY_S = 15.0


class Sweep:
    def __init__(self, store: Store, clock: Clock, promises: PromiseSettings) -> None:
        self._store = store
        self._clock = clock
        self._limits: dict[tuple[str, str], tuple[str, int]] = {
            ("envelope", EnvelopeState.ACCEPTED): ("register", promises.register_s),
            ("envelope", EnvelopeState.SET_ASIDE): ("set_aside", promises.parked_s),
            (Target.SYSTEM, DutyState.WAITING): ("forward", promises.forward_s),
            (Target.SYSTEM, DutyState.PARKED): ("parked", promises.parked_s),
            (Target.COLLECT, DutyState.WAITING): ("collect", promises.collect_s),
            (Target.COLLECT, DutyState.PARKED): ("parked", promises.parked_s),
            (Target.NOTICE, DutyState.WAITING): ("warn", promises.warn_s),
            (Target.NOTICE, DutyState.PARKED): ("parked", promises.parked_s),
        }
        self.broken: list[Standing] = []

    async def work(self) -> int:
        now = self._clock.now_ms()
        standings = await self._store.standings()
        metrics.standing.clear()
        metrics.oldest_seconds.clear()
        self.broken = []
        for standing in standings:
            labels = (standing.subject, standing.where, standing.state)
            metrics.standing.labels(*labels).set(standing.count)
            age_s = (now - standing.oldest_ms) / 1000 if standing.oldest_ms is not None else 0.0
            metrics.oldest_seconds.labels(*labels).set(age_s)
            promise, limit_s = self._limits.get((standing.subject, standing.state), ("", 0))
            if promise and age_s > limit_s:
                self.broken.append(standing)
                metrics.alarms.labels(promise).inc()
                log.error(
                    "promise.broken",
                    promise=promise,
                    subject=standing.subject,
                    where=standing.where,
                    state=standing.state,
                    count=standing.count,
                    oldest_s=round(age_s),
                    limit_s=limit_s,
                )
        return 0
