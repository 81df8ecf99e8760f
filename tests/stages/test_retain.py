"""The sweep forgets by itself what was kept long enough, with the files that nobody else has."""

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.contract.clock import Millis
from gateway.stages.retain import Retain
from gateway.states import DutyState
from gateway.store.blobs import FileBlobs
from gateway.store.months import count_back, find_month
from gateway.store.rows import Settled, Target
from gateway.store.sql_store import SqlStore
from tests.store.conftest import LEASE, NOW, Bench, make_duty, make_envelope
from tests.store.test_forgetting import LATER, register

YEAR_MS = 366 * 86_400_000


def retain(store: SqlStore, bench: Bench, folder: Path, keep_months: int) -> Retain:
    return Retain(store, bench.clock, FileBlobs(folder, store), keep_months=keep_months)


def find_file(folder: Path, name: str) -> Path:
    (path,) = folder.glob(f"*/{name[:2]}/{name[2:]}")
    return path


async def keep_file(store: SqlStore, folder: Path, words: bytes, *, age_s: int) -> Path:
    """A file that a complaint has, kept so long ago."""

    async def stream() -> AsyncIterator[bytes]:
        yield words

    await register(store, words.decode(), make_duty("fetch", target=Target.COLLECT, instance="gzh"))
    (duty,) = await store.claim_duties(Target.COLLECT, "gzh", 1, NOW, LEASE)
    blobs = FileBlobs(folder, store)
    name = blobs.find_name((await blobs.keep(stream(), 100, duty.complaint_id)).sha256)
    await store.settle([Settled(duty=duty, state=DutyState.DONE, reference=f"file:{name}")], NOW)
    path = find_file(folder, name)
    os.utime(path, (time.time() - age_s,) * 2)
    return path


async def test_a_month_is_forgotten_with_its_files_when_its_time_is_over(bench: Bench, store: SqlStore, tmp_path: Path):
    old = await keep_file(store, tmp_path, b"old", age_s=200_000)
    young = await keep_file(store, tmp_path, b"young", age_s=0)
    bench.clock.now = Millis(time.time_ns() // 1_000_000)
    work = retain(store, bench, tmp_path, 24).work
    await work()
    bench.clock.now = Millis(bench.clock.now + 2 * YEAR_MS - 31 * 86_400_000)
    await work()
    assert old.exists()
    assert len(await store.find_months(LATER)) == 1
    bench.clock.now = Millis(bench.clock.now + 62 * 86_400_000)
    await work()
    assert await store.find_months(LATER) == []
    assert not old.exists()
    assert young.exists(), "somebody may be about to refer to it"


async def test_without_a_limit_everything_is_kept(bench: Bench, store: SqlStore, tmp_path: Path):
    await register(store, "k1")
    bench.clock.now = Millis(NOW + 50 * YEAR_MS)
    await retain(store, bench, tmp_path, 0).work()
    assert len(await store.find_months(LATER)) == 1


async def test_a_month_that_is_held_keeps_its_files_and_the_others_go_on(bench: Bench, store: SqlStore, tmp_path: Path):
    path = await keep_file(store, tmp_path, b"old", age_s=200_000)
    await store.accept([make_envelope("k2")])
    bench.clock.now = Millis(time.time_ns() // 1_000_000 + 2 * YEAR_MS)
    await retain(store, bench, tmp_path, 12).work()
    assert path.exists()
    assert len(await store.find_months(LATER)) == 1


@pytest.mark.parametrize(
    ("month", "months", "before"),
    [("2026-11", 1, "2026-10"), ("2026-11", 11, "2025-12"), ("2026-01", 1, "2025-12"), ("2026-11", 60, "2021-11")],
)
def test_months_are_counted_back(month: str, months: int, before: str):
    assert count_back(month, months) == before
    assert find_month(Millis(0)) == "1970-01"
