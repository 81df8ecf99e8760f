"""What the store does beside its writer: moving the log into the database, and watching the room on the disk.

A checkpoint in the writer would stall every caller of that moment, so it runs here on a connection of its own
(PASSIVE: it waits for nobody and nobody waits for it). Under load without a pause the log would then never be empty, so
never start over; once it is long, the writer is asked to finish the little that came in meanwhile.
"""

import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from gateway.store.group import GroupWriter

EVERY_S = 1.0
CHECKPOINT_EVERY_S = 5.0
"""A checkpoint keeps the disk busy for some 50 ms, and whoever commits waits for it; pages that change all the time are
written once for all that happened in between."""
LONG_LOG_PAGES = 8_192
"""32 MB of log."""


class Keeper:
    """Accepts are refused while `disk_is_low`; everything else may still use what room there is."""

    def __init__(
        self, path: Path, connect: Callable[[], sqlite3.Connection], writer: GroupWriter, min_free_mb: int
    ) -> None:
        self._path = path
        self._connect = connect
        self._writer = writer
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
        seen, checked = -1, time.monotonic()
        while not self._stop.wait(EVERY_S):
            self._look_at_disk()
            commits = self._writer.commits
            if commits == seen or time.monotonic() - checked < CHECKPOINT_EVERY_S:
                continue
            checked = time.monotonic()
            try:
                connection = connection or self._connect()
                _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            except sqlite3.Error:
                # The log still holds everything; the writer tells the callers if the disk is bad.
                continue
            seen = commits
            if pages > LONG_LOG_PAGES:
                self._writer.checkpoint_wanted = True
        if connection is not None:
            connection.close()

    def _look_at_disk(self) -> None:
        try:
            self.disk_is_low = shutil.disk_usage(self._path.parent).free < self._min_free
        except OSError:
            self.disk_is_low = True
