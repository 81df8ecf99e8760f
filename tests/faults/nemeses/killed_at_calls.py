"""SIGKILL at each call to the kernel that does something outside of the process, one after the other: the writing and
syncing of an accept and of all that follows, what is said to the network, and the writing of the ledger.
"""

from contextlib import AbstractContextManager, nullcontext

from tests.faults.bank import Bank, Plan
from tests.faults.fault import Draw, Fault
from tests.faults.tracing import inject

_DISK = "pwrite64,fdatasync,fsync,ftruncate,unlink"
_NETWORK = "write,writev,sendto,sendmsg,connect"


def prepare(draw: Draw) -> AbstractContextManager[Plan]:
    del draw
    # One sender: then the n-th call is the same step every time.
    return nullcontext(Plan(lanes=1))


async def strike(bank: Bank, draw: Draw) -> None:
    kinds = [(_NETWORK, []), (_DISK, [bank.data / "ledger.db", bank.data / "ledger.db-wal"])]
    if bank.engine == "sqlite":
        kinds.append((_DISK, []))
    calls, paths = kinds[draw.number % len(kinds)]
    nth = 1 + draw.number // len(kinds)
    async with inject(bank.node().process.pid, calls, f"signal=KILL:when={nth}", paths):
        await bank.wait_for_death()
    await bank.start()


FAULTS = [Fault("killed at a call to the kernel", strike, prepare=prepare, weight=6)]
