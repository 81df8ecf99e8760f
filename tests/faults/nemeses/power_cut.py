"""The power goes: what was not synced is gone, not only the process. The files lie on a file system of their own in a file,
which the kernel writes to as to a disk. What stands in that file at the moment of the cut is what a disk would hold; it is
mounted again, and the bank goes on from there.

SQLite: the gateway's machine, with its database, ledger, attachments and master key. PostgreSQL: the database's machine.
Some of the file systems keep a journal, which makes names durable sooner than it promises to; the others do not.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.faults.bank import Bank, Plan
from tests.faults.fault import Draw, Fault
from tests.faults.rights import AS_ROOT
from tests.postgres_server import PASSWORD, USER, PostgresServer

_SIZE = 256 * 1024 * 1024
_REPAIRED = (0, 1, 2)
"""Exit statuses of e2fsck that leave a sound file system (e2fsck(8))."""


class Disk:
    """Mounted at `place`."""

    def __init__(self, folder: Path, place: Path, *, journal: bool) -> None:
        self._folder = folder
        self._place = place
        self._cuts = 0
        self._place.mkdir()
        with self._image.open("wb") as image:
            image.truncate(_SIZE)
        _run(
            *AS_ROOT, "mkfs.ext4", "-q", "-F", "-m", "0", *([] if journal else ["-O", "^has_journal"]), str(self._image)
        )
        self._mount()
        _run(*AS_ROOT, "chmod", "0777", str(place))

    @property
    def _image(self) -> Path:
        return self._folder / f"disk{self._cuts}"

    def _mount(self) -> None:
        _run(*AS_ROOT, "mount", "-o", "loop", str(self._image), str(self._place))

    def lose_power(self) -> None:
        """Nobody may have a file open. What the kernel still holds in memory goes to the old image, which nobody reads."""
        before = self._image
        self._cuts += 1
        _run("cp", "--sparse=always", str(before), str(self._image))
        self.remove()
        before.unlink()
        command = [*AS_ROOT, "e2fsck", "-f", "-y", str(self._image)]
        mended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert mended.returncode in _REPAIRED, mended.stdout + mended.stderr
        self._mount()

    def remove(self) -> None:
        _run(*AS_ROOT, "umount", "-l", str(self._place))


def _run(*command: str) -> None:
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"a file system of its own needs root or sudo, and loop devices: {ran.stderr}"


_disks: dict[Path, Disk] = {}


@contextmanager
def prepare(draw: Draw) -> Iterator[Plan]:
    place = draw.folder / ("data" if draw.engine == "sqlite" else "machine")
    disk = _disks[draw.folder] = Disk(draw.folder, place, journal=draw.number % 2 == 0)
    try:
        if draw.engine == "sqlite":
            yield Plan()
        else:
            server = PostgresServer(durable=True, folder=place / "postgres")
            try:
                database = server.make_database()
                os.environ["HUIYIN__STORE__PASSWORD"] = PASSWORD
                # As it was for weeks before.
                _run("sync", "-f", str(place))
                yield Plan(
                    store_url=f"postgresql://{USER}@127.0.0.1:{server.port}/{database}",
                    ask=partial(server.query, database),
                    servers=(server,),
                )
            finally:
                server.remove()
    finally:
        del _disks[draw.folder]
        disk.remove()


async def strike(bank: Bank, draw: Draw) -> None:
    disk = _disks[draw.folder]
    for _ in range(draw.random.choice((1, 2, 3))):
        await bank.load.reach_more(draw.random.randrange(12))
        await asyncio.sleep(draw.random.uniform(0, 0.3))
        if bank.engine == "sqlite":
            await asyncio.to_thread(bank.node().kill)
            await asyncio.to_thread(disk.lose_power)
            await bank.start()
        else:
            (server,) = bank.plan.servers
            await asyncio.to_thread(server.stop, signal.SIGKILL)
            await asyncio.to_thread(disk.lose_power)
            await asyncio.to_thread(server.start)


FAULTS = [Fault("power cut", strike, prepare=prepare, weight=3)]
