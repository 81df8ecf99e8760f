"""SIGKILL at every named point of the way of a complaint, at its first passes in turn."""

from contextlib import AbstractContextManager, nullcontext

from gateway.ops.killpoints import POINTS
from tests.faults.bank import Bank, Plan
from tests.faults.fault import Draw, Fault

# These need a person who is to be told; tests/stages has them.
NAMED = [name for name in POINTS if not name.startswith("notify.")]


def prepare(draw: Draw) -> AbstractContextManager[Plan]:
    point, nth = NAMED[draw.number % len(NAMED)], 1 + draw.number // len(NAMED) % 4
    return nullcontext(Plan(environment={"HUIYIN_KILL_AT": f"{point}:{nth}"}))


async def strike(bank: Bank, draw: Draw) -> None:
    del draw
    await bank.wait_for_death()
    bank.environment.clear()
    await bank.start()


FAULTS = [Fault("killed at a named point", strike, prepare=prepare, weight=6)]
