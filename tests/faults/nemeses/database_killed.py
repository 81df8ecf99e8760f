"""Every process of PostgreSQL dies at once, and it is started again: it recovers from its log."""

import asyncio
import signal

from tests.faults.bank import Bank
from tests.faults.fault import Draw, Fault


async def strike(bank: Bank, draw: Draw) -> None:
    assert bank.server
    for _ in range(draw.random.choice((1, 1, 2))):
        await asyncio.sleep(draw.random.uniform(0, 0.5))
        await asyncio.to_thread(bank.server.stop, signal.SIGKILL)
        await asyncio.sleep(draw.random.uniform(0, 0.8))
        await asyncio.to_thread(bank.server.start)


FAULTS = [Fault("database killed", strike, ("postgres",), weight=3)]
