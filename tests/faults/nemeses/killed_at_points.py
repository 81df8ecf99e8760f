"""SIGKILL at every named point of the way of a complaint, at its first passes in turn."""

from contextlib import AbstractContextManager, nullcontext

from gateway.ops.killpoints import POINTS
from tests.faults.bank import Bank, Plan
from tests.faults.fault import Draw, Fault


def prepare(draw: Draw) -> AbstractContextManager[Plan]:
    point, nth = POINTS[draw.number % len(POINTS)], 1 + draw.number // len(POINTS) % 4
    tells = point.startswith("notify.")
    return nullcontext(Plan(environment={"HUIYIN_KILL_AT": f"{point}:{nth}"}, tells=tells, desks=0))


async def strike(bank: Bank, draw: Draw) -> None:
    del draw
    await bank.wait_for_death()
    bank.environment.clear()
    await bank.start()


FAULTS = [Fault("killed at a named point", strike, prepare=prepare, weight=6)]
