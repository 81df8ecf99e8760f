"""What can never be read again takes no room any longer."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.contract.clock import Millis
from gateway.stages.retain import Retain
from gateway.store.blobs import FileBlobs
from tests.store.conftest import NOW, Bench, bench, on_sqlite

__all__ = ["bench"]
MONTH_MS = 31 * 86_400_000


async def stream(content: bytes) -> AsyncIterator[bytes]:
    yield content


@on_sqlite
async def test_the_files_of_a_month_go_when_its_key_is_destroyed_and_no_others(bench: Bench, tmp_path: Path):
    store = await bench.open()
    blobs = FileBlobs(tmp_path / "blobs", store)
    early = (await blobs.keep(stream(b"early"), 10)).sha256
    bench.clock.now = Millis(NOW + MONTH_MS)
    late = (await blobs.keep(stream(b"late"), 10)).sha256
    retain = Retain(store, blobs, bench.clock)
    await retain.work()
    assert await blobs.read(early) == b"early"
    with closing(sqlite3.connect(bench.path)) as file, file:
        oldest = "(SELECT min(month) FROM vault WHERE month > 0)"
        file.execute(f"UPDATE vault SET sealed = x'', destroyed_ms = 1 WHERE month = {oldest}")
    await retain.work()
    assert [path.name for path in sorted((tmp_path / "blobs").iterdir())] == ["2025-07", "incoming"]
    with pytest.raises(KeyError):
        await blobs.read(early)
    assert await blobs.read(late) == b"late"
