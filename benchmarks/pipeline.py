"""accept -> register -> ledger: how many complaints a second go all the way while more keep coming."""

import sqlite3
import statistics as st
import time
from pathlib import Path

from benchmarks import servers

CONNECTIONS = 16


def measure(rounds: int, seconds: int) -> None:
    print("\n### accept -> register -> ledger, all roles in one gateway, two cores")
    with servers.gateway(None) as ours:
        if ours.data is None:
            raise SystemExit("the gateway has no data directory")
        print(f"resident when idle: {ours.memory_mb():.0f} MB")
        rates = []
        for _ in range(max(3, rounds // 2)):
            before = count_entries(ours.data)
            began = time.monotonic()
            turn = servers.load(ours, CONNECTIONS, seconds * 3, cpu=None)
            wait_until(ours.data, before + turn.good)
            took = time.monotonic() - began
            rates.append(turn.good / took)
            print(
                f"accepted {turn.good} at {turn.rate:,.0f}/s, all in the ledger after {took:.1f} s: {rates[-1]:,.0f}/s"
            )
        print(f"sustained: {st.median(rates):,.0f} complaints/s (median); resident: {ours.memory_mb():.0f} MB")


def count_entries(data: Path) -> int:
    with sqlite3.connect(f"file:{data / 'ledger.db'}?mode=ro", uri=True) as ledger:
        return int(ledger.execute("SELECT count(*) FROM entries").fetchone()[0])


def wait_until(data: Path, wanted: int) -> None:
    deadline = time.monotonic() + 300
    while (found := count_entries(data)) < wanted:
        if time.monotonic() > deadline:
            raise SystemExit(f"only {found} of {wanted} reached the ledger")
        time.sleep(0.05)
