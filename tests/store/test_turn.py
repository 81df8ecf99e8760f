"""Processes that write into one file take turns, and whoever waits is woken."""

import asyncio
import errno
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.store import turn as turn_module
from gateway.store.turn import Turn
from tests.store.conftest import Bench, make_envelope, on_sqlite

HOLD = """
import sys
from pathlib import Path
from gateway.store.turn import Turn
turn = Turn(Path(sys.argv[1]))
turn.open()
turn.take()
print("taken", flush=True)
sys.stdin.readline()
"""


def hold(folder: Path) -> "subprocess.Popen[str]":
    """Another process whose turn it is, until it is told something or dies."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "taken\n"
    return process


def test_a_turn_is_one_process_s_and_ends_with_it(tmp_path: Path) -> None:
    turn = Turn(tmp_path)
    turn.open()
    other = hold(tmp_path)
    assert not turn.try_take()
    other.kill()
    other.wait()
    assert turn.try_take()
    turn.give_back()
    turn.close()


@on_sqlite
async def test_a_store_waits_for_its_turn_and_keeps_what_came_meanwhile(bench: Bench) -> None:
    store = await bench.open()
    await store.accept([make_envelope("first", sequential=True)])
    other = hold(bench.path.parent)
    waiting = [asyncio.create_task(store.accept([make_envelope(str(n), sequential=n % 2 == 0)])) for n in range(20)]
    done, _ = await asyncio.wait(waiting, timeout=0.5)
    assert not done
    assert bench.query("SELECT count(*) FROM inbox") == [(1,)]
    with suppress(BrokenPipeError):
        other.communicate("on\n")
    accepted = await asyncio.gather(*waiting)
    assert len({one.receipt for (one,) in accepted}) == 20
    assert bench.query("SELECT count(*) FROM inbox") == [(21,)]


@on_sqlite
async def test_two_stores_on_one_file_keep_a_call_once(bench: Bench) -> None:
    """The second finds by the unique index what the first has kept, whoever has the turn."""
    one, other = await bench.open(), await bench.open()
    told = await asyncio.gather(
        *(store.accept([make_envelope(f"call-{n}", sequential=True)]) for n in range(200) for store in (one, other))
    )
    receipts = {accepted.receipt for (accepted,) in told}
    assert len(receipts) == 200
    assert sum(accepted.duplicate for (accepted,) in told) == 200
    assert bench.query("SELECT count(*) FROM inbox") == [(200,)]


@on_sqlite
async def test_where_the_file_system_has_no_such_locks_everything_is_kept_all_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(turn_module.fcntl, "flock", refuse)
    store = await bench.open()
    told = await asyncio.gather(*(store.accept([make_envelope(str(n), sequential=n % 2 == 0)]) for n in range(20)))
    assert len({accepted.receipt for (accepted,) in told}) == 20
