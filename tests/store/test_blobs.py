import asyncio
import hashlib
import os
import stat
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.store.blobs import HEAD_BYTES, FileBlobs, TooLarge
from gateway.store.port import StoreUnavailable


async def stream(*chunks: bytes, then: Exception | None = None) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    if then:
        raise then


def list_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_bytes_are_kept_under_what_they_are_and_read_back(tmp_path: Path):
    blobs = FileBlobs(tmp_path / "blobs")
    parts = [bytes([number]) * 100_000 for number in range(7)]
    blob = await blobs.keep(stream(*parts), 1_000_000)
    whole = b"".join(parts)
    assert (blob.sha256, blob.size, blob.head) == (hashlib.sha256(whole).hexdigest(), 700_000, whole[:HEAD_BYTES])
    assert await blobs.read(blob.sha256) == whole
    (path,) = list_files(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_the_same_bytes_at_once_are_kept_once(tmp_path: Path):
    blobs = FileBlobs(tmp_path)
    kept = await asyncio.gather(*(blobs.keep(stream(b"same"), 10) for _ in range(5)))
    assert len({blob.sha256 for blob in kept}) == 1
    assert len(list_files(tmp_path)) == 1


@pytest.mark.parametrize("size", [10, 11])
async def test_the_limit_is_the_last_size_that_is_taken(tmp_path: Path, size: int):
    blobs = FileBlobs(tmp_path)
    if size == 10:
        assert (await blobs.keep(stream(bytes(size)), 10)).size == size
    else:
        with pytest.raises(TooLarge):
            await blobs.keep(stream(bytes(size)), 10)
        assert list_files(tmp_path) == []


async def test_a_source_that_breaks_off_leaves_nothing_behind(tmp_path: Path):
    blobs = FileBlobs(tmp_path)
    with pytest.raises(ConnectionResetError):
        await blobs.keep(stream(b"half", then=ConnectionResetError()), 1000)
    assert list_files(tmp_path) == []


async def test_what_a_process_that_died_was_writing_goes_after_a_day(tmp_path: Path):
    incoming = tmp_path / "incoming"
    incoming.mkdir()
    for name, age_s in (("old", 100_000), ("young", 100)):
        (incoming / name).write_bytes(b"half")
        moment = time.time() - age_s
        os.utime(incoming / name, (moment, moment))
    await FileBlobs(tmp_path).keep(stream(b"whole"), 10)
    assert [path.name for path in incoming.iterdir()] == ["young"]


@pytest.mark.parametrize("name", ["0" * 64, "../../etc/passwd", "", "g" * 64])
async def test_what_is_not_there_is_a_key_error_whatever_was_asked(tmp_path: Path, name: str):
    with pytest.raises(KeyError):
        await FileBlobs(tmp_path).read(name)


async def test_a_folder_that_cannot_be_made_is_for_later(tmp_path: Path):
    (tmp_path / "blobs").write_text("a file where the folder should be")
    with pytest.raises(StoreUnavailable):
        await FileBlobs(tmp_path / "blobs").keep(stream(b"x"), 10)


async def test_a_file_is_removed_unless_it_was_kept_anew_today(tmp_path: Path):
    blobs = FileBlobs(tmp_path)
    blob = await blobs.keep(stream(b"same"), 10)
    assert await blobs.remove(blob.sha256) is False
    assert await blobs.read(blob.sha256) == b"same"
    (path,) = list_files(tmp_path)
    os.utime(path, (time.time() - 90_000,) * 2)
    await blobs.keep(stream(b"same"), 10)
    assert await blobs.remove(blob.sha256) is False
    os.utime(path, (time.time() - 90_000,) * 2)
    assert await blobs.remove(blob.sha256) is True
    assert list_files(tmp_path) == []
    assert await blobs.remove(blob.sha256) is False
    assert await blobs.remove("../../etc/passwd") is False
