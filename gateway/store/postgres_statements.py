"""Plans on PostgreSQL: statements compiled once for asyncpg, an INSERT of many rows sent as one statement."""

import re
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
        self.in_order = [index for index, _ in self.sources] == list(range(len(names)))
        self.columns: list[str] | None = None
        if isinstance(statement.element, Insert):
            types = statement.element.table.c
            self.columns = [_name_type(types[name].type) for name in order]
            # INSERT INTO t (a, b) VALUES ($1::VARCHAR, 0) -> INSERT INTO t (a, b) SELECT v1, 0 FROM unnest($1::text[]).
            # The rows come out of it in their order, so numbers given by a sequence follow it.
            head, _, values = self.text.partition(" VALUES (")
            chosen = re.sub(r"\$(\d+)::\w+", r"v\1", values.partition(" RETURNING ")[0].rpartition(")")[0])
            arrays = ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(self.columns, 1))
            fields = ", ".join(f"v{place}" for place in range(1, len(order) + 1))
            self.text = f"{head} SELECT {chosen} FROM unnest({arrays}) AS given ({fields})"  # noqa: S608 - our own tables

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
        bound = rows if compiled.in_order else [compiled.bind(row) for row in rows]
        for part in _split(bound, [at for at, kind in enumerate(compiled.columns) if kind == "bytea"]):
            await connection.execute(compiled.text, *_turn(part, compiled.columns))
    elif compiled.sources:
        await connection.executemany(compiled.text, [compiled.bind(row) for row in rows])
    else:
        for _ in rows:
            await connection.execute(compiled.text)


def _turn(rows: Sequence[Sequence[Any]], columns: Sequence[str]) -> Iterator[Sequence[Any]]:
    for values, kind in zip(zip(*rows, strict=True), columns, strict=True):
        yield [_clean(value) for value in values] if kind == "text" else values


def _split(rows: Sequence[Sequence[Any]], heavy: Sequence[int]) -> Iterator[Sequence[Sequence[Any]]]:
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
