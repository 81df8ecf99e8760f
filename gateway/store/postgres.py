"""The distributed engine: any number of nodes on one PostgreSQL, no node knowing another.

Accepts are committed in groups; everything else is a transaction of its own on a pooled connection. Rows that two
nodes could both want are locked, skipped or unique, whichever the Plan says; what collides all the same is run again.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from config.keys import Keyring
from config.secret import Secret
from gateway.contract.clock import Clock, Millis
from gateway.ops.killpoints import point
from gateway.store.accepting import Call, Outcome, keep
from gateway.store.forgetting import find_holds
from gateway.store.months import FIND_MISSING, HOLD_ALL, drop_partitions, make_partition, months_from, name_partitions
from gateway.store.numbering import RESERVED_AT_ONCE, Numbering, Stock, read_secret, reserve
from gateway.store.plan import Plan
from gateway.store.port import Tell
from gateway.store.postgres_connection import ATTEMPTS, HURRIED_WRITE, READ, WRITE, Server, Transaction, find_address
from gateway.store.postgres_group import FLIGHTS, GroupCommit
from gateway.store.postgres_migration import check_connected
from gateway.store.postgres_statements import run
from gateway.store.sql_store import SqlStore
from gateway.store.vault import Vault

T = TypeVar("T")


class PostgresStore(SqlStore):
    """`url` as in postgresql://user@host/database. `read_keys`: see `Vault`. `queue_limit`: accepts that may wait for their commit.
    `pool_size`: connections for all that is not an accept.
    """

    def __init__(
        self,
        url: str,
        read_keys: Callable[[], Keyring] | None,
        *,
        clock: Clock,
        password: Secret | None = None,
        queue_limit: int = 5_000,
        pool_size: int = 10,
    ) -> None:
        vault = Vault(read_keys)
        engine = PostgresEngine(url, password, vault, clock=clock, queue_limit=queue_limit, pool_size=pool_size)
        super().__init__(engine, vault, clock=clock)


class PostgresEngine:
    """Implements `gateway.store.sql_store.Engine`."""

    numbering: Numbering

    def __init__(
        self,
        url: str,
        password: Secret | None,
        vault: Vault,
        *,
        clock: Clock,
        queue_limit: int,
        pool_size: int,
    ) -> None:
        self._clock = clock
        self._vault = vault
        self._server = Server(find_address(url, password), accepting=FLIGHTS, others=pool_size)
        self._groups = GroupCommit(self._keep, queue_limit)
        self._stocks: list[Stock] = []

    async def open(self) -> None:
        """Raises StoreUnavailable; SchemaMismatch, one of its kind, if the database is of another version."""
        self._server.open()
        try:
            await self._server.transact("open", _check)
            self.numbering = Numbering(await self.read(read_secret))
        except BaseException:
            await self._server.close()
            raise
        self._groups.start()

    async def close(self) -> None:
        await self._groups.stop()
        await self._server.close()

    def accept(self, call: Call, tell: Tell) -> None:
        self._groups.accept(call, tell)

    async def write(self, kind: str, plan: Callable[[], Plan[T]]) -> T:
        return await self._server.transact(kind, lambda transaction: run(transaction, plan()))

    async def read(self, plan: Callable[[], Plan[T]]) -> T:
        return await self._server.transact("read", lambda transaction: run(transaction, plan()), begin=READ)

    async def make_months(self, now: Millis) -> list[str]:
        async def work(transaction: Transaction) -> list[str]:
            connection = await transaction.begin()
            wanted = name_partitions(months_from(now))
            missing = [row[0] for row in await connection.fetch(FIND_MISSING, list(wanted))]
            for name in missing:
                # Two nodes wait for each other at its first lock, and the second finds it made: run again, it shows.
                for statement in make_partition(name, *wanted[name]):
                    await connection.execute(statement)
            return sorted({wanted[name][1] for name in missing})

        return await self._server.transact("months", work)

    async def drop_month(self, month: str) -> dict[str, int]:
        async def work(transaction: Transaction) -> dict[str, int]:
            connection = await transaction.begin()
            # Everybody waits for the few milliseconds of this, so it gives up soon where it would have to wait itself.
            await connection.execute(HOLD_ALL)
            holds = await run(transaction, find_holds(month))
            for statement in () if holds else drop_partitions(month):
                await connection.execute(statement)
            return holds

        return await self._server.transact("forget", work, begin=HURRIED_WRITE)

    async def _keep(self, calls: Sequence[Call], *, hopeful: bool, hurried: bool) -> Sequence[Outcome]:
        async def work(transaction: Transaction) -> Sequence[Outcome]:
            outcomes = await run(transaction, keep(calls, self._clock.now_ms(), stock, self._vault, hopeful=hopeful))
            point("accept.after_insert")
            return outcomes

        begin = HURRIED_WRITE if hurried else WRITE
        attempts = 1 if hopeful else ATTEMPTS
        async with self._stock(attempts * sum(len(call.envelopes) for call in calls)) as stock:
            return await self._server.transact("accept", work, begin=begin, attempts=attempts)

    @asynccontextmanager
    async def _stock(self, wanted: int) -> AsyncIterator[Stock]:
        """At least so many numbers, for one group at a time: two under way at once take from a stock each."""
        stock = self._stocks.pop() if self._stocks else Stock(self.numbering)
        try:
            if len(stock) < wanted:
                # In a commit of its own, as other nodes reserve from the same count.
                count = max(wanted, RESERVED_AT_ONCE)
                stock.add(await self._server.transact("accept", lambda transaction: run(transaction, reserve(count))))
            yield stock
        finally:
            self._stocks.append(stock)


async def _check(transaction: Transaction) -> None:
    await check_connected(await transaction.begin())
