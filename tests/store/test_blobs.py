"""Files of customers on the disk: sealed, found by what they are, and never given out changed."""

import asyncio
import hashlib
import os
import sqlite3
import stat
import time
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest

from gateway.contract.file_type import HEAD_BYTES
from gateway.store.blobs import FileBlobs, TooLarge
from gateway.store.migrate import migrate
from gateway.store.port import StoreUnavailable
from gateway.store.sealed_file import PART_BYTES
from gateway.store.sql_store import SqlStore
from gateway.store.vault import Erased, Tampered
from tests.store.conftest import NOW, Bench, on_sqlite

pytestmark = on_sqlite
PART = PART_BYTES + 16
MATTER, LATER_MATTER = (f"{at:012x}7{'0' * 19}" for at in (NOW, NOW + 31 * 86_400_000))
"""Ids of complaints: one of June, one of July."""
NARRATIVE = "我叫张三，卡号6222021234567890123。".encode()


@pytest.fixture
def blobs(store: SqlStore, tmp_path: Path) -> FileBlobs:
    return FileBlobs(tmp_path / "blobs", store)


async def stream(*chunks: bytes, then: Exception | None = None) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    if then:
        raise then


def list_files(folder: Path) -> list[Path]:
    return [path for path in (folder / "blobs").rglob("*") if path.is_file()]


async def keep(blobs: FileBlobs, content: bytes, matter: str = MATTER) -> str:
    return (await blobs.keep(stream(content), 10_000_000, matter)).sha256


# --- kept and read -------------------------------------------------------------------------------------------------


async def test_bytes_are_kept_under_what_they_are_and_read_back(blobs: FileBlobs, tmp_path: Path):
    parts = [bytes([number]) * 100_000 for number in range(7)]
    blob = await blobs.keep(stream(*parts), 1_000_000, MATTER)
    whole = b"".join(parts)
    assert (blob.sha256, blob.size, blob.head) == (hashlib.sha256(whole).hexdigest(), 700_000, whole[:HEAD_BYTES])
    assert await blobs.read(blob.sha256) == whole
    (path,) = list_files(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "size", [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 4 * PART_BYTES, 4 * PART_BYTES + 1, 8 * PART_BYTES]
)
async def test_a_file_of_any_size_comes_back_whole(blobs: FileBlobs, size: int):
    content = os.urandom(size)
    assert await blobs.read(await keep(blobs, content)) == content


async def test_a_large_file_comes_back_in_pieces(blobs: FileBlobs):
    content = os.urandom(1_000_000)
    pieces = [piece async for piece in blobs.open(await keep(blobs, content))]
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= 4 * PART_BYTES


async def test_the_same_bytes_at_once_are_kept_once(blobs: FileBlobs, tmp_path: Path):
    kept = await asyncio.gather(*(blobs.keep(stream(b"same"), 10, MATTER) for _ in range(5)))
    assert len({blob.sha256 for blob in kept}) == 1
    assert len(list_files(tmp_path)) == 1


@pytest.mark.parametrize("size", [10, 11])
async def test_the_limit_is_the_last_size_that_is_taken(blobs: FileBlobs, tmp_path: Path, size: int):
    if size == 10:
        assert (await blobs.keep(stream(bytes(size)), 10, MATTER)).size == size
    else:
        with pytest.raises(TooLarge):
            await blobs.keep(stream(bytes(size)), 10, MATTER)
        assert list_files(tmp_path) == []


async def test_a_source_that_breaks_off_leaves_nothing_behind(blobs: FileBlobs, tmp_path: Path):
    with pytest.raises(ConnectionResetError):
        await blobs.keep(stream(b"half", then=ConnectionResetError()), 1000, MATTER)
    assert list_files(tmp_path) == []


