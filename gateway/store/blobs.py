"""Files that customers sent, found by the SHA-256 of their bytes: the same picture of one month is kept once, and never
changed.

Each is sealed (`sealed_file.py`) under a key of its own, which the key of the month seals in which its matter began: a
month that is destroyed in the vault takes its files with it. The name of a file is the keyed hash of its SHA-256, so that a disk does not tell who
has which known picture. With several nodes `data_dir/blobs` must be one shared folder: any node may collect, any may read.
"""

import asyncio
import hashlib
import os
import re
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from config.durable import sync_folder
from gateway.contract.file_type import HEAD_BYTES
from gateway.store.port import StoreUnavailable
from gateway.store.sealed_file import KEY_BYTES, PART_BYTES, PartSealer, read_head, unseal_parts, write_head
from gateway.store.vault import Erased, Tampered, read_month

_NAME = _SHA256 = re.compile(r"[0-9a-f]{64}")
_MONTH = re.compile(r"[0-9]{4}-[0-9]{2}")
_BATCH_BYTES = 4 * PART_BYTES
"""Sealed and written, or read and unsealed, in one go of a thread."""
_LEFT_OVER_S = 86_400
_ABOUT = "blob"
"""What the key of a file is sealed for. That the file is the one that was asked for, its SHA-256 shows."""


class TooLarge(Exception):
    """More bytes came than are taken; nothing was kept."""


@dataclass(frozen=True, slots=True)
class Blob:
    """`head` are the first bytes (at most `HEAD_BYTES`), which tell what it is."""

    sha256: str
    size: int
    head: bytes


class Wrapping(Protocol):
    """The vault, for what lies outside the database."""

    async def wrap(self, value: bytes, about: str, matter: str) -> bytes: ...

    async def unwrap(self, sealed: bytes, about: str) -> bytes: ...

    def mark(self, value: bytes) -> bytes: ...


class Blobs(Protocol):
    async def keep(self, chunks: AsyncIterator[bytes], limit_bytes: int, matter: str) -> Blob:
        """For a complaint (its id). Durable when it returns. Raises TooLarge, StoreUnavailable, and whatever `chunks` raises; then nothing stays."""

    def open(self, sha256: str) -> AsyncIterator[bytes]:
        """Raises KeyError where there is none, Erased where its month was destroyed, Tampered where it is not as it was
        kept (at the latest at its end), StoreUnavailable where it cannot be read.
        """

    async def read(self, sha256: str) -> bytes:
        """The whole; raises as `open`."""

    def find_name(self, sha256: str) -> str:
        """The keyed hash (64 digits) by which a file is spoken of where its SHA-256 must not stand."""

    async def remove(self, name: str) -> bool:
        """By the name of `find_name`. False: there is none, or it was kept anew within a day, so that somebody may be about to refer to it. Raises
        StoreUnavailable.
        """


