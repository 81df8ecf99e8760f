"""Two nodes on one database against one: every gateway bound to a core of its own, load and database as the machine allows.

The rates tell only where there are cores enough for all of them. What tells on any machine is the time of the gateway
itself per accept: with a core each, two nodes do together what one does, twice, less what the second costs the first.
"""

import os
import statistics as st
from concurrent.futures import ThreadPoolExecutor

from benchmarks import databases, servers
from benchmarks.accept import say_ratios

CONNECTIONS = 64
"""On each node."""
ENOUGH_CPUS = 4


def measure(rounds: int, seconds: int, store: str) -> None:
    if store != "postgres":
        print("\n### nodes: several share one PostgreSQL only, see --store postgres")
        return
    cpus = sorted(os.sched_getaffinity(0))
    print(
        f"\n### two nodes / one node on {store}, {CONNECTIONS} connections each; {rounds} rounds of {seconds} s turns"
    )
    if len(cpus) < ENOUGH_CPUS:
        print(
            f"This machine has {len(cpus)} cores for two gateways, the load and the database, which need {ENOUGH_CPUS} at least:\n"
            "the rates below do not show what two nodes do with a core each. Their own time per accept does."
        )
    load_cpus = ",".join(map(str, cpus[2:] if len(cpus) >= ENOUGH_CPUS else cpus))
    with databases.opened(store, None) as make:
        database = make()
        with (
            servers.gateway(str(cpus[0]), roles="accept", database=database) as first,
            servers.gateway(str(cpus[1 % len(cpus)]), roles="accept", database=database) as second,
        ):
            for node in (first, second):
                servers.load(node, 16, 2, cpu=load_cpus)
            report([measure_round(first, second, number, seconds, load_cpus) for number in range(rounds)])


def measure_round(
    first: servers.Server, second: servers.Server, number: int, seconds: int, cpu: str
) -> dict[int, tuple[float, float]]:
    """Nodes -> (accepts a second of all together, seconds of one gateway's own time per accept)."""
    turns = {}
    for nodes in [[first], [first, second]][:: 1 if number % 2 else -1]:
        before = sum(node.cpu_s() for node in nodes)
        with ThreadPoolExecutor(len(nodes)) as threads:
            done = list(threads.map(lambda node: servers.load(node, CONNECTIONS, seconds, cpu=cpu), nodes))
        used = sum(node.cpu_s() for node in nodes) - before
        turns[len(nodes)] = (sum(turn.rate for turn in done), used / sum(turn.good for turn in done))
    return turns


def report(rounds: list[dict[int, tuple[float, float]]]) -> None:
    print("| nodes | accepts/s | gateway CPU per accept |\n|---|---|---|")
    for count in (1, 2):
        rate, own = (st.median(turns[count][place] for turns in rounds) for place in (0, 1))
        print(f"| {count} | {rate:,.0f} | {own * 1e6:.0f} µs |")
    print(f"accepts of two nodes / of one, here: {say_ratios([turns[2][0] / turns[1][0] for turns in rounds])}")
    print(
        "with a core each, as long as the database keeps up (twice one node's CPU per accept / two nodes'): "
        f"{say_ratios([2 * turns[1][1] / turns[2][1] for turns in rounds])}"
    )
