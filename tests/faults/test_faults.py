"""Whatever strikes, what was acknowledged is in the ledger and at the tracker, once, and the history proves it.

A sample with fixed seeds: every named point, and a run or two of every other fault. `make faults` runs a thousand.
"""

import os
from collections.abc import Callable

import pytest

from gateway.ops.killpoints import POINTS
from tests.faults.bank import Engine
from tests.faults.fault import Fault
from tests.faults.nemeses import list_faults
from tests.faults.run import Outcome, run_all

Run = tuple[Fault, Engine, int]

MORE = {
    ("killed at a named point", "sqlite"): range(len(POINTS)),
    # tests/store has all of them on both engines, without a gateway around.
    ("killed at a named point", "postgres"): range(0, len(POINTS), 3),
    ("killed at a call to the kernel", "sqlite"): range(3),
    # With a journal and without.
    ("power cut", "sqlite"): range(2),
}
SAMPLE: list[Run] = [
    (fault, engine, number)
    for fault in list_faults()
    for engine in fault.engines
    for number in MORE.get((fault.name, engine), range(1))
]


def name(run: Run) -> str:
    fault, engine, number = run
    return f"{fault.name} {engine} {number}"


@pytest.fixture(scope="module")
def find_outcome(request: pytest.FixtureRequest) -> Callable[[Run], Outcome]:
    """All runs of this module that were asked for, several at one moment: most of a run is waiting."""
    wanted = [item.callspec.params["run"] for item in request.session.items if item.module is request.module]
    outcomes = {(one.fault, one.engine, one.number): one for one in run_all(wanted, workers=2 * (os.cpu_count() or 1))}
    return lambda run: outcomes[run[0].name, run[1], run[2]]


@pytest.mark.parametrize("run", SAMPLE, ids=name)
def test_nothing_acknowledged_is_lost_or_doubled(run: Run, find_outcome: Callable[[Run], Outcome]) -> None:
    outcome = find_outcome(run)
    assert not outcome.error
    assert outcome.finding
    assert outcome.finding.faults == []
    assert outcome.finding.accepted >= 24, "the load was too small to prove anything"
