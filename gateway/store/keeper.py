"""What the store does beside its writer: moving the log into the database, and watching the room on the disk.

A checkpoint in the writer would stall every caller of that moment, so it runs here on a connection of its own
(PASSIVE: it waits for nobody and nobody waits for it). Its syncs keep the disk busy all the same, and a commit of that
moment takes five times as long, so it comes when hardly anybody writes; under a load that lasts, now and then.

Under load without a pause the log would then never be empty, so never start over; once it is long, what came in meanwhile
is finished while nobody else has a turn to write. That has to be little, as everybody waits for it: so what came in during
a long checkpoint is moved by a shorter one, and what came in during that by one more.
"""

import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gateway.store.turn import Turn

EVERY_S = 1.0
LONGEST_S = 5.0
"""Between two checkpoints, however many write: so long is the log under the heaviest load. Pages that change all the time are
written once for all that happened in between.
"""
LOOKS, LOOK_EVERY_S = 16, 0.005
BUSY_LOOKS = 2
"""At most so many of them meet somebody who writes, where hardly anybody does."""
LONG_LOG_PAGES = 8_192
"""32 MB of log."""
SHORT_S = 0.03
"""A checkpoint that took no longer leaves little behind."""
PASSES = 5


class Keeper:
    """Accepts are refused while `disk_is_low`; everything else may still use what room there is. `checkpoints`: of several
    processes that have the file open, one makes them.
    """

    def __init__(
        self, path: Path, connect: Callable[[], sqlite3.Connection], *, min_free_mb: int, checkpoints: bool
    ) -> None:
        self._path = path
        self._connect = connect
        self._checkpoints = checkpoints
        self._turn = Turn(path.parent)
        self._min_free = min_free_mb * 1024 * 1024
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.disk_is_low = False

    def start(self) -> None:
        self._look_at_disk()
        self._thread = threading.Thread(target=self._work, name="huiyin-store-keeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Blocks until a checkpoint under way has ended."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        connection: sqlite3.Connection | None = None
        self._turn.open()
        checked = time.monotonic()
        while not self._stop.wait(EVERY_S):
            self._look_at_disk()
            if not self._checkpoints or (time.monotonic() - checked < LONGEST_S and self._is_load()):
                continue
            checked = time.monotonic()
            with suppress(sqlite3.Error, OSError):
                # The log still holds everything; the writer tells the callers if the disk is bad.
                connection = connection or self._connect()
                self._checkpoint(connection)
        if connection is not None:
            connection.close()
        self._turn.close()

    def _checkpoint(self, connection: sqlite3.Connection) -> None:
        if _move(connection) <= LONG_LOG_PAGES:
            return
        self._turn.take()
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        finally:
            self._turn.give_back()

    def _is_load(self) -> bool:
        """Whoever writes has the turn meanwhile, in whichever process."""
        busy_looks = 0
        for _ in range(LOOKS):
            if self._turn.try_take():
                self._turn.give_back()
            else:
                busy_looks += 1
            time.sleep(LOOK_EVERY_S)
        return busy_looks > BUSY_LOOKS

    def _look_at_disk(self) -> None:
        try:
            self.disk_is_low = shutil.disk_usage(self._path.parent).free < self._min_free
        except OSError:
            self.disk_is_low = True


def _move(connection: sqlite3.Connection) -> int:
    """The length of the log, in pages."""
    pages = 0
    for _ in range(PASSES):
        began = time.monotonic()
        _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if pages <= LONG_LOG_PAGES or time.monotonic() - began < SHORT_S:
            break
    return int(pages)
