"""The clock of the gateway's machine jumps while it runs: hours forward, hours back, and to the right time at last."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.bank import Bank, Plan
from tests.faults.fault import Draw, Fault

_LIBRARY = "faketime/libfaketimeMT.so.1"
_OFFSETS = ("+3h", "-3h", "+26h", "-26h", "+20s", "-20s")


def find_library() -> Path:
    found = [*Path("/usr/lib").glob(f"*/{_LIBRARY}"), *Path("/usr/lib").glob(_LIBRARY)]
    assert found, "libfaketime is not installed: run .ci/install-fault-tools.sh"
    return found[0]


@contextmanager
def prepare(draw: Draw) -> Iterator[Plan]:
    clock = draw.folder / "clock"
    set_clock(clock, "+0")
    yield Plan(
        environment={
            "LD_PRELOAD": str(find_library()),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            # What a machine has when somebody sets its clock: the time jumps, what is measured with does not.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
    )


async def strike(bank: Bank, draw: Draw) -> None:
    clock = draw.folder / "clock"
    for _ in range(draw.random.randrange(2, 5)):
        await asyncio.sleep(draw.random.uniform(0.1, 0.6))
        set_clock(clock, draw.random.choice(_OFFSETS))
        if draw.random.random() < 0.2:
            await asyncio.to_thread(bank.node().kill)
            await bank.start()
    # Not until something was kept: WeChat's pushes are refused for as long as their time is hours off, and all senders
    # may be at one.
    await asyncio.sleep(draw.random.uniform(0.1, 0.6))
    set_clock(clock, "+0")


def set_clock(clock: Path, offset: str) -> None:
    """Whole or not at all: the library reads it at any moment."""
    draft = clock.with_suffix(".new")
    draft.write_text(f"{offset}\n")
    draft.replace(clock)


FAULTS = [Fault("clock jumps", strike, prepare=prepare, weight=3)]
