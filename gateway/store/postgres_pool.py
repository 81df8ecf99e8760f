"""Open connections to PostgreSQL, kept for whoever comes next.

asyncpg has a pool as well, but between two transactions on one connection it starts a task and two timers and puts a
wrapper around every call: some 100 us, as much as what an envelope costs otherwise.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeAlias

import asyncpg

Connection: TypeAlias = "asyncpg.Connection[Any]"

IDLE_S = 300.0
"""A connection that nobody wanted for so long is not used again: what lies between may have forgotten it."""


class Pool:
    """At most `limit` connections at once, each made by `connect`. Belongs to one event loop."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]], limit: int) -> None:
        self._connect = connect
        self._limit = limit
        self._places = asyncio.Semaphore(limit)
        self._used: set[Connection] = set()
        self._idle: deque[tuple[Connection, float]] = deque()
        """With the time since when, the longest unused first."""

    @property
    def is_used_up(self) -> bool:
        return self._places.locked()

    async def take(self, patience_s: float) -> Connection:
        """Must be given back. Raises TimeoutError, or what `connect` raises."""
        if not self.is_used_up and (connection := self._find_idle()):
            await self._places.acquire()  # there is one, so this does not wait
        else:
            async with asyncio.timeout(patience_s):
                await self._places.acquire()
                try:
                    connection = self._find_idle() or await self._connect()
                except BaseException:
                    self._places.release()
                    raise
        self._used.add(connection)
        return connection

    def give_back(self, connection: Connection) -> None:
        """One that was left in the middle of something is not used again."""
        self._used.remove(connection)
        self._places.release()
        if connection.is_closed() or connection.is_in_transaction():
            connection.terminate()
        else:
            self._idle.append((connection, _now()))
        while self._idle and _now() - self._idle[0][1] > IDLE_S:
            self._idle.popleft()[0].terminate()

    async def close(self, patience_s: float) -> None:
        """Waits so long for those that are used, then cuts them off."""
        with suppress(TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            async with asyncio.timeout(patience_s):
                for _ in range(self._limit):
                    await self._places.acquire()
                for connection, _ in self._idle:
                    await connection.close()
        for connection in [*self._used, *(connection for connection, _ in self._idle)]:
            if not connection.is_closed():
                connection.terminate()
        self._idle.clear()

    def _find_idle(self) -> "Connection | None":
        while self._idle:
            connection, since = self._idle.pop()
            if not connection.is_closed() and _now() - since <= IDLE_S:
                return connection
            connection.terminate()
        return None


def _now() -> float:
    return asyncio.get_running_loop().time()
