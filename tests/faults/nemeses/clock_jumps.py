"""The clock of the gateway's machine jumps while it runs: hours forward, hours back, and to the right time at last."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp

from tests.faults.bank import Bank, Plan
from tests.faults.fault import Draw, Fault

_LIBRARY = "faketime/libfaketimeMT.so.1"
_OFFSETS = {"+3h": 10_800, "-3h": -10_800, "+26h": 93_600, "-26h": -93_600, "+40s": 40, "-40s": -40}
"""As the library writes them -> seconds."""


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
        offset = draw.random.choice(list(_OFFSETS))
        set_clock(clock, offset)
        if draw.random.random() < 0.2:
            await asyncio.to_thread(bank.node().kill)
            await bank.start()
        assert abs(await read_clock(bank) - time.time() - _OFFSETS[offset]) < 15, "the clock did not jump"
    # Not until something was kept: WeChat's pushes are refused for as long as their time is hours off, and all senders
    # may be at one.
    await asyncio.sleep(draw.random.uniform(0.1, 0.6))
    set_clock(clock, "+0")


async def read_clock(bank: Bank) -> float:
    """Seconds since the epoch, as the gateway's answers date themselves."""
    async with aiohttp.request("GET", f"{bank.node().url}/live") as answer:
        return parsedate_to_datetime(answer.headers["Date"]).timestamp()


def set_clock(clock: Path, offset: str) -> None:
    """Whole or not at all: the library reads it at any moment."""
    draft = clock.with_suffix(".new")
    draft.write_text(f"{offset}\n")
    draft.replace(clock)


FAULTS = [Fault("clock jumps", strike, prepare=prepare, weight=3)]
