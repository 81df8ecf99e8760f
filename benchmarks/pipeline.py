"""accept -> register -> ledger: how many complaints a second go all the way while more keep coming."""

import sqlite3
import statistics as st
import time
from pathlib import Path

from benchmarks import servers

CONNECTIONS = 16
LIMIT_S = 600
_UNFINISHED = "SELECT (SELECT count(*) FROM inbox WHERE state = 'accepted') + (SELECT count(*) FROM duties WHERE state = 'waiting')"


def measure(rounds: int, seconds: int, data: Path | None = None) -> None:
    """`data`: a store that is there already; its backlog is worked off first."""
    print("\n### accept -> register -> ledger, all roles in one gateway, two cores")
    with servers.gateway(None, data=data) as ours:
        if ours.data is None:
            raise SystemExit("the gateway has no data directory")
        wait_until_done(ours.data)
        print(f"resident when idle: {ours.memory_mb():.0f} MB")
        rates = []
        for _ in range(max(3, rounds // 2)):
            began = time.monotonic()
            turn = servers.load(ours, CONNECTIONS, seconds * 3, cpu=None)
            wait_until_done(ours.data)
            took = time.monotonic() - began
            rates.append(turn.good / took)
            print(
                f"accepted {turn.good} at {turn.rate:,.0f}/s, all in the ledger after {took:.1f} s: {rates[-1]:,.0f}/s"
            )
        print(f"sustained: {st.median(rates):,.0f} complaints/s (median); resident: {ours.memory_mb():.0f} MB")


def wait_until_done(data: Path) -> None:
    """Until every accepted envelope is registered and every duty settled."""
    deadline = time.monotonic() + LIMIT_S
    while left := count_unfinished(data):
        if time.monotonic() > deadline:
            raise SystemExit(f"{left} are still unfinished after {LIMIT_S} s")
        time.sleep(0.05)


def count_unfinished(data: Path) -> int:
    with sqlite3.connect(f"file:{data / 'huiyin.db'}?mode=ro", uri=True) as store:
        return int(store.execute(_UNFINISHED).fetchone()[0])
