"""The network between a node and its database, or between a node and the tracker: cut, refused, silent, or torn in the
middle of a frame.
"""

import asyncio
from contextlib import AbstractContextManager, nullcontext

from tests.cable import Cable
from tests.faults.bank import Bank, Plan
from tests.faults.fault import Draw, Fault


def prepare_store(draw: Draw) -> AbstractContextManager[Plan]:
    del draw
    return nullcontext(Plan(cable_to_store=True))


def prepare_tracker(draw: Draw) -> AbstractContextManager[Plan]:
    del draw
    return nullcontext(Plan(cable_to_tracker=True))


async def strike_store(bank: Bank, draw: Draw) -> None:
    assert bank.store_cable
    await strike(bank.store_cable, draw)


async def strike_tracker(bank: Bank, draw: Draw) -> None:
    assert bank.tracker_cable
    await strike(bank.tracker_cable, draw)


async def strike(cable: Cable, draw: Draw) -> None:
    for _ in range(draw.random.randrange(1, 5)):
        await asyncio.sleep(draw.random.uniform(0, 0.3))
        match draw.random.choice(("cut", "refuse", "silence", "silence and cut", "tear", "tear")):
            case "cut":
                cable.cut()
            case "refuse":
                cable.refuse()
                await asyncio.sleep(draw.random.uniform(0, 0.6))
            case "silence":
                cable.silence()
                await asyncio.sleep(draw.random.uniform(0, 1.5))
            case "silence and cut":
                cable.silence()
                await asyncio.sleep(draw.random.uniform(0, 0.5))
                cable.cut()
            case _:
                cable.tear_after(draw.random.randrange(6_000))
                await asyncio.sleep(draw.random.uniform(0, 0.3))
        cable.mend()


FAULTS = [
    Fault("network to the database cut", strike_store, ("postgres",), prepare_store, weight=4),
    Fault("network to the tracker cut", strike_tracker, prepare=prepare_tracker, weight=2),
]
