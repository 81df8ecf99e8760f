"""Every process of PostgreSQL dies at once. It is started again and recovers from its log, or its standby takes its place."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from tests.faults.bank import Bank, Plan
from tests.faults.fault import Draw, Fault
from tests.postgres_server import PASSWORD, USER, PostgresServer


async def strike(bank: Bank, draw: Draw) -> None:
    assert bank.server
    for _ in range(draw.random.choice((1, 1, 2))):
        await asyncio.sleep(draw.random.uniform(0, 0.5))
        await asyncio.to_thread(bank.server.stop, signal.SIGKILL)
        await asyncio.sleep(draw.random.uniform(0, 0.8))
        await asyncio.to_thread(bank.server.start)


@contextmanager
def prepare_pair(draw: Draw) -> Iterator[Plan]:
    del draw
    primary = PostgresServer()
    database = primary.make_database()
    standby = PostgresServer(primary=primary)
    os.environ["HUIYIN__STORE__PASSWORD"] = PASSWORD
    try:
        yield Plan(
            store_url=f"postgresql://{USER}@127.0.0.1:{primary.port},127.0.0.1:{standby.port}/{database}",
            ask=partial(standby.query, database),
            servers=(primary, standby),
        )
    finally:
        primary.remove()
        standby.remove()


async def fail_over(bank: Bank, draw: Draw) -> None:
    """The primary is lost for good; what it had said yes to is at the standby too."""
    primary, standby = bank.plan.servers
    await bank.load.reach(draw.random.randrange(20))
    await asyncio.to_thread(primary.stop, signal.SIGKILL)
    await asyncio.sleep(draw.random.uniform(0, 0.8))
    await asyncio.to_thread(standby.promote)
    await bank.load.reach_more(3)


FAULTS = [
    Fault("database killed", strike, ("postgres",), weight=3),
    Fault("database failed over", fail_over, ("postgres",), prepare_pair),
]
