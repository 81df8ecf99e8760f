"""Durable accept (key checked, receipt and history written, committed) against the bare handler, which stores nothing; against
the same gateway committing every call by itself; and against the same promise in its plainest form.
"""

import statistics as st
from collections.abc import Sequence

from benchmarks import databases, servers

WARM_UP_S = 8
"""Until the gateway has seen that there is a load, and its desks answer."""
PLACES = {"server and database on one core": ("0", "1"), "two cores, nothing pinned": (None, None)}

HEADINGS = (
    "| connections | bare req/s | huiyin req/s | huiyin / bare (quartiles) | p50 ms | p99 ms | p99 / bare p99 |",
    "|---|---|---|---|---|---|---|",
)
OTHERS = (
    " a commit per call req/s | huiyin / that (quartiles) | plain req/s | huiyin / plain (quartiles) | plain / bare |",
    "---|---|---|---|---|",
)


def measure(rounds: int, seconds: int, store: str) -> None:
    for place, (server_cpu, load_cpu) in PLACES.items():
        print(f"\n### durable accept on {store}, {place}; medians of {rounds} rounds of {seconds} s turns")
        print("\n".join(heading + other for heading, other in zip(HEADINGS, OTHERS, strict=True)))
        with (
            databases.opened(store, server_cpu) as make,
            servers.bare(server_cpu) as base,
            servers.gateway(server_cpu, roles="accept", database=make()) as ours,
            servers.gateway(
                server_cpu, roles="accept", database=make(), program="benchmarks.one_by_one", processes=0
            ) as single,
            servers.plain(server_cpu, make()) as plain,
        ):
            for server in (base, ours, single, plain):
                servers.load(server, 16, WARM_UP_S, cpu=load_cpu)
            for connections in (1, 16, 64):
                print(measure_row(base, ours, connections, rounds, seconds, load_cpu, (single, plain)), flush=True)
            print(f"after this load: {ours.count_processes()} processes, {ours.memory_mb():.0f} MB")


def measure_row(
    base: servers.Server,
    ours: servers.Server,
    connections: int,
    rounds: int,
    seconds: int,
    cpu: str | None,
    others: Sequence[servers.Server] = (),
) -> str:
    """`others`: more that ours is measured against; the last of them against the base as well."""
    servers_ = [base, ours, *others]
    found: list[list[servers.Turn]] = []
    for number in range(rounds):
        # The order changes from round to round, so that nobody always has the warmer machine.
        order = servers_ if number % 2 else servers_[::-1]
        turns = {server.pid: servers.load(server, connections, seconds, cpu=cpu) for server in order}
        found.append([turns[server.pid] for server in servers_])

    def compare(one: int, other: int) -> list[float]:
        return [turns[one].rate / turns[other].rate for turns in found]

    def tell_rate(place: int) -> str:
        return f"{st.median(turns[place].rate for turns in found):,.0f}"

    tails = st.median(own.p99_ms / bare.p99_ms for bare, own, *_ in found)
    row = (
        f"| {connections} | {tell_rate(0)} | {tell_rate(1)} | {say_ratios(compare(1, 0))} "
        f"| {st.median(own.p50_ms for _, own, *_ in found):.2f} | {st.median(own.p99_ms for _, own, *_ in found):.1f} "
        f"| {tails:.1f} |"
    )
    for place in range(2, len(servers_)):
        row += f" {tell_rate(place)} | {say_ratios(compare(1, place))} |"
    return row + (f" {st.median(compare(-1, 0)):.2f} |" if others else "")


def say_ratios(ratios: list[float]) -> str:
    """Median and quartiles."""
    low, _, high = st.quantiles(ratios, n=4) if len(ratios) > 1 else (ratios[0],) * 3
    return f"{st.median(ratios):.2f} ({low:.2f}-{high:.2f})"
