"""What happens when the disk, the file, another process or the power fails."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.contract.envelope import Envelope, Thread
from gateway.ops.killpoints import POINTS
from gateway.store.plan import Plan
from gateway.store.port import KeyConflict, StoreUnavailable
from gateway.store.sqlite import SqliteStore
from tests.store.conftest import LEASE, NOW, Bench, make_envelope, make_registered, register_one


def count(bench: Bench, table: str = "envelopes") -> int:
    return int(bench.query(f"SELECT count(*) FROM {table}")[0][0])


@pytest.mark.parametrize("sequential", [True, False])
async def test_when_the_disk_is_full_every_caller_hears_it_nothing_is_kept_and_work_resumes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, sequential: bool
):
    from gateway.store import sqlite as engine

    pages = bench.query("PRAGMA page_count")[0][0] + 4

    def connect_small(path: Path, *, write: bool) -> sqlite3.Connection:
        connection = original(path, write=write)
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


async def test_two_processes_on_one_file_share_the_work_and_agree_on_keys(bench: Bench):
    gateway = await bench.open()
    command = await bench.open()
    await asyncio.gather(*(s.accept([make_envelope(str(i))]) for i in range(30) for s in (gateway, command)))
    assert count(bench) == 30
    one, other = await asyncio.gather(gateway.claim_inbox(20, NOW, LEASE), command.claim_inbox(20, NOW, LEASE))
    assert len({item.id for item in [*one, *other]}) == len(one) + len(other) == 30


async def test_a_mistake_in_one_job_leaves_its_neighbours_in_the_group_untouched(store: SqliteStore, bench: Bench):
    (item,) = [await register_one(store)]
    broken = make_registered(item)
    object.__setattr__(broken, "item", None)
    await store.accept([make_envelope("k2")])
    (other,) = await store.claim_inbox(10, NOW, LEASE)
    accepted, failed, kept = await asyncio.gather(
        store.accept([make_envelope("k3")]),
        store.register([broken], NOW),
        store.register([make_registered(other)], NOW),
        return_exceptions=True,
    )
    assert isinstance(failed, AttributeError)
    assert accepted[0].receipt
    assert kept == [True]
    assert count(bench) == 3


async def test_a_mistake_halfway_through_a_job_takes_back_its_first_half(store: SqliteStore, bench: Bench):
    def break_down() -> Plan[None]:
        yield from sql_store._probe(NOW)
        raise RuntimeError

    from gateway.store import sql_store

    failed, accepted = await asyncio.gather(
        store._engine.write("probe", break_down), store.accept([make_envelope()]), return_exceptions=True
    )
    assert isinstance(failed, RuntimeError)
    assert accepted[0].receipt
    assert count(bench, "probes") == 0


async def test_while_another_process_writes_accepts_wait_and_the_loop_does_not(store: SqliteStore, bench: Bench):
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


async def test_a_repeated_call_and_a_conflict_among_new_ones_hurt_nobody(store: SqliteStore, bench: Bench):
    def make_call(key: str, raw: bytes = b"x") -> Envelope:
        return make_envelope(key, raw=raw, sequential=True, thread=Thread(key=f"call:{key}", sequential=True))

    (first,) = await store.accept([make_call("0")])
    for group in range(3):
        new, again, conflict, fuller = await asyncio.gather(
            store.accept([make_call(f"{group}:new")]),
            store.accept([make_call("0")]),
            store.accept([make_call("0", b"other")]),
            store.accept([replace(make_call("0"), source_key=f"0:{group}", raw=b"more of it")]),
            return_exceptions=True,
        )
        assert (new[0].duplicate, new[0].supplement) == (False, False)
        assert (again[0].duplicate, again[0].receipt) == (True, first.receipt)
        assert isinstance(conflict, KeyConflict)
        assert (fuller[0].supplement, fuller[0].receipt) == (True, first.receipt)
    assert count(bench) == 7


async def test_the_readiness_check_commits_a_row_and_fails_with_the_file(store: SqliteStore, bench: Bench):
    await store.probe()
    await store.probe()
    assert bench.query("SELECT at_ms FROM probes") == [(NOW,)]


async def test_under_load_the_log_is_moved_into_the_database_and_starts_over(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("gateway.store.keeper.EVERY_S", 0.02)
    monkeypatch.setattr("gateway.store.keeper.CHECKPOINT_EVERY_S", 0.02)
    monkeypatch.setattr("gateway.store.keeper.LONG_LOG_PAGES", 50)
    store = await bench.open()
    for start in range(0, 4000, 20):
        await asyncio.gather(
            *(store.accept([make_envelope(str(i), raw=bytes(1000))]) for i in range(start, start + 20))
        )
    log = bench.path.with_name("huiyin.db-wal").stat().st_size
    assert log < bench.path.stat().st_size
    assert count(bench) == 4000


# --- sudden death --------------------------------------------------------------------------------------------------

WORKER = """
import asyncio, sys
from pathlib import Path
from gateway.contract.clock import Millis
from gateway.states import DutyState
from gateway.store.rows import Settled, Target
from tests.store.conftest import LEASE, NOW, Bench, make_duty, make_envelope, make_registered

