"""`make faults`: many seeded runs of every fault, and a table. Exit status 1 if anything was lost, doubled or broken.

python -m tests.faults [--runs 1000] [--workers 2] [--only TEXT] [--engine sqlite|postgres] [--number N]
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import partial

from tests.faults.bank import Engine
from tests.faults.fault import Fault
from tests.faults.nemeses import list_faults
from tests.faults.run import Outcome, run_all

_HEADS = ("fault", "engine", "runs", "accepted", "forwarded", "lost", "duplicated", "chain broken", "other")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--runs", type=int, default=1000, help="of all faults together, at least")
    parser.add_argument("--workers", type=int, default=2, help="runs at one moment")
    parser.add_argument("--only", default="", help="faults whose name holds this")
    parser.add_argument("--engine", choices=("sqlite", "postgres"))
    parser.add_argument("--number", type=int, help="this run alone")
    options = parser.parse_args()
    chosen = [
        (fault, engine)
        for fault in list_faults()
        for engine in fault.engines
        if options.only in fault.name and engine in (options.engine or fault.engines)
    ]
    runs = list(share(chosen, options.runs))
    if options.number is not None:
        runs = [(fault, engine, options.number) for fault, engine in chosen]
    outcomes = run_all(runs, options.workers, tell=partial(_tell, len(runs)))
    print(to_table(outcomes))
    return 1 if any(outcome.error or (outcome.finding and outcome.finding.faults) for outcome in outcomes) else 0


def share(chosen: list[tuple[Fault, Engine]], runs: int) -> Iterator[tuple[Fault, Engine, int]]:
    """At least so many runs, by weight, each fault on each engine at least once."""
    whole = sum(fault.weight for fault, _ in chosen)
    for fault, engine in chosen:
        for number in range(-(-runs * fault.weight // whole)):
            yield fault, engine, number


def _tell(count: int, number: int, outcome: Outcome) -> None:
    faults = outcome.finding.faults if outcome.finding else [outcome.error]
    print(
        f"{number}/{count} {outcome.fault}, {outcome.engine}, number {outcome.number}: "
        f"{'; '.join(faults) or 'good'} ({outcome.seconds:.1f} s)",
        file=sys.stderr,
        flush=True,
    )


def to_table(outcomes: list[Outcome]) -> str:
    groups: defaultdict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        groups[outcome.fault, outcome.engine].append(outcome)
    rows = [[*place, *(str(count) for count in _count(group))] for place, group in sorted(groups.items())]
    rows.append(["all", "", *(str(count) for count in _count(outcomes))])
    widths = [max(len(row[column]) for row in [_HEADS, *rows]) for column in range(len(_HEADS))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if n < 2 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in [_HEADS, *rows]
    )


def _count(outcomes: list[Outcome]) -> list[int]:
    found = [outcome.finding for outcome in outcomes if outcome.finding]
    return [
        len(outcomes),
        sum(one.accepted for one in found),
        sum(one.forwarded for one in found),
        sum(len(one.lost) for one in found),
        sum(len(one.doubled) for one in found),
        sum(len(one.chain) for one in found),
        sum(
            len(one.contradicting) + len(one.disordered) + len(one.stuck) + len(one.books) + len(one.untold)
            for one in found
        )
        + sum(bool(outcome.error) for outcome in outcomes),
    ]


if __name__ == "__main__":
    raise SystemExit(main())
