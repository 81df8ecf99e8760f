"""A disk that fails under the embedded store: it turns read-only, has no more room, or cannot write or sync. Every
write and sync of the gateway comes back with that error for a while, wherever it stands in a transaction.
"""

import asyncio
from contextlib import AbstractContextManager, nullcontext

from tests.faults.bank import Bank, Plan
from tests.faults.fault import Draw, Fault
from tests.faults.tracing import inject

_WRITES = "pwrite64,fdatasync,fsync,ftruncate,unlink"
_WAYS = (
    (_WRITES, "error=EROFS"),
    (_WRITES, "error=EIO"),
    ("fdatasync,fsync", "error=EIO"),
    ("pwrite64", "error=ENOSPC"),
    # Only every few: some of a transaction reaches the disk.
    ("pwrite64", "error=EIO:when=3+7"),
    ("fdatasync,fsync", "error=EIO:when=2+3"),
)


async def strike(bank: Bank, draw: Draw) -> None:
    calls, what = _WAYS[draw.number % len(_WAYS)]
    await bank.load.reach(draw.random.randrange(10))
    async with inject(bank.node().process.pid, calls, what, bank.list_files("huiyin.db", "ledger.db")):
        await bank.load.be_refused(3)
        await asyncio.sleep(draw.random.uniform(0, 0.5))
        if draw.random.random() < 0.3:
            # The power goes while the disk fails.
            await asyncio.to_thread(bank.node().kill)
    if bank.node().process.poll() is not None:
        await bank.start()


def prepare(draw: Draw) -> AbstractContextManager[Plan]:
    del draw
    return nullcontext(Plan(desks=0))  # one process is traced


FAULTS = [Fault("disk read-only or failing", strike, ("sqlite",), prepare=prepare, weight=4)]
