"""The embedded engine: one SQLite file, one writer with group commit, readers beside it.

Several processes may have the file open at once: every group begins IMMEDIATE, so a command of an operator (`release`,
`import`) waits its turn beside a running gateway, and claims are compare-and-set whoever made them.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

from config.keys import Keyring
from gateway.contract.clock import Clock, Millis
from gateway.store.accepting import Call, keep
from gateway.store.forgetting import find_holds
from gateway.store.group import GroupWriter
from gateway.store.keeper import Keeper
from gateway.store.migrate import check_revision
from gateway.store.numbering import Numbering, read_secret
from gateway.store.plan import Plan
from gateway.store.port import StoreUnavailable, Tell
from gateway.store.sql_store import SqlStore
from gateway.store.sqlite_connection import connect, find_path, is_storage_failure, run, to_unavailable
from gateway.store.turn import Turn
from gateway.store.vault import Vault

T = TypeVar("T")

READERS = 2
"""Threads for what people and the sweep ask; never in the way of the writer."""


class SqliteStore(SqlStore):
    """`read_keys`: see `Vault`. `queue_limit`: accepts that may wait for their commit. `min_free_mb`: below it nothing more is
    accepted. `beside`: in a process that accepts beside the gateway, which looks after the file.
    """

    settle_s = 0.0

    def __init__(
        self,
        url: str,
        read_keys: Callable[[], Keyring] | None,
        *,
        clock: Clock,
        queue_limit: int = 5_000,
        min_free_mb: int = 64,
        beside: bool = False,
    ) -> None:
        vault = Vault(read_keys)
        engine = SqliteEngine(url, vault, clock=clock, queue_limit=queue_limit, min_free_mb=min_free_mb, beside=beside)
        super().__init__(engine, vault, clock=clock)


class SqliteEngine:
    """Implements `gateway.store.sql_store.Engine`."""

    numbering: Numbering

    def __init__(
        self, url: str, vault: Vault, *, clock: Clock, queue_limit: int, min_free_mb: int, beside: bool
    ) -> None:
        self._url = url
        self._path = find_path(url)
        self._writer = GroupWriter(
            lambda: connect(self._path, write=True, beside=beside),
            lambda calls, stock, hopeful: keep(calls, clock.now_ms(), stock, vault, hopeful=hopeful),
            Turn(self._path.parent),
            queue_limit,
        )
        self._keeper = Keeper(
            self._path, lambda: connect(self._path, write=True), min_free_mb=min_free_mb, checkpoints=not beside
        )
        self._readers: ThreadPoolExecutor | None = None
        self._reading = threading.local()
        self._read_connections: list[sqlite3.Connection] = []

    async def open(self) -> None:
        """Raises StoreUnavailable; SchemaMismatch, one of its kind, if the database is of another version."""
        check_revision(self._url)
        try:
            with closing(connect(self._path, write=False)) as connection:
                self.numbering = Numbering(run(connection, read_secret()))
            self._writer.start(self.numbering)
        except sqlite3.Error as error:
            raise to_unavailable(error) from error
        self._keeper.start()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="huiyin-store-reader")

    async def close(self) -> None:
        readers, self._readers = self._readers, None
        if readers is None:
            return
        await self._writer.stop()
        await asyncio.to_thread(self._keeper.stop)
        await asyncio.to_thread(readers.shutdown)
        for connection in self._read_connections:
            connection.close()
        self._read_connections.clear()
        self._reading = threading.local()

    def accept(self, call: Call, tell: Tell) -> None:
        if self._keeper.disk_is_low and call.envelopes:
            tell(StoreUnavailable("the disk is nearly full", after_s=60))
        else:
            self._writer.accept(call, tell)

    def write(self, kind: str, plan: Callable[[], Plan[T]]) -> Awaitable[T]:
        if kind == "probe" and self._keeper.disk_is_low:
            raise StoreUnavailable("the disk is nearly full", after_s=60)
        return self._writer.write(kind, plan)

    def read(self, plan: Callable[[], Plan[T]]) -> Awaitable[T]:
        if self._readers is None:
            raise StoreUnavailable("the store is not open")
        return asyncio.get_running_loop().run_in_executor(self._readers, self._read, plan)

    async def make_months(self, now: Millis) -> list[str]:  # noqa: ARG002 - one file holds them all
        return []

    async def drop_month(self, month: str) -> dict[str, int]:
        """Nothing can be: all months share the pages of the file."""
        return await self.read(lambda: find_holds(month))

    def _read(self, plan: Callable[[], Plan[T]]) -> T:
        """In a reader's thread: one snapshot for the whole Plan."""
        try:
            connection = self._find_connection()
            connection.execute("BEGIN")
            try:
                return run(connection, plan())
            finally:
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            if is_storage_failure(error):
                raise to_unavailable(error) from error
            raise

    def _find_connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._reading, "connection", None)
        if connection is None:
            connection = self._reading.connection = connect(self._path, write=False)
            self._read_connections.append(connection)
        return connection
