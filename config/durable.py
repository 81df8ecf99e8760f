"""Names that outlast a power cut. A file's bytes are durable once it is synced, its name only when its folder is too
(fsync(2)).
"""

import os
from pathlib import Path


def make_folder(path: Path) -> None:
    """With its parents, where it is not there. Raises OSError."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for each in missing:
        sync_folder(each.parent)


def make_file(path: Path) -> None:
    """An empty one only its owner can read, with its folder, where there is none: it will hold what customers said. Raises OSError."""
    make_folder(path.parent)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """What was made, renamed or removed in it stays so. Raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