async def test_what_a_process_that_died_was_writing_goes_after_a_day(blobs: FileBlobs, tmp_path: Path):
    incoming = tmp_path / "blobs" / "incoming"
    incoming.mkdir(parents=True)
    for name, age_s in (("old", 100_000), ("young", 100)):
        (incoming / name).write_bytes(b"half")
        moment = time.time() - age_s
        os.utime(incoming / name, (moment, moment))
    await keep(blobs, b"whole")
    assert [path.name for path in incoming.iterdir()] == ["young"]


@pytest.mark.parametrize("name", ["0" * 64, "../../etc/passwd", "", "g" * 64])
async def test_what_is_not_there_is_a_key_error_whatever_was_asked(blobs: FileBlobs, name: str):
    with pytest.raises(KeyError):
        await blobs.read(name)


async def test_a_folder_that_cannot_be_made_is_for_later(store: SqlStore, tmp_path: Path):
    (tmp_path / "blobs").write_text("a file where the folder should be")
    with pytest.raises(StoreUnavailable):
        await keep(FileBlobs(tmp_path / "blobs", store), b"x")


# --- what a disk tells ---------------------------------------------------------------------------------------------


async def test_neither_the_bytes_nor_what_they_are_stand_on_the_disk(blobs: FileBlobs, tmp_path: Path):
    content = NARRATIVE * 5_000
    sha256 = await keep(blobs, content)
    (path,) = list_files(tmp_path)
    on_disk = path.read_bytes()
    assert NARRATIVE[:12] not in on_disk
    assert sha256 not in str(path)
    assert bytes.fromhex(sha256) not in on_disk


async def test_a_file_that_is_still_coming_in_is_sealed_as_well(blobs: FileBlobs, tmp_path: Path):
    seen: list[bytes] = []

    async def arriving() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield NARRATIVE * 2_000
            seen.extend(path.read_bytes() for path in list_files(tmp_path))

    await blobs.keep(arriving(), 10_000_000, MATTER)
    assert any(len(each) > 1_000_000 for each in seen), "something had been written meanwhile"
    assert not any(NARRATIVE[:12] in each for each in seen)


async def test_the_same_file_is_sealed_differently_by_each_store(blobs: FileBlobs, tmp_path: Path):
    await keep(blobs, NARRATIVE)
    other = await make_other(tmp_path / "other").open()
    await keep(FileBlobs(tmp_path / "other" / "blobs", other), NARRATIVE)
    (here,), (there,) = list_files(tmp_path), list_files(tmp_path / "other")
    await other.close()
    assert here.name != there.name
    assert here.read_bytes() != there.read_bytes()


def make_other(folder: Path) -> Bench:
    """A store with keys of its own."""
    folder.mkdir()
    bench = Bench(f"sqlite:///{folder / 'huiyin.db'}")
    migrate(bench.url)
    return bench


# --- changed on the disk -------------------------------------------------------------------------------------------


def flip(at: int) -> Callable[[bytearray], bytes]:
    def change(sealed: bytearray) -> bytes:
        sealed[at] ^= 1
        return bytes(sealed)

    return change


def swap(sealed: bytearray) -> bytes:
    """The second and the third part."""
    head = len(sealed) - 5 * PART
    return bytes(sealed[: head + PART] + sealed[head + 2 * PART : head + 3 * PART] + sealed[head + PART : head + 2 * PART] + sealed[head + 3 * PART :])  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        flip(0),
        flip(9),
        flip(12),
        flip(40),
        flip(80),
        flip(200_000),
        flip(-1),
        lambda sealed: bytes(sealed[:-1]),
        lambda sealed: bytes(sealed[:-PART]),
        lambda sealed: bytes(sealed[: len(sealed) - 4 * PART]),
        lambda sealed: bytes(sealed[:50]),
        lambda _: b"",
        lambda sealed: bytes(sealed) + b"x",
        lambda sealed: bytes(sealed) + bytes(sealed[-PART:]),
        lambda sealed: bytes(sealed[: len(sealed) - 5 * PART] + sealed[len(sealed) - 4 * PART :]),
        swap,
        lambda _: NARRATIVE,
    ],
)
async def test_what_was_changed_cut_off_or_moved_is_found(
    blobs: FileBlobs, tmp_path: Path, change: Callable[[bytearray], bytes]
):
    sha256 = await keep(blobs, os.urandom(5 * PART_BYTES))
    (path,) = list_files(tmp_path)
    path.write_bytes(change(bytearray(path.read_bytes())))
    with pytest.raises(Tampered):
        await blobs.read(sha256)


