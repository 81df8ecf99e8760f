"""What a fault is: how the bank is set up for it, and what strikes it while the load runs."""

import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from tests.faults.bank import Bank, Engine, Plan

BOTH: tuple[Engine, ...] = ("sqlite", "postgres")


@dataclass(frozen=True, slots=True)
class Draw:
    """What a run is made of. `number` counts the runs of one fault on one engine from 0: what can be enumerated, is."""

    engine: Engine
    number: int
    random: random.Random
    folder: Path


def plain(draw: Draw) -> AbstractContextManager[Plan]:
    del draw
    return nullcontext(Plan())


@dataclass(frozen=True, slots=True)
class Fault:
    """`strike` returns when the fault is lifted and the nodes are up again; the load runs until then. `weight`: its
    share of the runs, compared with the other faults.
    """

    name: str
    strike: Callable[[Bank, Draw], Awaitable[None]]
    engines: tuple[Engine, ...] = BOTH
    prepare: Callable[[Draw], AbstractContextManager[Plan]] = plain
    weight: int = 1
