"""Files that customers sent, kept under the SHA-256 of their bytes: the same picture is kept once, and never changed.

With several nodes `data_dir/blobs` must be one shared folder: any node may collect, any may read.
"""

import asyncio
import hashlib
import os
import re
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from gateway.store.port import StoreUnavailable

_SHA256 = re.compile(r"[0-9a-f]{64}")
HEAD_BYTES = 4_096
_PART_BYTES = 262_144
_LEFT_OVER_S = 86_400


class TooLarge(Exception):
    """More bytes came than are taken; nothing was kept."""


@dataclass(frozen=True, slots=True)
class Blob:
    """`head` are the first bytes (at most `HEAD_BYTES`), which tell what it is."""

    sha256: str
    size: int
    head: bytes


class Blobs(Protocol):
    async def keep(self, chunks: AsyncIterator[bytes], limit_bytes: int) -> Blob:
        """Durable when it returns. Raises TooLarge, StoreUnavailable, and whatever `chunks` raises; then nothing stays."""

    async def read(self, sha256: str) -> bytes:
        """Raises KeyError where there is none, StoreUnavailable where it cannot be read."""

    async def remove(self, sha256: str) -> bool:
        """False: there is none, or it was kept anew within a day, so that somebody may be about to refer to it. Raises
        StoreUnavailable.
        """


class FileBlobs:
    """One file a blob: `<folder>/<2 digits>/<62 digits>`, readable by its owner only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._is_swept = False

    async def keep(self, chunks: AsyncIterator[bytes], limit_bytes: int) -> Blob:
        try:
            draft, stream = await asyncio.to_thread(self._begin)
        except OSError as error:
            raise _to_unavailable(error) from error
        try:
            blob = await _write(stream, chunks, limit_bytes)
            try:
                await asyncio.to_thread(self._finish, draft, stream, blob.sha256)
            except OSError as error:
                raise _to_unavailable(error) from error
        finally:
            with suppress(OSError):
                stream.close()
            draft.unlink(missing_ok=True)
        return blob

    async def read(self, sha256: str) -> bytes:
        if not _SHA256.fullmatch(sha256):
            raise KeyError(sha256)
        try:
            return await asyncio.to_thread(self._find(sha256).read_bytes)
        except FileNotFoundError:
            raise KeyError(sha256) from None
        except OSError as error:
            raise _to_unavailable(error) from error

    async def remove(self, sha256: str) -> bool:
        if not _SHA256.fullmatch(sha256):
            return False
        try:
            return await asyncio.to_thread(self._remove, self._find(sha256))
        except OSError as error:
            raise _to_unavailable(error) from error

    def _remove(self, place: Path) -> bool:
        # Taken away first and looked at then: who keeps it anew meanwhile puts a file of its own in the place.
        aside = self._folder / "incoming" / uuid.uuid4().hex
        aside.parent.mkdir(exist_ok=True, mode=0o700)
        try:
            place.replace(aside)
        except FileNotFoundError:
            return False
        if time.time() - aside.stat().st_mtime < _LEFT_OVER_S:
            aside.replace(place)
            return False
        aside.unlink()
        return True

    def _find(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256[2:]

    def _begin(self) -> tuple[Path, BinaryIO]:
        incoming = self._folder / "incoming"
        incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self._is_swept:
            self._is_swept = True
            _sweep(incoming)
        draft = incoming / uuid.uuid4().hex
        return draft, os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

    def _finish(self, draft: Path, stream: BinaryIO, sha256: str) -> None:
        stream.flush()
        os.fsync(stream.fileno())
        place = self._find(sha256)
        place.parent.mkdir(exist_ok=True, mode=0o700)
        draft.replace(place)
        # The name is durable only when the folder is.
        for folder in (place.parent, self._folder):
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def _sweep(incoming: Path) -> None:
    """What a process that died was writing; another node may be writing what is younger."""
    for path in incoming.iterdir():
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _LEFT_OVER_S:
                path.unlink()


async def _write(stream: BinaryIO, chunks: AsyncIterator[bytes], limit_bytes: int) -> Blob:
    digest = hashlib.sha256()
    head, size, waiting = b"", 0, bytearray()
    async for chunk in chunks:
        size += len(chunk)
        if size > limit_bytes:
            raise TooLarge
        head += chunk[: HEAD_BYTES - len(head)]
        digest.update(chunk)
        waiting += chunk
        if len(waiting) >= _PART_BYTES:
            await _append(stream, bytes(waiting))
            waiting.clear()
    await _append(stream, bytes(waiting))
    return Blob(digest.hexdigest(), size, head)


async def _append(stream: BinaryIO, part: bytes) -> None:
    try:
        await asyncio.to_thread(stream.write, part)
    except OSError as error:
        raise _to_unavailable(error) from error


def _to_unavailable(error: OSError) -> StoreUnavailable:
    return StoreUnavailable(f"the folder of attachments cannot be used: {error.strerror}")
