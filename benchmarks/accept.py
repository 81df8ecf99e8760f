"""Durable accept (key checked, receipt, duty and history written, committed) against the bare handler."""

import statistics as st

from benchmarks import servers

PLACES = {"server on one core": ("0", "1"), "two cores, nothing pinned": (None, None)}

HEADINGS = (
    "| connections | bare req/s | huiyin req/s | ratio (quartiles) | p50 ms | p99 ms | p99 / bare p99 |\n"
    "|---|---|---|---|---|---|---|"
)


def measure(rounds: int, seconds: int) -> None:
    for place, (server_cpu, load_cpu) in PLACES.items():
        print(f"\n### durable accept / bare handler, {place}; medians of {rounds} rounds of {seconds} s turns")
        print(HEADINGS)
        with servers.bare(server_cpu) as base, servers.gateway(server_cpu, roles="accept") as ours:
            for server in (base, ours):
                servers.load(server, 16, 2, cpu=load_cpu)
            for connections in (1, 16, 64):
                print(measure_row(base, ours, connections, rounds, seconds, load_cpu), flush=True)
            print(f"resident after this load: {ours.memory_mb():.0f} MB")


def measure_row(
    base: servers.Server, ours: servers.Server, connections: int, rounds: int, seconds: int, cpu: str | None
) -> str:
    pairs = []
    for number in range(rounds):
        # The order changes from round to round, so that neither always has the warmer machine.
        order = (base, ours) if number % 2 else (ours, base)
        turns = {server.pid: servers.load(server, connections, seconds, cpu=cpu) for server in order}
        pairs.append((turns[base.pid], turns[ours.pid]))
    ratios = [own.rate / bare.rate for bare, own in pairs]
    low, _, high = st.quantiles(ratios, n=4) if len(ratios) > 1 else (ratios[0],) * 3
    tails = st.median(own.p99_ms / bare.p99_ms for bare, own in pairs)
    return (
        f"| {connections} | {st.median(b.rate for b, _ in pairs):,.0f} | {st.median(o.rate for _, o in pairs):,.0f} "
        f"| {st.median(ratios):.2f} ({low:.2f}-{high:.2f}) | {st.median(o.p50_ms for _, o in pairs):.2f} "
        f"| {st.median(o.p99_ms for _, o in pairs):.1f} | {tails:.1f} |"
    )
