"""A process stands still for longer than its lease (a virtual machine that is moved, a laptop lid) and goes on."""

import asyncio
import signal

from tests.faults.bank import LEASE_S, Bank
from tests.faults.fault import Draw, Fault


async def strike(bank: Bank, draw: Draw) -> None:
    await asyncio.sleep(draw.random.uniform(0, 0.3))
    process = bank.node().process
    process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(LEASE_S * draw.random.uniform(0.2, 1.3))
    process.send_signal(signal.SIGCONT)


FAULTS = [Fault("stopped past its lease", strike)]
