"""The machine's own clock, and waiting that ends when the gateway stops."""

import asyncio
import time

from gateway.contract.clock import Millis


class SystemClock:
    def now_ms(self) -> Millis:
        return Millis(time.time_ns() // 1_000_000)


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Sleep, but wake at once when stopping."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
