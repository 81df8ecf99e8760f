"""Channels we ask: poll, keep with the cursor in one commit, then tell the source."""

import asyncio

from gateway.contract.clock import Clock
from gateway.contract.errors import AdapterError
from gateway.contract.ports import Poll
from gateway.intake.accept import Acceptance
from gateway.ops import metrics
from gateway.ops.logs import log
from gateway.ops.time import pause
from gateway.store.port import Store

POLL_LIMIT_S = 120.0
"""A poll that hangs longer is given up and begun again (a silent hang is how mail channels die)."""
STALE_AFTER_POLLS = 3
"""Intervals without a good poll after which the channel, and so the gateway, is not ready."""


class Polling:
    """One polled channel. `limit_s` bounds each word with the other side."""

    def __init__(
        self,
        instance: str,
        channel: Poll,
        accept: Acceptance,
        store: Store,
        clock: Clock,
        *,
        limit_s: float = POLL_LIMIT_S,
    ) -> None:
        self._instance = instance
        self._channel = channel
        self._accept = accept
        self._store = store
        self._clock = clock
        self._limit_s = limit_s
        self._last_good = clock.now_ms()

    def check(self) -> str:
        """For `/ready`: empty while polls succeed, else what is wrong."""
        silent_s = (self._clock.now_ms() - self._last_good) / 1000
        if silent_s <= STALE_AFTER_POLLS * self._channel.interval_s + self._limit_s:
            return ""
        return f"no good poll for {silent_s:.0f} s; the log says why (poll.failed)"

    async def run(self, stop: asyncio.Event) -> None:
        """A failed poll is logged and tried again after the interval; nothing ends this but `stop`."""
        while not stop.is_set():
            if not await self._poll():
                await pause(stop, self._channel.interval_s)

    async def _poll(self) -> bool:
        """True: there is more to be had at once."""
        instance, channel = self._instance, self._channel
        try:
            async with asyncio.timeout(self._limit_s):
                polled = await channel.poll(await self._store.cursor(instance))
            if polled.envelopes or polled.cursor:
                await self._accept.keep_all(polled.envelopes, polled.cursor, instance)
            async with asyncio.timeout(self._limit_s):
                await channel.confirm(polled)
        except AdapterError as error:
            metrics.polled.labels(instance, error.code).inc()
            log.warning("poll.failed", channel=instance, code=error.code)
        except TimeoutError:
            metrics.polled.labels(instance, "timeout").inc()
            log.warning("poll.failed", channel=instance, code="timeout")
        except Exception:
            metrics.bugs.labels(instance).inc()
            log.exception("poll.failed", channel=instance, code="bug")
        else:
            self._last_good = self._clock.now_ms()
            metrics.polled.labels(instance, "good").inc()
            metrics.last_poll.labels(instance).set(self._last_good / 1000)
            return polled.more
        return False
