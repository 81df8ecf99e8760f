"""Two nodes on one database: one is killed under load, or stands still past its lease and comes back as if nothing had
been; the other takes over.
"""

import asyncio
import signal
from contextlib import AbstractContextManager, nullcontext

from tests.faults.bank import LEASE_S, Bank, Plan
from tests.faults.fault import Draw, Fault


def prepare(draw: Draw) -> AbstractContextManager[Plan]:
    del draw
    return nullcontext(Plan(nodes=2, least=60))


async def kill_one(bank: Bank, draw: Draw) -> None:
    await bank.load.reach(draw.random.randrange(40))
    await asyncio.to_thread(bank.node(0).kill)
    # The other finishes what the dead one held, before anybody starts that one again.
    await bank.load.finish()
    assert not await bank.rest(), "the other node did not take over"
    await bank.start(0)


async def stop_one(bank: Bank, draw: Draw) -> None:
    await bank.load.reach(draw.random.randrange(40))
    process = bank.node(0).process
    process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(LEASE_S * draw.random.uniform(1.1, 1.5))
    process.send_signal(signal.SIGCONT)


FAULTS = [
    Fault("one of two nodes killed", kill_one, ("postgres",), prepare, weight=2),
    Fault("one of two nodes stopped past its lease", stop_one, ("postgres",), prepare),
]
