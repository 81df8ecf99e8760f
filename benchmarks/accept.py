"""Durable accept (key checked, receipt and history written, committed) against the bare handler, which stores nothing, and
against the same gateway committing every call by itself.
"""

import statistics as st

from benchmarks import databases, servers

PLACES = {"server and database on one core": ("0", "1"), "two cores, nothing pinned": (None, None)}

HEADINGS = (
    "| connections | bare req/s | huiyin req/s | huiyin / bare (quartiles) | p50 ms | p99 ms | p99 / bare p99 |",
    "|---|---|---|---|---|---|---|",
)
OTHER = (" a commit per call req/s | huiyin / that (quartiles) |", "---|---|")


def measure(rounds: int, seconds: int, store: str) -> None:
    for place, (server_cpu, load_cpu) in PLACES.items():
        print(f"\n### durable accept on {store}, {place}; medians of {rounds} rounds of {seconds} s turns")
        print("\n".join(heading + other for heading, other in zip(HEADINGS, OTHER, strict=True)))
        with (
            databases.opened(store, server_cpu) as make,
            servers.bare(server_cpu) as base,
            servers.gateway(server_cpu, roles="accept", database=make()) as ours,
            servers.gateway(server_cpu, roles="accept", database=make(), program="benchmarks.one_by_one") as other,
        ):
            for server in (base, ours, other):
                servers.load(server, 16, 2, cpu=load_cpu)
            for connections in (1, 16, 64):
                print(measure_row(base, ours, connections, rounds, seconds, load_cpu, other), flush=True)
            print(f"resident after this load: {ours.memory_mb():.0f} MB")


def measure_row(
    base: servers.Server,
    ours: servers.Server,
    connections: int,
    rounds: int,
    seconds: int,
    cpu: str | None,
    other: servers.Server | None = None,
) -> str:
    """`other`: one more that ours is measured against."""
    servers_ = [base, ours] + ([other] if other else [])
    found: list[list[servers.Turn]] = []
    for number in range(rounds):
        # The order changes from round to round, so that nobody always has the warmer machine.
        order = servers_ if number % 2 else servers_[::-1]
        turns = {server.pid: servers.load(server, connections, seconds, cpu=cpu) for server in order}
        found.append([turns[server.pid] for server in servers_])
    tails = st.median(own.p99_ms / bare.p99_ms for bare, own, *_ in found)
    row = (
        f"| {connections} | {st.median(bare.rate for bare, *_ in found):,.0f} "
        f"| {st.median(own.rate for _, own, *_ in found):,.0f} | {say_ratios([own.rate / bare.rate for bare, own, *_ in found])} "
        f"| {st.median(own.p50_ms for _, own, *_ in found):.2f} | {st.median(own.p99_ms for _, own, *_ in found):.1f} "
        f"| {tails:.1f} |"
    )
    if other:
        row += f" {st.median(turns[2].rate for turns in found):,.0f} "
        row += f"| {say_ratios([turns[1].rate / turns[2].rate for turns in found])} |"
    return row


def say_ratios(ratios: list[float]) -> str:
    """Median and quartiles."""
    low, _, high = st.quantiles(ratios, n=4) if len(ratios) > 1 else (ratios[0],) * 3
    return f"{st.median(ratios):.2f} ({low:.2f}-{high:.2f})"
