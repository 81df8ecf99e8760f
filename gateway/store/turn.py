"""Whose turn it is to write into a SQLite file that several processes of one gateway write into.

SQLite itself lets one write at a time, but whoever waits for it only looks again now and then, sleeping up to 100 ms in between.
Here the system wakes who waits. It is a courtesy between processes that write all the time, no protection: others (a
command of an operator) know nothing of it and wait in SQLite's way. So nothing fails for want of it: where the file system
has no such locks, or the folder cannot be read, every turn is granted at once.
"""

import os
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # no POSIX: there a gateway writes from one process only
    fcntl = None  # type: ignore[assignment]


class Turn:
    """Of one process; `take` and `give_back` may be called in different threads. A process that dies has given it back."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number: int | None = None

    def open(self) -> None:
        # The folder of the file: the file itself must not be opened beside SQLite, whose own locks end at every close.
        if fcntl is not None:
            with suppress(OSError):
                self._number = os.open(self._folder, os.O_RDONLY)

    def close(self) -> None:
        number, self._number = self._number, None
        if number is not None:
            os.close(number)

    def try_take(self) -> bool:
        if self._number is None:
            return True
        try:
            fcntl.flock(self._number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def take(self) -> None:
        """Waits for it."""
        if self._number is not None:
            with suppress(OSError):
                fcntl.flock(self._number, fcntl.LOCK_EX)

    def give_back(self) -> None:
        if self._number is not None:
            with suppress(OSError):
                fcntl.flock(self._number, fcntl.LOCK_UN)
