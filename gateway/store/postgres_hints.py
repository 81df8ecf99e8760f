"""Telling other nodes that work came (LISTEN/NOTIFY). Only hints: every stage polls slowly as well, so a lost one costs
a poll interval and nothing else.

They go beside the transactions, never in them (a NOTIFY makes commits wait for each other), and at most one per
`QUIET_S` and word, however much comes in.
"""

import asyncio
from collections.abc import Callable

from config.secret import Secret
from gateway.ops.logs import log
from gateway.ops.time import pause
from gateway.store.postgres_connection import LONGEST_PAUSE_S, connect, find_address, is_away, say_away
from gateway.store.postgres_pool import Connection

CHANNEL = "huiyin_work"
QUIET_S = 0.02
SILENCE_S = 30.0
"""A connection that carried nothing for so long is tried."""


class Hints:
    """`heard` is called with each word another node told, and with "" after a time in which some may have been lost."""

    def __init__(self, url: str, password: Secret | None, heard: Callable[[str], None]) -> None:
        self._address = find_address(url, password)
        self._heard = heard
        self._to_tell: set[str] = set()
        self._something = asyncio.Event()
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._work(), name="store.hints")

    async def stop(self) -> None:
        self._stop.set()
        self._something.set()
        if self._task is not None:
            await self._task

    def tell(self, word: str) -> None:
        self._to_tell.add(word)
        self._something.set()

    async def _work(self) -> None:
        failures = 0
        while not self._stop.is_set():
            try:
                connection = await connect(self._address)
                try:
                    connection.add_termination_listener(lambda _: self._something.set())
                    await connection.add_listener(CHANNEL, self._hear)
                    failures = 0
                    self._heard("")
                    await self._tell_on(connection)
                finally:
                    connection.terminate()
            except Exception as error:
                if not is_away(error):
                    log.exception("store.hints_failed")
                elif not failures:
                    log.warning("store.hints_away", reason=say_away(error))
                failures += 1
                await pause(self._stop, min(LONGEST_PAUSE_S, 0.1 * 2 ** min(failures, 10)))

    async def _tell_on(self, connection: Connection) -> None:
        while not self._stop.is_set():
            try:
                async with asyncio.timeout(SILENCE_S):
                    await self._something.wait()
            except TimeoutError:
                await connection.execute("SELECT 1")
                continue
            self._something.clear()
            if connection.is_closed():
                raise ConnectionResetError
            words, self._to_tell = self._to_tell, set()
            for word in words:
                await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, word)
            await pause(self._stop, QUIET_S)

    def _hear(self, connection: Connection, pid: int, _channel: str, word: object) -> None:
        if pid != connection.get_server_pid():
            self._heard(str(word))
