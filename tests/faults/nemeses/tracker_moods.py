"""The tracker takes a complaint and drops the answer, answers too late, with an error or without a number; it is busy,
slow, or killed and started again.
"""

import asyncio
from contextlib import AbstractContextManager, nullcontext

from tests.faults.bank import Bank, Plan
from tests.faults.fault import Draw, Fault
from tests.faults.tracker import MOODS


def prepare(draw: Draw) -> AbstractContextManager[Plan]:
    count = draw.random.randrange(1, len(MOODS) + 1)
    return nullcontext(Plan(moods=tuple(draw.random.sample(MOODS, count))))


async def misbehave(bank: Bank, draw: Draw) -> None:
    await bank.load.reach(draw.random.randrange(10, 30))


async def kill(bank: Bank, draw: Draw) -> None:
    for _ in range(2):
        await asyncio.sleep(draw.random.uniform(0, 0.4))
        await asyncio.to_thread(bank.kill_tracker)
        await asyncio.sleep(draw.random.uniform(0, 0.6))
        await asyncio.to_thread(bank.start_tracker)


FAULTS = [
    Fault("tracker misbehaves", misbehave, prepare=prepare, weight=4),
    Fault("tracker killed", kill, prepare=prepare, weight=2),
]