async def main():
    bench = Bench(Path(sys.argv[1]))
    store = await bench.open()

    async def accept(number):
        (accepted,) = await store.accept([make_envelope(str(number), sequential=sys.argv[2] == "sequential")])
        print("accepted", number, accepted.receipt, flush=True)

    for round in range(6):
        await asyncio.gather(*(accept(round * 10 + n) for n in range(10)))
        items = await store.claim_inbox(5, NOW, LEASE)
        for item, kept in zip(items, await store.register([make_registered(i, make_duty()) for i in items], NOW)):
            if kept:
                print("registered", item.envelope.source_key, item.receipt, flush=True)
        duties = await store.claim_duties(Target.SYSTEM, "ledger", 3, NOW, LEASE)
        done = [Settled(duty=d, state=DutyState.DONE, ticket=f"T-{d.id}") for d in duties]
        for duty, kept in zip(duties, await store.settle(done, NOW)):
            if kept:
                print("settled", duty.id, duty.receipt, flush=True)
    await store.close()

asyncio.run(main())
"""
STORE_POINTS = [name for name in POINTS if name.partition(".")[0] in ("accept", "claim", "register", "settle")]


def run_worker(bench: Bench, kill_at: str, keys: str) -> tuple[int, list[list[str]]]:
    environment = {**os.environ, "HUIYIN_KILL_AT": kill_at, "PYTHONPATH": os.pathsep.join(sys.path)}
    worker = subprocess.run(
        [sys.executable, "-c", WORKER, str(bench.path), keys],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert worker.returncode in (0, -signal.SIGKILL), worker.stderr
    return worker.returncode, [line.split() for line in worker.stdout.splitlines()]


@pytest.mark.parametrize("keys", ["sequential", "scattered"])
@pytest.mark.parametrize("point", STORE_POINTS)
async def test_killed_at_any_point_everything_acknowledged_is_there_and_nothing_is_half(
    bench: Bench, point: str, keys: str
):
    status, said = run_worker(bench, f"{point}:3", keys)
    assert status == -signal.SIGKILL

    store = await bench.open()
    receipts: dict[str, set[str]] = {"accepted": set(), "registered": set(), "settled": set()}
    for word, subject, receipt in said:
        receipts[word].add(receipt)
        trace = await store.trace(receipt)  # type: ignore[arg-type]
        assert trace is not None
        (envelope,) = trace.envelopes
        assert word == "settled" or envelope.source_key == subject
        if word in ("registered", "settled"):
            assert (envelope.state, len(trace.versions), len(trace.duties)) == ("registered", 1, 1)
        if word == "settled":
            assert trace.duties[0].state == "done"
            assert trace.tickets == {"ledger": f"T-{subject}"}
    assert len(receipts["accepted"]) >= 10 or point.startswith("accept.")
    # Nothing is half: every row has its counterpart.
    assert bench.query("SELECT id FROM envelopes ORDER BY id") == bench.query("SELECT id FROM inbox ORDER BY id")
    assert count(bench, "history WHERE event = 'envelope.accepted'") == count(bench)
    registered = count(bench, "inbox WHERE state = 'registered'")
    assert registered == count(bench, "complaints") == count(bench, "complaint_versions") == count(bench, "duties")
    assert count(bench, "duties WHERE state = 'done'") == count(bench, "tickets")
    await store.close()

    # The senders try again, and every number that was said before is said again.
    status, said_again = run_worker(bench, "", keys)
    assert status == 0
    numbers = {subject: receipt for word, subject, receipt in said_again if word == "accepted"}
    for word, subject, receipt in said:
        assert word != "accepted" or numbers[subject] == receipt
    assert count(bench) == 60


def test_a_kill_point_that_does_not_exist_is_a_mistake_and_not_silence():
    run = subprocess.run(
        [sys.executable, "-c", "import gateway.ops.killpoints"],
        env={**os.environ, "HUIYIN_KILL_AT": "accept.befor_commit"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert "accept.befor_commit" in run.stderr
