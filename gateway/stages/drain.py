"""The loop every stage runs: work while there is some, else sleep until a hint or the slow poll."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from gateway.ops import metrics
from gateway.ops.logs import log
from gateway.ops.time import pause
from gateway.store.port import StoreUnavailable

LONGEST_S = 30.0
"""A stage that keeps failing tries again at least this often."""


class Wake:
    """A hint that there may be work. Losing one costs a poll interval, nothing else."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._also: list[Callable[[], None]] = []

    def __call__(self) -> None:
        self._event.set()
        for wake in self._also:
            wake()

    def also(self, wake: Callable[[], None]) -> None:
        """`wake` is called whenever this one is."""
        self._also.append(wake)

    async def wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            pass
        self._event.clear()


async def drain(name: str, work: Callable[[], Awaitable[int]], wake: Wake, stop: asyncio.Event, poll_s: float) -> None:
    """`work` does one batch and says how much it did. Its failures are logged and never end the loop."""
    failures = 0
    while not stop.is_set():
        try:
            done = await work()
            failures = 0
        except StoreUnavailable as error:
            done, failures = 0, failures + 1
            log.warning("stage.waits_for_store", stage=name, reason=str(error))
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and (task is None or task.cancelling()):
                raise  # the gateway stops; any other cancellation leaked out of a library
            done, failures = 0, failures + 1
            metrics.bugs.labels(name).inc()
            log.exception("stage.failed", stage=name)
        if failures:
            # Hints do not cut it short, or a busy door would make a failing stage spin. Full jitter, so that nodes do
            # not come back in step.
            await pause(stop, random.uniform(0, min(LONGEST_S, poll_s * 2 ** min(failures, 10))) + 0.05)  # noqa: S311
        elif not done:
            await wake.wait(poll_s)
