"""PostgreSQL takes no writes for a while, as a standby or a server whose disk turned read-only."""

import asyncio

from tests.faults.bank import Bank
from tests.faults.fault import Draw, Fault


async def strike(bank: Bank, draw: Draw) -> None:
    await bank.load.reach(draw.random.randrange(10))
    await asyncio.to_thread(switch, bank, "on")
    await bank.load.be_refused(3)
    await asyncio.sleep(draw.random.uniform(0, 0.5))
    await asyncio.to_thread(switch, bank, "off")


def switch(bank: Bank, to: str) -> None:
    assert bank.server
    bank.server.query("postgres", f"ALTER DATABASE {bank.database} SET default_transaction_read_only = {to}")
    bank.server.query(
        "postgres",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ? AND application_name = 'huiyin'",
        bank.database,
    )


FAULTS = [Fault("database read-only", strike, ("postgres",))]
