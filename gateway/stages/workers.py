"""Where reading and judging happens: in a thread for the odd complaint, in processes of their own under a backlog.

The rules are pure Python: in a thread they would take turns with the door. Processes cost memory, so they start when
large batches come in a row, and end after a quiet minute. They step back for the door: what comes in is kept first.
"""

import asyncio
import multiprocessing
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

from config.keys import Keyring
from config.settings import Settings
from gateway import plugins
from gateway.ops import metrics
from gateway.ops.forking import open_context
from gateway.ops.logs import log
from gateway.ops.memory import settle_memory
from gateway.ops.time import SystemClock
from gateway.stages.reading import Read, Reader, open_reader
from gateway.store.rows import InboxItem, Moved

Outcome = Read | Moved | Exception
QUIET_S = 60.0
CHUNK = 25
LARGE = 8
LARGE_BATCHES = 3
"""So many batches of at least `LARGE` in a row are a backlog. Whoever waits for each answer before the next push, with some
connections, makes batches no larger than that, and a thread that reads them would keep the door from answering.
"""
NICE = 5
"""How far a worker steps back for the intake where both want the same core."""


class Workers:
    def __init__(self, settings: Settings, keyring: Keyring, reader: Reader) -> None:
        wanted = settings.stages.processes
        self._count = os.cpu_count() or 1 if wanted == "auto" else wanted
        self._settings = settings
        self._keyring = keyring
        self._reader = reader
        self._pool: ProcessPoolExecutor | None = None
        self._last_use = 0.0
        self._large_batches = 0
        self._reading = 0
        # Several threads at rules would only take the interpreter from each other.
        self._one_thread = asyncio.Lock()

    async def read(self, items: Sequence[InboxItem]) -> Sequence[Outcome]:
        """One outcome per item, in order. An Exception is a bug in a rule or an adapter, not the item's fault alone."""
        self._large_batches = self._large_batches + 1 if len(items) >= LARGE else 0
        backlog = self._large_batches >= LARGE_BATCHES
        if self._count and (backlog or self._pool):
            self._last_use = asyncio.get_running_loop().time() if backlog else self._last_use
            pool = self._pool = self._pool or self._start_pool()
            self._reading += 1
            try:
                return await _read_in_pool(pool, items)
            except BrokenProcessPool:
                metrics.bugs.labels("workers").inc()
                log.error("workers.died", count=self._count)
                if self._pool is pool:  # else another reader has begun a new one already
                    self.close()
            finally:
                self._reading -= 1
        async with self._one_thread:
            return await asyncio.to_thread(read_all, self._reader, items)

    def _start_pool(self) -> ProcessPoolExecutor:
        log.info("workers.started", count=self._count)
        return ProcessPoolExecutor(
            self._count,
            mp_context=open_context(),
            initializer=_open,
            initargs=(self._settings, self._keyring),
        )

    def rest(self) -> None:
        """Called when there was nothing to do: lets idle processes go."""
        if (
            self._pool is not None
            and not self._reading
            and asyncio.get_running_loop().time() - self._last_use > QUIET_S
        ):
            log.info("workers.rested")
            self.close()

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


async def _read_in_pool(pool: ProcessPoolExecutor, items: Sequence[InboxItem]) -> Sequence[Outcome]:
    loop = asyncio.get_running_loop()
    chunks = [items[at : at + CHUNK] for at in range(0, len(items), CHUNK)]
    parts = await asyncio.gather(*(loop.run_in_executor(pool, _read, chunk) for chunk in chunks))
    # Items made a round trip; the caller's own are put back, so that nothing depends on their copies.
    outcomes = [outcome for part in parts for outcome in part]
    return [
        replace(outcome, item=item) if isinstance(outcome, Moved) else outcome
        for item, outcome in zip(items, outcomes, strict=True)
    ]


def read_all(reader: Reader, items: Sequence[InboxItem]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for item in items:
        try:
            outcomes.append(reader.read(item))
        except Exception as error:
            outcomes.append(error)
    return outcomes


_reader: Reader | None = None


def _open(settings: Settings, keyring: Keyring) -> None:
    global _reader  # noqa: PLW0603 - one reader per worker process, made once
    os.nice(NICE)
    threading.Thread(target=_end_with_gateway, name="huiyin-gateway-watch", daemon=True).start()
    house = plugins.open_house(settings, keyring, SystemClock(), settings.server.public_url)
    _reader = open_reader(settings, house)
    settle_memory()


def _end_with_gateway() -> None:
    """A gateway that was killed tells nobody: its workers would stay for ever, and its keys in their memory."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _read(items: Sequence[InboxItem]) -> list[Outcome]:
    if _reader is None:
        raise RuntimeError("the worker process was not set up")
    return read_all(_reader, items)
