"""SIGKILL at a random moment, once or several times in one run."""

import asyncio

from tests.faults.bank import Bank
from tests.faults.fault import Draw, Fault


async def strike(bank: Bank, draw: Draw) -> None:
    for _ in range(draw.random.choice((1, 1, 2))):
        await asyncio.sleep(draw.random.uniform(0, 0.6))
        await asyncio.to_thread(bank.node().kill)
        await bank.start()


FAULTS = [Fault("killed at a random moment", strike, weight=4)]
