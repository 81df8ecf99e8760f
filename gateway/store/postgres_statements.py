"""Plans on PostgreSQL: statements compiled once for asyncpg, and as few round trips as there can be.

An INSERT of many rows is one statement. INSERTs that follow each other are one statement as well, and if a Plan does
nothing else, as most accepts do, that statement is the whole transaction.

Every value sent costs both sides some 0.2 us, so a column that is the same in all rows is sent as one value, as long as it
always was, and one that several of the INSERTs have in common is sent once.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import Any, TypeVar

from sqlalchemy import BigInteger, Boolean, Insert, Integer, LargeBinary, SmallInteger
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.types import TypeEngine

from gateway.store.plan import Plan, Put, Row, Statement
from gateway.store.postgres_connection import Transaction
from gateway.store.postgres_pool import Connection

T = TypeVar("T")

SENT_BYTES = 32 * 1024 * 1024
"""Bytes of one statement: PostgreSQL cannot hold an array of a gigabyte, and should not have to try."""


_DIALECT: Any = asyncpg_dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


class _Compiled:
    """A statement as asyncpg takes it: text with `$1`, and for each of these where its value comes from."""

    def __init__(self, statement: Statement) -> None:
        compiled: Any = statement.element.compile(dialect=_DIALECT)
        names = statement.names
        self.text = str(compiled)
        lists = [name for name in compiled.positiontup if f"[POSTCOMPILE_{name}]" in self.text]
        # SQLAlchemy numbers the single values alone; the lists come behind them.
        order: list[str] = [name for name in compiled.positiontup if name not in lists] + lists
        for name in lists:
            # An array is one value, so the statement stays prepared whatever the length of the list.
            self.text = self.text.replace(f" IN (__[POSTCOMPILE_{name}])", f" = ANY(${order.index(name) + 1})")
        self.sources = [(names.index(name), None) if name in names else (-1, compiled.params[name]) for name in order]
        self.columns: list[str] | None = None
        self.varying: set[int] = set()
        """The columns that were not the same in all rows, once at least: it only grows, so the text settles."""
        self.heavy: list[int] = []
        if isinstance(statement.element, Insert):
            if tuple(order) != names:
                raise ValueError("an INSERT takes its values in the order of its columns")
            self.columns = [_name_type(statement.element.table.c[name].type) for name in order]
            self.heavy = [at for at, kind in enumerate(self.columns) if kind == "bytea"]
            # INSERT INTO t (a, b) VALUES ($1::VARCHAR, 0) -> INSERT INTO t (a, b) SELECT {0}, 0
            head, _, values = self.text.partition(" VALUES (")
            chosen = values.partition(" RETURNING ")[0].rpartition(")")[0]
            chosen = re.sub(r"\$(\d+)::\w+", lambda found: f"{{{int(found[1]) - 1}}}", chosen)
            self.text = f"{head} SELECT {chosen}"

    def note_varying(self, columns: Sequence[Row]) -> None:
        for at, column in enumerate(columns):
            if at not in self.varying and column.count(column[0]) < len(column):
                self.varying.add(at)
        if not self.varying:
            self.varying.add(0)  # one must say how many rows there are

    def write_insert(self, places: Sequence[int], arrays: Sequence[int]) -> str:
        """The text of an INSERT whose columns are the values sent at these places; `arrays`: those with one for each row,
        none for a single row.
        """
        sent = [f"${place}::{kind}" for place, kind in zip(places, self.columns or (), strict=True)]
        if not arrays:
            return self.text.format(*sent)
        chosen = [f"v{at}" if at in arrays else value for at, value in enumerate(sent)]
        given, fields = ", ".join(f"{sent[at]}[]" for at in arrays), ", ".join(chosen[at] for at in arrays)
        # The rows come out of unnest in their order, so numbers given by a sequence follow it.
        return f"{self.text.format(*chosen)} FROM unnest({given}) AS given ({fields})"

    def bind(self, values: Row) -> list[Any]:
        return [_clean(constant if index < 0 else values[index]) for index, constant in self.sources]


_compile = cache(_Compiled)


def _name_type(column_type: TypeEngine[Any]) -> str:
    match column_type:
        case BigInteger():
            return "bigint"
        case SmallInteger():
            return "smallint"
        case Integer():
            return "integer"
        case Boolean():
            return "boolean"
        case LargeBinary():
            return "bytea"
        case _:
            return "text"


def _clean(value: Any) -> Any:
    # PostgreSQL has no U+0000 in text. It is kept as its picture; the raw bytes of an envelope stay as they are.
    return value.replace("\0", "\u2400") if isinstance(value, str) and "\0" in value else value


@lru_cache(1024)
def _join(inserts: tuple[tuple[_Compiled, tuple[int, ...]], ...], places: tuple[int, ...]) -> str:
    """One statement that does all of these: each with its columns that are arrays, and where its columns are sent."""
    texts: list[str] = []
    before = 0
    for insert, arrays in inserts:
        after = before + len(insert.columns or ())
        texts.append(insert.write_insert(places[before:after], arrays))
        before = after
    named = ", ".join(f"part{place} AS ({text})" for place, text in enumerate(texts[:-1]))
    return f"WITH {named} {texts[-1]}" if named else texts[-1]


async def run(transaction: Transaction, plan: Plan[T]) -> T:
    """Run a Plan. Its last INSERTs are left to the commit, which sends them."""
    waiting: list[tuple[_Compiled, Sequence[Row]]] = []
    try:
        step = next(plan)
        while True:
            compiled = _compile(step.statement)
            if isinstance(step, Put) and compiled.columns is not None:
                waiting.append((compiled, step.rows))
                step = plan.send([])
                continue
            connection = await transaction.begin()
            await _insert(connection, waiting)
            waiting = []
            if isinstance(step, Put):
                await _repeat(connection, compiled, step.rows)
                step = plan.send([])
            else:
                records = await connection.fetch(compiled.text, *compiled.bind(step.values))
                step = plan.send(list(map(tuple, records)))
    except StopIteration as end:
        result: T = end.value
    if _weigh(waiting) <= SENT_BYTES:
        transaction.leave(*_write(waiting))
    else:
        await _insert(await transaction.begin(), waiting)
    return result


async def _repeat(connection: Connection, compiled: _Compiled, rows: Sequence[Row]) -> None:
    if compiled.sources:
        await connection.executemany(compiled.text, [compiled.bind(row) for row in rows])
    else:
        for _ in rows:
            await connection.execute(compiled.text)


async def _insert(connection: Connection, inserts: Sequence[tuple[_Compiled, Sequence[Row]]]) -> None:
    if _weigh(inserts) <= SENT_BYTES:
        text, values = _write(inserts)
        if text:
            await connection.execute(text, *values)
        return
    for compiled, rows in inserts:
        for part in _split(rows, compiled.heavy):
            text, values = _write([(compiled, part)])
            await connection.execute(text, *values)


def _weigh(inserts: Sequence[tuple[_Compiled, Sequence[Row]]]) -> int:
    return sum(
        len(row[at]) for compiled, rows in inserts for at in compiled.heavy for row in rows if row[at] is not None
    )


def _write(inserts: Sequence[tuple[_Compiled, Sequence[Row]]]) -> tuple[str, list[Any]]:
    """Text and values of one statement; an empty text for nothing."""
    if not inserts:
        return "", []
    values: list[Any] = []
    places: list[int] = []
    shared: list[tuple[str, Row, int]] = []
    forms: list[tuple[_Compiled, tuple[int, ...]]] = []
    for compiled, rows in inserts:
        columns = list(zip(*rows, strict=True))
        if len(rows) > 1:
            compiled.note_varying(columns)
        arrays = tuple(sorted(compiled.varying)) if len(rows) > 1 else ()
        forms.append((compiled, arrays))
        for at, (column, kind) in enumerate(zip(columns, compiled.columns or (), strict=True)):
            if at not in arrays:
                values.append(_clean(column[0]))
                places.append(len(values))
                continue
            place = next((place for other, sent, place in shared if other == kind and sent == column), 0)
            if not place:
                values.append(_clean_all(column) if kind == "text" else column)
                place = len(values)
                shared.append((kind, column, place))
            places.append(place)
    return _join(tuple(forms), tuple(places)), values


def _clean_all(texts: Row) -> Row:
    return tuple(map(_clean, texts)) if "\0" in "".join(filter(None, texts)) else texts


def _split(rows: Sequence[Row], heavy: Sequence[int]) -> Iterator[Sequence[Row]]:
    if not heavy:
        yield rows
        return
    start = size = 0
    for place, row in enumerate(rows):
        own = sum(len(row[at]) for at in heavy if row[at] is not None)
        if size + own > SENT_BYTES and place > start:
            yield rows[start:place]
            start, size = place, 0
        size += own
    yield rows[start:]


async def explain(connection: Connection, statement: Statement) -> list[str]:
    """How PostgreSQL would run it whatever the values, one line per step, with sequential scans made unattractive."""
    compiled = _compile(statement)
    async with connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE shown AS {compiled.text}")
        values = ", ".join(["NULL"] * len(compiled.sources))
        rows = await connection.fetch(f"EXPLAIN EXECUTE shown{f'({values})' if values else ''}")
        await connection.execute("DEALLOCATE shown")
    return [row[0] for row in rows]
