"""SIGKILL to one of the processes that answer beside the gateway, several times in one run."""

import asyncio
import os
import signal
from contextlib import AbstractContextManager, nullcontext

from tests.faults.bank import Bank, Plan
from tests.faults.fault import Draw, Fault


def prepare(draw: Draw) -> AbstractContextManager[Plan]:
    del draw
    return nullcontext(Plan(desks=2, least=60))


async def strike(bank: Bank, draw: Draw) -> None:
    for _ in range(draw.random.choice((1, 2, 3))):
        await asyncio.sleep(draw.random.uniform(0, 0.6))
        os.kill(draw.random.choice(await bank.wait_for_desks()), signal.SIGKILL)


FAULTS = [Fault("desk killed", strike, prepare=prepare, weight=2)]