class FileBlobs:
    """One file a blob: `<folder>/<month>/<2 digits>/<62 digits>`, readable by its owner only."""

    def __init__(self, folder: Path, wrapping: Wrapping) -> None:
        self._folder = folder
        self._wrapping = wrapping
        self._is_swept = False

    async def keep(self, chunks: AsyncIterator[bytes], limit_bytes: int, matter: str) -> Blob:
        key = os.urandom(KEY_BYTES)
        sealed_key = await self._wrapping.wrap(key, _ABOUT, matter)
        try:
            draft, stream = await asyncio.to_thread(self._begin)
        except OSError as error:
            raise _to_unavailable(error) from error
        try:
            blob = await _write(stream, write_head(sealed_key), PartSealer(key), chunks, limit_bytes)
            try:
                await asyncio.to_thread(
                    self._finish, draft, stream, self._find_place(read_month(sealed_key), self.find_name(blob.sha256))
                )
            except OSError as error:
                raise _to_unavailable(error) from error
        finally:
            with suppress(OSError):
                stream.close()
            draft.unlink(missing_ok=True)
        return blob

    async def open(self, sha256: str) -> AsyncIterator[bytes]:
        if not _SHA256.fullmatch(sha256):
            raise KeyError(sha256)
        stream, key = await self._find(sha256)
        digest = hashlib.sha256()
        try:
            parts = unseal_parts(stream, key)
            while batch := await _read(parts):
                digest.update(batch)
                yield batch
        finally:
            stream.close()
        if digest.hexdigest() != sha256:
            raise Tampered("the file is another one than its name says")

    async def read(self, sha256: str) -> bytes:
        return b"".join([batch async for batch in self.open(sha256)])

    async def _find(self, sha256: str) -> tuple[BinaryIO, bytes]:
        """The newest that can be read, and its key: it may have been kept in several months."""
        erased: Erased | None = None
        try:
            for place in await asyncio.to_thread(self._list_places, self.find_name(sha256)):
                stream = await asyncio.to_thread(place.open, "rb")
                try:
                    return stream, await self._wrapping.unwrap(await asyncio.to_thread(read_head, stream), _ABOUT)
                except Erased as error:
                    stream.close()
                    erased = error
                except BaseException:
                    stream.close()
                    raise
        except OSError as error:
            raise _to_unavailable(error) from error
        raise erased or KeyError(sha256)

    def find_name(self, sha256: str) -> str:
        return self._wrapping.mark(b"blob:" + bytes.fromhex(sha256)).hex()

    async def remove(self, name: str) -> bool:
        if not _NAME.fullmatch(name):
            return False
        try:
            places = await asyncio.to_thread(self._list_places, name)
            removed = [await asyncio.to_thread(self._remove, place) for place in places]
        except OSError as error:
            raise _to_unavailable(error) from error
        return bool(removed) and all(removed)

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

    def _list_places(self, name: str) -> list[Path]:
        """Of every month, the newest first."""
        months = [each.name for each in self._folder.iterdir()] if self._folder.exists() else []
        places = [self._find_place(month, name) for month in sorted(filter(_MONTH.fullmatch, months), reverse=True)]
        return [place for place in places if place.exists()]

    def _find_place(self, month: str, name: str) -> Path:
        return self._folder / month / name[:2] / name[2:]

    def _begin(self) -> tuple[Path, BinaryIO]:
        incoming = self._folder / "incoming"
        incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self._is_swept:
            self._is_swept = True
            _sweep(incoming)
        draft = incoming / uuid.uuid4().hex
        return draft, os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

    def _finish(self, draft: Path, stream: BinaryIO, place: Path) -> None:
        stream.flush()
        os.fsync(stream.fileno())
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft.replace(place)
        # Who made a folder may not have synced it yet, so each is synced by everybody.
        for folder in (place.parent, place.parent.parent, self._folder, self._folder.parent):
            sync_folder(folder)


def _sweep(incoming: Path) -> None:
    """What a process that died was writing; another node may be writing what is younger."""
    for path in incoming.iterdir():
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _LEFT_OVER_S:
                path.unlink()


async def _write(
    stream: BinaryIO, sealed_head: bytes, sealer: PartSealer, chunks: AsyncIterator[bytes], limit_bytes: int
) -> Blob:
    """Only what is sealed touches the disk, so a file that was begun and not ended tells nothing either."""
    digest = hashlib.sha256()
    head, size, waiting = b"", 0, bytearray()
    await _append(stream, sealed_head)
    async for chunk in chunks:
        size += len(chunk)
        if size > limit_bytes:
            raise TooLarge
        head += chunk[: HEAD_BYTES - len(head)]
        digest.update(chunk)
        waiting += chunk
        if len(waiting) >= _BATCH_BYTES:
            await _append(stream, await asyncio.to_thread(sealer.add, bytes(waiting)))
            waiting.clear()
    await _append(stream, sealer.add(bytes(waiting)) + sealer.finish())
    return Blob(digest.hexdigest(), size, head)


async def _append(stream: BinaryIO, part: bytes) -> None:
    try:
        await asyncio.to_thread(stream.write, part)
    except OSError as error:
        raise _to_unavailable(error) from error


async def _read(parts: Iterator[bytes]) -> bytes:
    """The next batch; empty at the end. An empty file is one empty part."""

    def take() -> bytes:
        batch = bytearray()
        for part in parts:
            batch += part
            if len(batch) >= _BATCH_BYTES:
                break
        return bytes(batch)

    try:
        return await asyncio.to_thread(take)
    except OSError as error:
        raise _to_unavailable(error) from error


def _to_unavailable(error: OSError) -> StoreUnavailable:
    return StoreUnavailable(f"the folder of attachments cannot be used: {error.strerror}")
