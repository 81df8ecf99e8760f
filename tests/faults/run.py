"""One seeded run: open the bank, load it, let the fault strike, lift it, wait for rest, stop, check."""

import asyncio
import multiprocessing.util
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tests.faults.bank import Bank, Engine, remove_server
from tests.faults.checker import Finding
from tests.faults.fault import Draw, Fault
from tests.faults.nemeses import list_faults

RUN_LIMIT_S = 420.0


@dataclass(frozen=True, slots=True)
class Outcome:
    fault: str
    engine: Engine
    number: int
    finding: Finding | None
    seconds: float
    error: str = ""


def run_once(fault: Fault, engine: Engine, number: int) -> Finding:
    """The run of this number; the same number is the same run, as far as the machine allows."""
    with tempfile.TemporaryDirectory(prefix="huiyin-fault-") as folder:
        # PostgreSQL, which is not root, goes through it to a tablespace.
        Path(folder).chmod(0o755)
        seed = f"{fault.name} {engine} {number}"
        draw = Draw(engine, number, random.Random(seed), Path(folder))
        with fault.prepare(draw) as plan:
            return asyncio.run(_run(fault, Bank(Path(folder), engine, seed, plan), draw))


async def _run(fault: Fault, bank: Bank, draw: Draw) -> Finding:
    try:
        async with asyncio.timeout(RUN_LIMIT_S):
            await bank.open()
            async with asyncio.TaskGroup() as group:
                group.create_task(bank.load.run())
                await fault.strike(bank, draw)
                bank.load.end()
            return await bank.settle()
    finally:
        await bank.close()


def run_all(
    runs: Sequence[tuple[Fault, Engine, int]], workers: int, tell: Callable[[int, Outcome], None] = lambda *_: None
) -> list[Outcome]:
    """So many at one moment, each in a process of a pool. `tell` hears how many are done, and of the last one."""
    outcomes = []
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_begin) as pool:
        waiting = [pool.submit(report, fault.name, engine, number) for fault, engine, number in runs]
        try:
            for future in as_completed(waiting):
                outcomes.append(future.result())
                tell(len(outcomes), outcomes[-1])
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return outcomes


def _begin() -> None:
    # Each process has a database server of its own, for all of its runs.
    multiprocessing.util.Finalize(None, remove_server, exitpriority=10)


def report(name: str, engine: Engine, number: int) -> Outcome:
    """As `run_once` of the fault of that name, and what went wrong as text."""
    fault = next(fault for fault in list_faults() if fault.name == name)
    began = time.monotonic()
    finding, error = None, ""
    try:
        finding = run_once(fault, engine, number)
    except Exception as failure:
        error = _tell(failure)
    return Outcome(name, engine, number, finding, time.monotonic() - began, error)


def _tell(failure: BaseException) -> str:
    if isinstance(failure, BaseExceptionGroup):
        return "; ".join(_tell(one) for one in failure.exceptions)
    return f"{type(failure).__name__}: {failure}"[-2000:]
