"""Passive replies of an official account in safe mode: WeChat waits 5 s, then pushes again, three times in all.

`python -m benchmarks wechat --seconds 60` pushes 200 messages a second. With `--slow-store N` the store is made slow on
purpose: another writer holds the database for N seconds, again and again, so that replies come late and pushes again;
afterwards the store must hold every message once, and nobody may have read two numbers.
"""

import asyncio
import contextlib
import shutil
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from adapters.wechat.simulation import Account, Pusher
from adapters.wechat.simulation.load import Report, push_at_rate
from benchmarks import servers
from tests.ports import find_port

RATE = 200
INSTANCE = "gzh"
BREATH_S = 3.0
"""How long the store may work between two times of being held."""


def measure(_rounds: int, seconds: int, slow_store_s: float = 0.0) -> None:
    account = Account()
    folder = Path(tempfile.mkdtemp(prefix="huiyin-bench-"))
    try:
        with _gateway(folder, account) as server, _held(folder / "huiyin.db", slow_store_s):
            report = asyncio.run(_push(account, server.port, seconds))
        told = f", store held {slow_store_s:g} s of every {slow_store_s + BREATH_S:g} s" if slow_store_s else ""
        print(f"\n### wechat, safe mode, {RATE} messages/s for {seconds} s{told}")
        print("\n".join(report.tell()))
        print(_check(folder / "huiyin.db", report))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _push(account: Account, port: int, seconds: int) -> Report:
    pusher = Pusher(account, f"http://127.0.0.1:{port}/wechat/{INSTANCE}", connections=2000)
    try:
        await push_at_rate(pusher, account, rate=RATE, seconds=1, kinds=("event",))  # connections, caches
        return await push_at_rate(pusher, account, rate=RATE, seconds=seconds)
    finally:
        await pusher.close()


@contextlib.contextmanager
def _gateway(folder: Path, account: Account) -> Iterator[servers.Server]:
    config = folder / "bench.toml"
    config.write_text(
        f'[channels.{INSTANCE}]\nadapter = "wechat"\nappid = "{account.appid}"\n'
        f'tokens = ["{account.callback_token}"]\naes_keys = ["{account.encoding_aes_key}"]\n'
        '[systems.ledger]\nadapter = "ledger"\n',
        "utf-8",
    )
    port = find_port()
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(config), "--data", str(folder)]
    with servers.started("huiyin", [*command, "--port", str(port)], port, cpu=None, data=folder) as server:
        yield server


@contextlib.contextmanager
def _held(database: Path, hold_s: float) -> Iterator[None]:
    """Another process's long transaction, as a backup tool or an operator's command may have one."""
    stop = threading.Event()

    def hold() -> None:
        connection = sqlite3.connect(database, isolation_level=None, timeout=60)
        while not stop.wait(BREATH_S):
            connection.execute("BEGIN IMMEDIATE")
            stop.wait(hold_s)
            connection.execute("ROLLBACK")
        connection.close()

    thread = threading.Thread(target=hold)
    if hold_s:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        if hold_s:
            thread.join()


def _check(database: Path, report: Report) -> str:
    """What the store holds against what was pushed."""
    with contextlib.closing(sqlite3.connect(database)) as store:
        kept, keys, numbers = store.execute(
            "SELECT count(*), count(DISTINCT key), count(DISTINCT receipt) FROM envelopes "
            "JOIN inbox USING (id) WHERE receipt IS NOT NULL"
        ).fetchone()
    read = len(set(report.words.values()))
    return f"kept {kept} messages under {keys} keys with {numbers} numbers; {read} different replies were read"
