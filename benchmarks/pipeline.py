"""accept -> register -> ledger: how many complaints a second go all the way while more keep coming."""

import statistics as st
import time
from pathlib import Path

from benchmarks import databases, servers

CONNECTIONS = 16
LIMIT_S = 600
_UNFINISHED = "SELECT (SELECT count(*) FROM inbox WHERE state = 'accepted') + (SELECT count(*) FROM duties WHERE state = 'waiting')"


def measure(rounds: int, seconds: int, store: str) -> None:
    with databases.opened(store, None) as make:
        measure_one(rounds, seconds, store, None, make())


def measure_one(rounds: int, seconds: int, store: str, data: Path | None, database: databases.Database | None) -> None:
    """`data` and `database`: those of a store that is there already; its backlog is worked off first."""
    print(f"\n### accept -> register -> ledger on {store}, all roles in one gateway, two cores")
    with servers.gateway(None, data=data, database=database) as ours:
        wait_until_done(ours)
        print(f"memory when idle: {ours.memory_mb():.0f} MB")
        rates = []
        for _ in range(max(3, rounds // 2)):
            began = time.monotonic()
            turn = servers.load(ours, CONNECTIONS, seconds * 3, cpu=None)
            wait_until_done(ours)
            took = time.monotonic() - began
            rates.append(turn.good / took)
            print(
                f"accepted {turn.good} at {turn.rate:,.0f}/s, all in the ledger after {took:.1f} s: {rates[-1]:,.0f}/s"
            )
        print(f"sustained: {st.median(rates):,.0f} complaints/s (median); memory: {ours.memory_mb():.0f} MB")


def wait_until_done(gateway: servers.Server) -> None:
    """Until every accepted envelope is registered and every duty settled."""
    deadline = time.monotonic() + LIMIT_S
    while left := gateway.query(_UNFINISHED)[0][0]:
        if time.monotonic() > deadline:
            raise SystemExit(f"{left} are still unfinished after {LIMIT_S} s")
        time.sleep(0.05)
