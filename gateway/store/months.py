"""The months (UTC) of what customers said, and their partitions on PostgreSQL.

A row of `envelopes` belongs to the month in which its id was made, a complaint's versions to the month of the
complaint's id, so that a month's rows can be dropped as a whole. A month is made before it begins. What has no month of
its own goes into the rest, the partition of everything else, so an accept never fails for want of one; it moves over
when its month is made.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import uuid_utils

from gateway.contract.clock import Millis
from gateway.store.tables import complaint_versions, envelopes

AHEAD = 2
"""Months that are made ahead: a database that nobody looks after for so long still has its partitions."""

_PARTED = {envelopes.name: envelopes.c.id.name, complaint_versions.name: complaint_versions.c.complaint_id.name}
"""The tables that have partitions, and the column that says to which a row belongs."""

FIND_MISSING = "SELECT name FROM unnest($1::text[]) AS wanted (name) WHERE to_regclass(name) IS NULL"


def months_from(now: Millis, ahead: int = AHEAD) -> list[str]:
    """The month of `now` and those that follow, as `2026-11`."""
    months = [find_month(now)]
    for _ in range(ahead):
        months.append(find_month(_begin(months[-1], after=1)))
    return months


def find_month(at: Millis) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m}"


def find_month_of(id_: str) -> str:
    """The month in which a UUIDv7 was made. Raises ValueError for something else."""
    return find_month(find_time(id_))


def find_time(id_: str) -> Millis:
    """When a UUIDv7 was made."""
    return Millis(int(id_[:12], 16))


def bounds(month: str) -> tuple[str, str]:
    """The ids of a month are from the first of these on, and below the second: the time is what a UUIDv7 begins with."""
    return f"{_begin(month):012x}", f"{_begin(month, after=1):012x}"


def count_back(month: str, months: int) -> str:
    return find_month(_begin(month, after=-months))


def make_id_beside(id_: str) -> str:
    """A new id of the same moment as another one, so of its month."""
    return id_[:12] + uuid_utils.uuid7().hex[12:]


def name_partitions(months: list[str]) -> dict[str, tuple[str, str]]:
    """Name of a partition -> (table, month)."""
    return {f"{table}_{month.replace('-', '_')}": (table, month) for month in months for table in _PARTED}


def make_rest() -> Iterator[str]:
    """SQL that makes the partitions of everything that has no other."""
    for table in _PARTED:
        yield f"CREATE TABLE {table}_rest PARTITION OF {table} DEFAULT"


def make_partition(name: str, table: str, month: str) -> Iterator[str]:
    """SQL that makes one, in a transaction. It is filled first and attached then, which holds up nobody who works on
    other months; CREATE TABLE ... PARTITION OF would wait for all of them, and let all of them wait.
    """
    first, end = bounds(month)
    column = _PARTED[table]
    yield f"LOCK TABLE ONLY {table} IN SHARE UPDATE EXCLUSIVE MODE"
    yield f"LOCK TABLE {table}_rest IN ACCESS EXCLUSIVE MODE"
    yield f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)"
    yield (
        f"WITH found AS (DELETE FROM {table}_rest WHERE {column} >= '{first}' AND {column} < '{end}' RETURNING *) "  # noqa: S608 - our own tables
        f"INSERT INTO {name} SELECT * FROM found"
    )
    yield f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{first}') TO ('{end}')"


def drop_partitions(month: str) -> Iterator[str]:
    """SQL that drops a month's partitions, in a transaction in which nobody else is at these tables any more."""
    for name in name_partitions([month]):
        yield f"DROP TABLE IF EXISTS {name}"


HOLD_ALL = f"LOCK TABLE {', '.join(f'ONLY {table}' for table in _PARTED)} IN ACCESS EXCLUSIVE MODE"


def _begin(month: str, after: int = 0) -> Millis:
    year, number = map(int, month.split("-"))
    number += after - 1
    return Millis(int(datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC).timestamp() * 1000))
