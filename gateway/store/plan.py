"""How the store's procedures are written once for all engines.

A Plan is a generator: it yields the statements it wants run and gets their rows, and returns its result. It knows no
connection and awaits nothing, so a synchronous engine (SQLite's writer thread) and an asynchronous one can both run it.
Everything a Plan yields belongs to one transaction. A Plan may be run again from the start if that transaction failed.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, TypeVar

from sqlalchemy import ClauseElement, ColumnElement, Table, bindparam, insert, literal_column

T = TypeVar("T")
Row: TypeAlias = tuple[Any, ...]

CHUNK = 1000
"""Values per IN list; engines have limits on the number of bound values."""


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """A statement and the names of its values in the order in which a Plan gives them. Engines compile it once."""

    element: ClauseElement
    names: tuple[str, ...]


class Ask(NamedTuple):
    """Run once; the Plan gets the rows (none for a write). The value of an IN list is a sequence."""

    statement: Statement
    values: Row = ()


class Put(NamedTuple):
    """Run for every row of values; the Plan gets nothing."""

    statement: Statement
    rows: Sequence[Row]


Plan: TypeAlias = Generator[Ask | Put, list[Row], T]


def insert_into(table: Table, *left_out: str, **fixed: str | int) -> Statement:
    """One row of values in the order of the table's columns, without those `left_out` (the engine numbers them) and
    those that are the same in every row.
    """
    names = tuple(each.name for each in table.columns if each.name not in left_out and each.name not in fixed)
    values = {name: literal(value) for name, value in fixed.items()} | {name: bindparam(name) for name in names}
    return Statement(insert(table).values(values), names)


def is_in(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    return column.in_(bindparam(name, expanding=True))


def word(value: str) -> ColumnElement[str]:
    """A constant of ours as SQL text: a partial index is used only where its condition stands literally."""
    return literal_column(f"'{value}'")


def literal(value: str | int) -> ColumnElement[Any]:
    """The same for numbers too: what is written into the statement need not be bound for every row."""
    return literal_column(str(value)) if isinstance(value, int) else word(value)


def ask_for(statement: Statement, values: Sequence[Any], *rest: Any) -> Plan[list[Row]]:
    """The rows for a list of any length; the list is the statement's first value. Asks nothing for none."""
    found: list[Row] = []
    for start in range(0, len(values), CHUNK):
        found += yield Ask(statement, (values[start : start + CHUNK], *rest))
    return found


def list_puts(plan: Plan[T]) -> tuple[list[Put], T] | None:
    """All that a Plan puts, and its result. None where it asks: then it has to be run."""
    puts: list[Put] = []
    try:
        step = next(plan)
        while isinstance(step, Put):
            puts.append(step)
            step = plan.send([])
    except StopIteration as end:
        return puts, end.value
    return None


def put(statement: Statement, rows: Sequence[Row]) -> Plan[None]:
    """Nothing happens for no rows."""
    if rows:
        yield Put(statement, rows)
