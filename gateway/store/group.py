"""Group commit: whatever waits when the writer is free goes into one transaction and one sync of the disk.

Callers are told after the commit, all of a group with one wake-up of the event loop. If the group cannot be committed,
every caller of it is told so and nothing of it is kept; the writer opens the file anew and goes on.

There is one connection for writing, and one group at a time has it. A group's commit waits for the disk, so a thread does
it. The statements before it are that thread's too where they may take long or have to wait (many envelopes, pages that
have to be read, other work than accepting, another process that has its turn). The accepts of a moment are short, and run
in the event loop's own thread: two threads at Python take the interpreter from each other at every statement, which cost
more than the statements. What they write is worked out before it is this process's turn (see turn.py), so that none waits
for another's Python.
"""

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, TypeVar

from gateway.ops.killpoints import point
from gateway.ops.logs import log
from gateway.store.accepting import Call, Outcome
from gateway.store.numbering import RESERVED_AT_ONCE, Numbering, Stock, reserve
from gateway.store.plan import Plan, Put, list_puts
from gateway.store.port import StoreUnavailable, Tell
from gateway.store.sql_store import tell_future
from gateway.store.sqlite_connection import BUSY_MS, is_storage_failure, put_all, run, to_unavailable
from gateway.store.turn import Turn

T = TypeVar("T")

CAREFUL_GROUPS = 16
"""Groups that look every key up after one in which a known key came again."""
GROUP_LIMIT = 256
"""Jobs in one transaction: bounds how long the first of them waits for the last."""
_SHORT_ENVELOPES, _SHORT_BYTES = 64, 256 * 1024
"""What may be written in the event loop's thread: 2 to 4 ms of statements."""
_BUSY_PAUSE_S = 0.005


class _Job:
    """One caller's wish, and after its group what came of it, an error if it is an Exception.

    `plan` makes a fresh Plan, as a group may have to be run again; `call` is for acceptance, merged with its like.
    """

    __slots__ = ("call", "kind", "outcome", "plan", "tell")

    def __init__(
        self, kind: str, plan: Callable[[], Plan[Any]] | None, call: Call | None, tell: Callable[[Any], None]
    ) -> None:
        self.kind = kind
        self.plan = plan
        self.call = call
        self.tell = tell
        self.outcome: Any = None


class _Group(NamedTuple):
    """`rows`: all that it writes, where that is known without asking the database. `is_ready`: it is written, only the commit is
    left, and the turn is taken.
    """

    jobs: Sequence[_Job]
    rows: Sequence[Put] | None
    is_ready: bool


