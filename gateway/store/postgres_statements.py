"""Plans on PostgreSQL: statements compiled once for asyncpg, an INSERT of many rows sent as one statement."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, TypeVar

import asyncpg
from sqlalchemy import BigInteger, Boolean, Insert, Integer, LargeBinary, SmallInteger
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.types import TypeEngine

from gateway.store.plan import Plan, Put, Row, Statement

T = TypeVar("T")

SENT_BYTES = 32 * 1024 * 1024
"""Bytes of one INSERT: PostgreSQL cannot hold an array of a gigabyte, and should not have to try."""


_DIALECT: Any = asyncpg_dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


class _Compiled:
    """A statement as asyncpg takes it: text with `$1`, and for each of these where its value comes from."""

    def __init__(self, statement: Statement) -> None:
        compiled: Any = statement.element.compile(dialect=_DIALECT)
        names = statement.names
        order: list[str] = list(compiled.positiontup)
        self.text = str(compiled)
        for place, name in enumerate(order, 1):
            # An array is one value, so the statement stays prepared whatever the length of the list.
            self.text = self.text.replace(f" IN (__[POSTCOMPILE_{name}])", f" = ANY(${place})")
        self.sources = [(names.index(name), None) if name in names else (-1, compiled.params[name]) for name in order]
        self.columns = _find_columns(statement)
        if self.columns is not None and isinstance(statement.element, Insert):
            table = statement.element.table
            quote = compiled.preparer.quote
            listed = ", ".join(quote(name) for name in names)
            arrays = ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(self.columns, 1))
            # The rows come out of unnest in their order, so numbers given by a sequence follow it.
            self.text = f"INSERT INTO {quote(table.name)} ({listed}) SELECT * FROM unnest({arrays})"  # noqa: S608 - names of our own tables

    def bind(self, values: Row) -> list[Any]:
        return [_clean(constant if index < 0 else values[index]) for index, constant in self.sources]


_compile = cache(_Compiled)


def _find_columns(statement: Statement) -> list[str] | None:
    """The column types of an INSERT of plain rows; None for any other statement."""
    if not isinstance(statement.element, Insert):
        return None
    columns = statement.element.table.c
    return [_name_type(columns[name].type) for name in statement.names]


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


async def run(connection: "asyncpg.Connection[Any]", plan: Plan[T]) -> T:
    """Run a Plan inside the transaction that is open on the connection."""
    try:
        step = next(plan)
        while True:
            compiled = _compile(step.statement)
            if isinstance(step, Put):
                await _put(connection, compiled, step.rows)
                step = plan.send([])
            else:
                records = await connection.fetch(compiled.text, *compiled.bind(step.values))
                step = plan.send(list(map(tuple, records)))
    except StopIteration as end:
        result: T = end.value
        return result


async def _put(connection: "asyncpg.Connection[Any]", compiled: _Compiled, rows: Sequence[Row]) -> None:
    if compiled.columns is not None:
        for part in _split(rows, [at for at, kind in enumerate(compiled.columns) if kind == "bytea"]):
            await connection.execute(compiled.text, *_turn(part, compiled.columns))
    elif compiled.sources:
        await connection.executemany(compiled.text, [compiled.bind(row) for row in rows])
    else:
        for _ in rows:
            await connection.execute(compiled.text)


def _turn(rows: Sequence[Row], columns: Sequence[str]) -> Iterator[Sequence[Any]]:
    for values, kind in zip(zip(*rows, strict=True), columns, strict=True):
        yield [_clean(value) for value in values] if kind == "text" else values


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


async def explain(connection: "asyncpg.Connection[Any]", statement: Statement) -> list[str]:
    """How PostgreSQL would run it whatever the values, one line per step, with sequential scans made unattractive."""
    compiled = _compile(statement)
    async with connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE shown AS {compiled.text}")
        values = ", ".join(["NULL"] * len(compiled.sources))
        rows = await connection.fetch(f"EXPLAIN EXECUTE shown{f'({values})' if values else ''}")
        await connection.execute("DEALLOCATE shown")
    return [row[0] for row in rows]
