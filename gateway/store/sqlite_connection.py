"""SQLite as the store uses it: connections with their settings, statements compiled once, Plans run synchronously."""

import sqlite3
from collections.abc import Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import make_url
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.exc import ArgumentError

from gateway.store.plan import Plan, Put, Row, Statement
from gateway.store.port import StoreUnavailable

T = TypeVar("T")

BUSY_MS = 5_000
"""How long a writer waits for another process (a command of an operator) to commit."""

_SETTINGS = (
    "PRAGMA synchronous = FULL",
    f"PRAGMA busy_timeout = {BUSY_MS}",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA trusted_schema = OFF",
    # The store checkpoints by itself, away from the writer (see keeper.py).
    "PRAGMA wal_autocheckpoint = 0",
    # The log is written over, not cut off and grown again: that costs an eighth of an accept at 16 callers. Half a gigabyte
    # is what grows between two checkpoints under the heaviest load.
    f"PRAGMA journal_size_limit = {512 * 1024 * 1024}",
)
_WRITER_CACHE_KIB = 40_960
"""Holds the inner pages and the recent leaves of all indexes: nearly all that is written lies near what was written last. A
gateway that has a million complaints stays below 400 MB with it."""
_READER_CACHE_KIB = 8_192

_STORAGE_FAILURES = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOTADB,
    }
)


def find_path(url: str) -> Path:
    """`sqlite:///relative.db`, `sqlite:////absolute.db` -> the file. Raises ValueError for anything else."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError("the store's url is not of the form sqlite:///path") from None
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise ValueError("the store's url is not of the form sqlite:///path")
    return Path(parsed.database)


def connect(path: Path, *, write: bool, beside: bool = False) -> sqlite3.Connection:
    """An autocommit connection to an existing database. Usable from any one thread at a time. `beside`: it writes in turns with
    other processes, after each of which it has to read its pages again.
    """
    mode = "rw" if write else "ro"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=512,
    )
    for setting in _SETTINGS:
        connection.execute(setting)
    connection.execute(f"PRAGMA cache_size = -{_WRITER_CACHE_KIB if write and not beside else _READER_CACHE_KIB}")
    return connection


def is_storage_failure(error: BaseException) -> bool:
    """The disk or the file, and not a mistake in a statement or its values."""
    # Extended codes hold the primary one in their low byte (https://www.sqlite.org/rescode.html).
    return isinstance(error, sqlite3.Error) and (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _STORAGE_FAILURES


def to_unavailable(error: BaseException) -> StoreUnavailable:
    return StoreUnavailable(f"the database cannot be used now ({getattr(error, 'sqlite_errorname', 'unknown')})")


_ROWS_AT_ONCE = 64


class _Compiled:
    """A statement as SQLite takes it: text with `?`, and for each `?` where its value comes from."""

    def __init__(self, statement: Statement) -> None:
        compiled: Any = statement.element.compile(dialect=sqlite_dialect(paramstyle="qmark"))
        names = statement.names
        self.text = str(compiled)
        self.sources = [
            (names.index(name), None) if name in names else (-1, compiled.params[name]) for name in compiled.positiontup
        ]
        self.in_order = [index for index, _ in self.sources] == list(range(len(names)))
        self.lists = {index: name for index, name in enumerate(names) if f"[POSTCOMPILE_{name}]" in self.text}
        self.is_insert = self.text.startswith("INSERT ") and " VALUES " in self.text
        self._sized: dict[int, str] = {}

    def bind(self, values: Row) -> Row:
        return values if self.in_order else tuple([c if i < 0 else values[i] for i, c in self.sources])

    def expand(self, values: Row) -> tuple[str, Row]:
        """`IN (?, ?, ...)` in a few sizes only, the last value repeated, so that statements stay prepared."""
        ((position, name),) = self.lists.items()
        given: Sequence[Any] = values[position]
        size = 1 << (len(given) - 1).bit_length()
        text = self._sized.get(size)
        if text is None:
            text = self._sized[size] = self.text.replace(f"(__[POSTCOMPILE_{name}])", f"({', '.join('?' * size)})")
        bound: list[Any] = []
        for index, constant in self.sources:
            if index == position:
                bound += given
                bound += [given[-1]] * (size - len(given))
            else:
                bound.append(constant if index < 0 else values[index])
        return text, tuple(bound)

    def repeat(self, rows: int) -> str:
        """An INSERT of so many rows: one step for SQLite instead of one per row. The interpreter's lock changes hands
        at every step, and the event loop wants it: with a step per row the two threads spend their time waking each
        other up.
        """
        text = self._sized.get(rows)
        if text is None:
            head, _, values = self.text.rpartition(" VALUES ")
            text = self._sized[rows] = f"{head} VALUES {', '.join([values] * rows)}"
        return text


_compile = cache(_Compiled)


def run(connection: sqlite3.Connection, plan: Plan[T]) -> T:
    """Run a Plan inside the transaction that is open on the connection."""
    try:
        step = next(plan)
        while True:
            compiled = _compile(step.statement)
            if isinstance(step, Put):
                _put(connection, compiled, step.rows)
                step = plan.send([])
            elif compiled.lists:
                step = plan.send(connection.execute(*compiled.expand(step.values)).fetchall())
            else:
                step = plan.send(connection.execute(compiled.text, compiled.bind(step.values)).fetchall())
    except StopIteration as end:
        result: T = end.value
        return result


def _put(connection: sqlite3.Connection, compiled: _Compiled, rows: Sequence[Row]) -> None:
    if not compiled.is_insert:
        connection.executemany(compiled.text, rows if compiled.in_order else map(compiled.bind, rows))
        return
    start = 0
    while start < len(rows):
        # Powers of two, so that a few statements serve every number of rows and stay prepared.
        size = min(_ROWS_AT_ONCE, 1 << ((len(rows) - start).bit_length() - 1))
        several = rows[start : start + size]
        bound = list(chain.from_iterable(several if compiled.in_order else map(compiled.bind, several)))
        connection.execute(compiled.repeat(size), bound)
        start += size


def put_all(connection: sqlite3.Connection, puts: Sequence[Put], *, alone: bool) -> None:
    """Inside the transaction that is open on the connection. `alone`: no other thread of Python wants to run. Then a step for
    each row is quicker than several statements for an odd number of them.
    """
    for each in puts:
        compiled = _compile(each.statement)
        if alone and len(each.rows) < _ROWS_AT_ONCE // 2:
            connection.executemany(compiled.text, each.rows if compiled.in_order else map(compiled.bind, each.rows))
        else:
            _put(connection, compiled, each.rows)


def explain(connection: sqlite3.Connection, statement: Statement) -> list[str]:
    """How SQLite would run it, one line per table, with any values."""
    compiled = _compile(statement)
    text = compiled.text
    for name in compiled.lists.values():
        text = text.replace(f"(__[POSTCOMPILE_{name}])", "(?)")
    rows = connection.execute(f"EXPLAIN QUERY PLAN {text}", (None,) * text.count("?"))
    return [row[3] for row in rows]
