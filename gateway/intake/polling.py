"""Channels we ask: poll, keep with the cursor in one commit, then tell the source."""

import asyncio

from gateway.contract.clock import Clock
from gateway.contract.errors import AdapterError
from gateway.contract.ports import Poll
from gateway.intake.accept import Acceptance
from gateway.ops import metrics
from gateway.ops.logs import log
from gateway.store.port import Store

POLL_LIMIT_S = 120.0
"""A poll that hangs longer is given up and begun again (a silent hang is how mail channels die)."""


async def keep_polling(
    instance: str, channel: Poll, accept: Acceptance, store: Store, clock: Clock, stop: asyncio.Event
) -> None:
    while not stop.is_set():
        more = False
        try:
            async with asyncio.timeout(POLL_LIMIT_S):
                polled = await channel.poll(await store.cursor(instance))
            if polled.envelopes or polled.cursor:
                await accept.keep(polled.envelopes, cursor=polled.cursor)
            async with asyncio.timeout(POLL_LIMIT_S):
                await channel.confirm(polled)
            more = polled.more
            metrics.polled.labels(instance, "good").inc()
            metrics.last_poll.labels(instance).set(clock.now_ms() / 1000)
        except AdapterError as error:
            metrics.polled.labels(instance, error.code).inc()
            log.warning("poll.failed", channel=instance, code=error.code)
        except TimeoutError:
            metrics.polled.labels(instance, "timeout").inc()
            log.warning("poll.failed", channel=instance, code="timeout")
        except Exception:
            metrics.bugs.labels(instance).inc()
            log.exception("poll.failed", channel=instance, code="bug")
        if not more:
            await wait_for(stop, channel.interval_s)


async def wait_for(stop: asyncio.Event, seconds: float) -> None:
    """Sleep, but wake at once when stopping."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