async def test_one_file_in_the_place_of_another_is_found(blobs: FileBlobs, tmp_path: Path):
    first = await keep(blobs, b"the bill of one customer")
    (place,) = list_files(tmp_path)
    await keep(blobs, b"the bill of another one")
    (other,) = set(list_files(tmp_path)) - {place}
    other.replace(place)
    with pytest.raises(Tampered):
        await blobs.read(first)


async def test_a_file_of_another_store_does_not_open(blobs: FileBlobs, tmp_path: Path):
    sha256 = await keep(blobs, NARRATIVE)
    (here,) = list_files(tmp_path)
    other = await make_other(tmp_path / "other").open()
    await keep(FileBlobs(tmp_path / "other" / "blobs", other), NARRATIVE)
    await other.close()
    (there,) = list_files(tmp_path / "other")
    here.write_bytes(there.read_bytes())
    with pytest.raises(Tampered):
        await blobs.read(sha256)


# --- months --------------------------------------------------------------------------------------------------------


def destroy(bench: Bench) -> None:
    """The key of the oldest month, as retention does."""
    with closing(sqlite3.connect(bench.path)) as file, file:
        file.execute(
            "UPDATE vault SET sealed = x'', destroyed_ms = ? WHERE month = (SELECT min(month) FROM vault WHERE month > 0)",
            (NOW,),
        )


async def test_a_month_that_was_destroyed_takes_its_files_with_it(blobs: FileBlobs, bench: Bench, tmp_path: Path):
    sha256 = await keep(blobs, NARRATIVE)
    destroy(bench)
    again = FileBlobs(tmp_path / "blobs", await bench.open())
    with pytest.raises(Erased):
        await again.read(sha256)


async def test_what_a_matter_of_a_later_month_brought_as_well_outlives_the_earlier(
    blobs: FileBlobs, bench: Bench, tmp_path: Path
):
    sha256 = await keep(blobs, NARRATIVE)
    assert await keep(blobs, NARRATIVE, LATER_MATTER) == sha256
    assert len(list_files(tmp_path)) == 2
    destroy(bench)
    again = FileBlobs(tmp_path / "blobs", await bench.open())
    assert await again.read(sha256) == NARRATIVE


async def test_a_file_is_removed_unless_it_was_kept_anew_today(blobs: FileBlobs, bench: Bench, tmp_path: Path):
    sha256 = await keep(blobs, b"same")
    assert await blobs.remove(blobs.find_name(sha256)) is False
    assert await blobs.read(sha256) == b"same"
    (path,) = list_files(tmp_path)
    os.utime(path, (time.time() - 90_000,) * 2)
    await keep(blobs, b"same")
    assert await blobs.remove(blobs.find_name(sha256)) is False
    os.utime(path, (time.time() - 90_000,) * 2)
    assert await blobs.remove(blobs.find_name(sha256)) is True
    assert list_files(tmp_path) == []
    assert await blobs.remove(blobs.find_name(sha256)) is False
    assert await blobs.remove("../../etc/passwd") is False


async def test_what_was_kept_in_two_months_is_removed_from_both(blobs: FileBlobs, bench: Bench, tmp_path: Path):
    sha256 = await keep(blobs, b"same")
    await keep(blobs, b"same", LATER_MATTER)
    assert {path.relative_to(tmp_path / "blobs").parts[0] for path in list_files(tmp_path)} == {"2025-06", "2025-07"}
    for path in list_files(tmp_path):
        os.utime(path, (time.time() - 90_000,) * 2)
    assert await blobs.remove(blobs.find_name(sha256)) is True
    assert list_files(tmp_path) == []
