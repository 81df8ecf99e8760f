"""SIGKILL at each call to the kernel that does something outside of the process, one after the other: what writes and
syncs the embedded store, what is said to the network (senders, PostgreSQL, tracker), and the writing of the ledger.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

from tests.faults.bank import Bank, Engine, Plan
from tests.faults.fault import Draw, Fault
from tests.faults.tracing import inject

_DISK = "pwrite64,fdatasync,fsync,ftruncate,unlink"
_NETWORK = "write,writev,sendto,sendmsg,connect"


class Step(NamedTuple):
    """The n-th of these calls; with `files` only those on files whose names begin so."""

    calls: str
    nth: int
    files: str = ""


def list_steps(engine: Engine) -> list[Step]:
    """So many calls take the first complaint all the way, from the first byte kept to the settled duty (counted with
    strace), and a few more for the next one.
    """
    ledger = [Step(_DISK, nth, "ledger.db") for nth in range(1, 55)]
    if engine == "postgres":
        return [*(Step(_NETWORK, nth) for nth in range(1, 51)), *ledger]
    store = [Step(_DISK, nth, "huiyin.db") for nth in range(1, 75)]
    return [*store, *(Step(_NETWORK, nth) for nth in range(1, 11)), *ledger]


STRIDE = 37
"""Of no common factor with either number of steps: few runs are spread over all of them, many meet each once."""


def prepare(draw: Draw) -> AbstractContextManager[Plan]:
    del draw
    # One sender: then the n-th call is the same step every time.
    return nullcontext(Plan(lanes=1, desks=0))


async def strike(bank: Bank, draw: Draw) -> None:
    steps = list_steps(bank.engine)
    step = steps[draw.number * STRIDE % len(steps)]
    files = bank.list_files(step.files) if step.files else []
    async with inject(bank.node().process.pid, step.calls, f"signal=KILL:when={step.nth}", files):
        await bank.wait_for_death()
    await bank.start()


FAULTS = [Fault("killed at a call to the kernel", strike, prepare=prepare, weight=13)]
