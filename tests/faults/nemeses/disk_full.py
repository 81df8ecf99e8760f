"""No room on the disk, for real: the files lie on a small file system of their own, and somebody fills it.

SQLite: database, log and ledger. PostgreSQL: the files of its database, in a tablespace. Or the attachments alone, while
the database takes everything.
"""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.bank import REST_LIMIT_S, Bank, Plan, find_server
from tests.faults.fault import Draw, Fault
from tests.faults.rights import AS_ROOT

_NOT_KEPT = "SELECT id FROM duties WHERE target = 'collect' AND state = 'waiting' AND code = 'store_unavailable'"
_PART = b"\0" * 4096


@contextmanager
def prepare(draw: Draw) -> Iterator[Plan]:
    place = draw.folder / ("data" if draw.engine == "sqlite" else "small")
    with mounted(place, "32m"):
        if draw.engine == "sqlite":
            # With a reserve it refuses before the disk is full; without, the disk itself does.
            yield Plan(min_free_mb=draw.random.choice((0, 0, 1)))
        else:
            with find_server().tablespace(place) as name:
                yield Plan(tablespace=name)


@contextmanager
def prepare_attachments(draw: Draw) -> Iterator[Plan]:
    with mounted(draw.folder / "data" / "blobs", "4m"):
        yield Plan()


@contextmanager
def mounted(place: Path, size: str) -> Iterator[None]:
    place.mkdir(parents=True)
    ran = subprocess.run(
        [
            *AS_ROOT,
            "mount",
            "-t",
            "tmpfs",
            "-o",
            f"size={size},mode=0700,uid={os.getuid()}",
            "huiyin-small",
            str(place),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, f"a file system of its own needs root or sudo: {ran.stderr}"
    try:
        yield
    finally:
        subprocess.run([*AS_ROOT, "umount", "-l", str(place)], check=True)


async def strike(bank: Bank, draw: Draw) -> None:
    place = bank.data if bank.engine == "sqlite" else draw.folder / "small"
    for _ in range(2):
        await bank.load.reach_more(draw.random.randrange(1, 12))
        # What is left is used up in the middle of something.
        fill(place, spare=draw.random.randrange(0, 60) * 1024)
        await asyncio.sleep(draw.random.uniform(0, 0.3))
        fill(place)
        await bank.load.be_refused(3)
        await asyncio.sleep(draw.random.uniform(0, 0.5))
        (place / "ballast").unlink()


async def strike_attachments(bank: Bank, draw: Draw) -> None:
    place = bank.data / "blobs"
    await bank.load.reach(draw.random.randrange(1, 12))
    # Room for a part of a picture, or for a few, so that the last one is broken off somewhere.
    fill(place, spare=draw.random.randrange(0, 60) * 1024)
    async with asyncio.timeout(REST_LIMIT_S):
        while not bank.query(_NOT_KEPT):  # noqa: ASYNC110 - the gateway's doing
            await asyncio.sleep(0.05)
    (place / "ballast").unlink()


def fill(place: Path, spare: int = 0) -> None:
    """Until no more fits, but for `spare` bytes."""
    with (place / "ballast").open("ab", buffering=0) as ballast:
        wanted = max(0, shutil.disk_usage(place).free - spare)
        try:
            while wanted > 0:
                wanted -= os.write(ballast.fileno(), _PART * 64 if wanted > 64 * 4096 else _PART)
        except OSError:
            return


FAULTS = [
    Fault("disk full", strike, prepare=prepare, weight=2),
    Fault("disk of attachments full", strike_attachments, prepare=prepare_attachments),
]
