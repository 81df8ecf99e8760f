"""What happens to the embedded engine when the disk or the file fails."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from gateway.store.port import StoreUnavailable
from gateway.store.sql_store import SqlStore
from gateway.store.turn import Turn
from tests.store.conftest import Bench, make_envelope, on_sqlite
from tests.store.test_failures import count

pytestmark = on_sqlite


@pytest.mark.parametrize("sequential", [True, False])
async def test_when_the_disk_is_full_every_caller_hears_it_nothing_is_kept_and_work_resumes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, sequential: bool
):
    from gateway.store import sqlite as engine

    pages = bench.query("PRAGMA page_count")[0][0] + 4

    def connect_small(path: Path, **options: bool) -> sqlite3.Connection:
        connection = original(path, **options)
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    original = engine.connect
    monkeypatch.setattr(engine, "connect", connect_small)
    store = await bench.open()
    answers = await asyncio.gather(
        *(store.accept([make_envelope(str(i), raw=bytes(4000), sequential=sequential)]) for i in range(20)),
        return_exceptions=True,
    )
    assert all(isinstance(answer, StoreUnavailable) for answer in answers)
    assert "SQLITE_FULL" in str(answers[0])
    assert (count(bench), count(bench, "inbox"), count(bench, "history")) == (0, 0, 0)
    pages += 1000
    with pytest.raises(StoreUnavailable):
        await store.accept([make_envelope("big", raw=bytes(10_000_000))])
    answers = await asyncio.gather(*(store.accept([make_envelope(str(i))]) for i in range(20)))
    assert not any(accepted.duplicate for (accepted,) in answers)
    assert count(bench) == 20


async def test_while_another_process_holds_the_file_callers_wait_and_then_hear_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("gateway.store.sqlite_connection._SETTINGS", ("PRAGMA busy_timeout = 50",))
    store = await bench.open()
    other = sqlite3.connect(bench.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="SQLITE_BUSY"):
        await store.accept([make_envelope()])
    assert await store.standings() == []
    other.execute("ROLLBACK")
    other.close()
    assert (await store.accept([make_envelope()]))[0].receipt


async def test_under_load_the_log_is_moved_into_the_database_and_starts_over(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("gateway.store.keeper.EVERY_S", 0.02)
    monkeypatch.setattr("gateway.store.keeper.LONGEST_S", 0.02)
    monkeypatch.setattr("gateway.store.keeper.LONG_LOG_PAGES", 50)
    store = await bench.open()
    for start in range(0, 4000, 20):
        await asyncio.gather(
            *(store.accept([make_envelope(str(i), raw=bytes(1000))]) for i in range(start, start + 20))
        )
    log = bench.path.with_name("huiyin.db-wal").stat().st_size
    assert log < bench.path.stat().st_size
    assert count(bench) == 4000


async def test_the_log_is_moved_into_the_database_when_hardly_anybody_writes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("gateway.store.keeper.EVERY_S", 0.02)
    monkeypatch.setattr("gateway.store.keeper.LONGEST_S", 3600)
    store = await bench.open()
    turn = Turn(bench.path.parent)
    turn.open()
    turn.take()  # somebody writes all the time
    await asyncio.sleep(0.5)  # a checkpoint of before would have ended
    begun = bench.path.stat().st_size
    other = sqlite3.connect(bench.path, isolation_level=None)
    other.execute("PRAGMA wal_autocheckpoint = 0")
    other.execute("CREATE TABLE much AS SELECT zeroblob(1000000) AS bytes")
    await asyncio.sleep(1)
    assert bench.path.stat().st_size == begun
    turn.close()
    async with asyncio.timeout(60):
        while bench.path.stat().st_size == begun:  # noqa: ASYNC110 - another thread's doing
            await asyncio.sleep(0.02)
    other.close()
    await store.close()


async def test_while_another_process_writes_accepts_wait_and_the_loop_does_not(store: SqlStore, bench: Bench):
    other = sqlite3.connect(bench.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = [asyncio.ensure_future(store.accept([make_envelope(str(n), sequential=True)])) for n in range(3)]
    for _ in range(10):
        await asyncio.sleep(0.01)
    assert not any(each.done() for each in waiting)
    other.execute("COMMIT")
    other.close()
    assert len({accepted.receipt for (accepted,) in await asyncio.gather(*waiting)}) == 3
    assert count(bench) == 3