class GroupWriter:
    """`keep` makes the Plan that keeps many calls, with numbers from the stock, in hope or without (see accepting.keep).

    Everything public belongs to the event loop's thread.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        keep: Callable[[Sequence[Call], Stock, bool], Plan[list[Outcome]]],
        turn: Turn,
        queue_limit: int,
    ) -> None:
        self._connect = connect
        self._turn = turn
        self._keep = keep
        self._stock: Stock | None = None
        self._queue_limit = queue_limit
        self._queue: queue.SimpleQueue[_Group | None] = queue.SimpleQueue()
        self._gathered: list[_Job] = []
        self._last_count = 0
        self._is_busy = False
        self._is_idle = asyncio.Event()
        self._groups_without_hope = 0
        self._accepting = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._connection: sqlite3.Connection | None = None

    def start(self, numbering: Numbering) -> None:
        """Raises sqlite3.Error if the file cannot be written."""
        self._loop = asyncio.get_running_loop()
        self._connection = self._open_connection()
        self._turn.open()
        self._stock = Stock(numbering)
        self._thread = threading.Thread(target=self._work, name="huiyin-store-writer", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Commits what is queued."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        while self._gathered or self._is_busy:
            self._is_idle.clear()
            self._give()
            await self._is_idle.wait()
        self._queue.put(None)
        await asyncio.to_thread(thread.join)
        self._turn.close()

    def accept(self, call: Call, tell: Tell) -> None:
        if self._thread is None:
            tell(StoreUnavailable("the store is not open"))
        elif self._accepting >= self._queue_limit:
            tell(StoreUnavailable("too many are waiting for their commit", after_s=1))
        else:
            self._accepting += 1
            self._submit(_Job("accept", None, call, tell))

    def write(self, kind: str, plan: Callable[[], Plan[T]]) -> asyncio.Future[T]:
        if self._loop is None or self._thread is None:
            raise StoreUnavailable("the store is not open")
        future: asyncio.Future[T] = self._loop.create_future()
        self._submit(_Job(kind, plan, None, partial(tell_future, future)))
        return future

    def _submit(self, job: _Job) -> None:
        if not self._gathered and self._loop is not None:
            self._loop.call_soon(self._hand_over, 0)
        self._gathered.append(job)

    def _hand_over(self, seen: int) -> None:
        """In a turn of the loop in which nobody came: who comes in the next turn had better share the commit than wait
        for it. A caller who was alone the last time is not kept.
        """
        count = len(self._gathered)
        if self._loop is not None and self._last_count > 1 and seen < count < GROUP_LIMIT:
            self._loop.call_soon(self._hand_over, count)
            return
        self._give()

    def _give(self) -> None:
        if self._is_busy or not self._gathered:
            return
        jobs, self._gathered = self._gathered[:GROUP_LIMIT], self._gathered[GROUP_LIMIT:]
        self._last_count = len(jobs)
        self._is_busy = True
        rows = self._work_out(jobs) if self._are_short(jobs) else None
        self._queue.put(_Group(jobs, rows, is_ready=rows is not None and self._write_now(rows)))

    def _are_short(self, jobs: Sequence[_Job]) -> bool:
        """Accepts alone, few and small, whose rows all go to the last pages of their tables."""
        wanted = size = 0
        for job in jobs:
            if job.call is None:
                return False
            for envelope in job.call.envelopes:
                if not envelope.sequential:
                    return False
                wanted += 1
                size += len(envelope.raw)
        return (
            self._stock is not None
            and wanted <= min(_SHORT_ENVELOPES, len(self._stock))
            and size <= _SHORT_BYTES
            and self._groups_without_hope == 0
        )

    def _work_out(self, jobs: Sequence[_Job]) -> Sequence[Put] | None:
        """What a group writes, in hope. None: the database has to be asked, or it cannot be done."""
        if self._stock is None:
            return None
        try:
            found = list_puts(self._keep([job.call for job in jobs if job.call is not None], self._stock, True))
        except Exception:  # the thread meets it again, and says whose it is
            return None
        if found is None:
            return None
        rows, outcomes = found
        for job, outcome in zip(jobs, outcomes, strict=True):
            job.outcome = outcome
        return rows

    def _write_now(self, rows: Sequence[Put]) -> bool:
        """The statements of a group up to its commit. False: nothing was kept, and the thread is to do it, with patience: it is
        another process's turn, a key is known, the disk is full.
        """
        connection = self._connection
        if connection is None or not self._turn.try_take():
            return False
        try:
            self._write(connection, rows, alone=True)
        except Exception:
            self._roll_back(connection)
            self._turn.give_back()
            return False
        return True

    def _write(self, connection: sqlite3.Connection, rows: Sequence[Put], *, alone: bool) -> None:
        point("accept.before_begin")
        connection.execute("BEGIN IMMEDIATE")
        try:
            put_all(connection, rows, alone=alone)
        except sqlite3.IntegrityError:
            # A key that is known. A sender that repeats itself rarely does so once.
            self._groups_without_hope = CAREFUL_GROUPS
            raise
        point("accept.after_insert")
        point("accept.before_commit")

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        with suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        if connection.in_transaction:
            self._close()

    def _tell(self, jobs: Sequence[_Job]) -> None:
        self._is_busy = False
        if self._gathered and self._loop is not None:
            self._loop.call_soon(self._hand_over, 0)
        for job in jobs:
            if job.call is not None:
                self._accepting -= 1
            try:
                job.tell(job.outcome)
            except Exception:  # a bug of one caller's must not leave the others waiting
                log.exception("store.told_in_vain", kind=job.kind)
        self._is_idle.set()

    # --- in the writer's thread ------------------------------------------------------------------------------------

    def _work(self) -> None:
        while (group := self._queue.get()) is not None:
            if not group.is_ready:
                self._turn.take()
            try:
                if group.is_ready or self._write_patiently(group.rows):
                    self._complete(group.jobs)
                else:
                    self._commit(group.jobs)
            finally:
                self._turn.give_back()
            if self._loop is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._tell, group.jobs)
        self._close()

    def _write_patiently(self, rows: Sequence[Put] | None) -> bool:
        """As `_write_now`, when it is this process's turn."""
        if rows is None or self._connection is None:
            return False
        try:
            self._write(self._connection, rows, alone=False)
        except Exception:
            self._roll_back(self._connection)
            return False
        return True

    def _complete(self, jobs: Sequence[_Job]) -> None:
        """The commit of a group whose statements have run."""
        if self._connection is None:
            self._fail(jobs, StoreUnavailable("the database was closed"))
            return
        try:
            self._connection.execute("COMMIT")
            point("accept.after_commit")
        except Exception as error:
            self._fail(jobs, error)

    def _commit(self, group: Sequence[_Job]) -> None:
        """Sets a result or an error on every job."""
        try:
            hopeful = self._groups_without_hope == 0
            if self._attempt(group, partial(self._run_together, hopeful=hopeful)):
                self._groups_without_hope -= not hopeful
                return
            if hopeful:
                # A sender that repeats itself rarely does so once.
                self._groups_without_hope = CAREFUL_GROUPS
                if self._attempt(group, partial(self._run_together, hopeful=False)):
                    return
            # One of them cannot be done: find out which, so that its neighbours do not suffer.
            self._attempt(group, self._run_apart)
        except Exception as error:
            self._fail(group, error)

    def _fail(self, jobs: Sequence[_Job], error: Exception) -> None:
        """The callers get it; the writer must live, with a connection that it can trust."""
        outcome = to_unavailable(error) if is_storage_failure(error) else error
        for job in jobs:
            job.outcome = outcome
        self._close()

    def _attempt(self, group: Sequence[_Job], run_all: Callable[[sqlite3.Connection, Sequence[_Job]], bool]) -> bool:
        """One transaction. False: nothing was kept, and the reason was one job's and not the storage's."""
        if self._connection is None:
            self._connection = self._open_connection()
        connection = self._connection
        self._reserve_numbers(connection, group)
        kinds = {job.kind for job in group}
        _pass_all(kinds, "before_begin")
        _begin(connection)
        if not run_all(connection, group):
            connection.execute("ROLLBACK")
            return False
        _pass_all(kinds, "before_commit")
        connection.execute("COMMIT")
        _pass_all(kinds, "after_commit")
        return True

    def _reserve_numbers(self, connection: sqlite3.Connection, group: Sequence[_Job]) -> None:
        """In a commit of its own, as other processes reserve from the same count."""
        wanted = sum(len(job.call.envelopes) for job in group if job.call is not None)
        if self._stock is not None and len(self._stock) < wanted:
            _begin(connection)
            numbers = run(connection, reserve(max(wanted, RESERVED_AT_ONCE)))
            connection.execute("COMMIT")
            self._stock.add(numbers)

    def _run_together(self, connection: sqlite3.Connection, group: Sequence[_Job], *, hopeful: bool) -> bool:
        try:
            self._keep_all(connection, [job for job in group if job.call is not None], hopeful=hopeful)
            for job in group:
                if job.plan is not None:
                    job.outcome = run(connection, job.plan())
        except Exception as error:
            if is_storage_failure(error):
                raise
            return False
        return True

    def _run_apart(self, connection: sqlite3.Connection, group: Sequence[_Job]) -> bool:
        for job in group:
            connection.execute("SAVEPOINT job")
            try:
                if job.call is not None:
                    self._keep_all(connection, [job], hopeful=False)
                elif job.plan is not None:
                    job.outcome = run(connection, job.plan())
            except Exception as error:
                if is_storage_failure(error):
                    raise
                connection.execute("ROLLBACK TO job")
                job.outcome = error
            connection.execute("RELEASE job")
        return True

    def _keep_all(self, connection: sqlite3.Connection, jobs: Sequence[_Job], *, hopeful: bool) -> None:
        calls = [job.call for job in jobs if job.call is not None]
        if calls and self._stock is not None:
            for job, outcome in zip(jobs, run(connection, self._keep(calls, self._stock, hopeful)), strict=True):
                job.outcome = outcome
            point("accept.after_insert")

    def _close(self) -> None:
        """Closing rolls back what is open."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open_connection(self) -> sqlite3.Connection:
        connection = self._connect()
        # The event loop must not wait inside a statement; the thread waits by itself (see `_begin`).
        connection.execute("PRAGMA busy_timeout = 0")
        return connection


def _begin(connection: sqlite3.Connection) -> None:
    """Waits for another process (a command of an operator) to commit; raises its sqlite3.OperationalError after BUSY_MS."""
    deadline = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_BUSY_PAUSE_S)
        else:
            return


def _pass_all(kinds: Iterable[str], moment: str) -> None:
    for kind in kinds:
        point(f"{kind}.{moment}")
