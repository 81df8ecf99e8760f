"""Duties at a system of record: the outbox id is the idempotency key; a system is never given up."""

import asyncio
from collections.abc import Sequence

from gateway.contract.clock import Clock
from gateway.contract.errors import AdapterError, TryLater
from gateway.contract.ports import BatchSystem, Delivered, Delivery, System
from gateway.ops import metrics
from gateway.ops.killpoints import point
from gateway.ops.logs import log
from gateway.stages.commit import commit
from gateway.stages.settle import settle
from gateway.store.port import Store
from gateway.store.rows import Duty, Settled, Target

CONCURRENCY = 16
"""Deliveries under way at one system that takes them one by one."""


class Forward:
    """One per system instance, so that a slow system never delays another."""

    def __init__(self, instance: str, system: System, store: Store, clock: Clock, *, batch: int, lease_s: int) -> None:
        self._instance = instance
        self._system = system
        self._store = store
        self._clock = clock
        self._batch = batch if isinstance(system, BatchSystem) else CONCURRENCY
        self._lease_ms = lease_s * 1000
        # Well inside the lease: nobody else may claim a duty while its delivery is still under way.
        self._limit_s = lease_s / 2

    async def work(self) -> int:
        duties = await self._store.claim_duties(
            Target.SYSTEM, self._instance, self._batch, self._clock.now_ms(), self._lease_ms
        )
        if not duties:
            return 0
        point("forward.before_deliver")
        outcomes = await self._deliver_all(duties)
        point("forward.after_deliver")
        now = self._clock.now_ms()
        settled = [settle(duty, outcome, now) for duty, outcome in zip(duties, outcomes, strict=True)]
        kept = await commit(self._store.settle, settled, now, lambda one, error: settle(one.duty, error, now))
        report(settled, outcomes, kept)
        return len(duties)

    async def _deliver_all(self, duties: Sequence[Duty]) -> Sequence[Delivered | Exception]:
        deliveries = [_to_delivery(duty) for duty in duties]
        if isinstance(self._system, BatchSystem):
            try:
                async with asyncio.timeout(self._limit_s):
                    return await self._system.deliver_many(deliveries)
            except Exception as error:
                failure = TryLater("timeout", uncertain=True) if isinstance(error, TimeoutError) else error
                return [failure] * len(deliveries)
        return await asyncio.gather(*(self._deliver(delivery) for delivery in deliveries))

    async def _deliver(self, delivery: Delivery) -> Delivered | Exception:
        try:
            async with asyncio.timeout(self._limit_s):
                return await self._system.deliver(delivery)
        except TimeoutError:
            return TryLater("timeout", uncertain=True)
        except Exception as error:
            return error


def _to_delivery(duty: Duty) -> Delivery:
    return Delivery(
        id=duty.id,
        step=duty.step,
        event=duty.event,
        receipt=duty.receipt,
        version=duty.version,
        attempt=duty.attempts,
        document=duty.document,
        ticket=duty.ticket,
        uncertain=duty.uncertain,
    )


def report(settled: Sequence[Settled], outcomes: Sequence[object], kept: Sequence[bool]) -> None:
    """Counts and logs of one batch of attempts; shared by forward and notify."""
    for result, outcome, was_kept in zip(settled, outcomes, kept, strict=True):
        duty = result.duty
        word = "lost_claim" if not was_kept else "later" if result.state == "waiting" else result.state.value
        metrics.duties.labels(duty.target.value, duty.instance, word).inc()
        if isinstance(outcome, Exception) and not isinstance(outcome, AdapterError):
            metrics.bugs.labels(duty.instance).inc()
            log.error("duty.failed", duty=duty.id, instance=duty.instance, code=result.code, exc_info=outcome)
        elif word in ("later", "parked"):
            log.warning(
                f"duty.{word}",
                duty=duty.id,
                instance=duty.instance,
                step=duty.step,
                code=result.code,
                attempts=duty.attempts,
            )
