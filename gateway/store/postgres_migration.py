"""Migrating a PostgreSQL database, by the same steps and the same driver as everything else.

The functions without `async` may be called anywhere; they do their work in a thread with an event loop of its own.
"""

import asyncio
import re
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from config.secret import Secret
from gateway.contract.clock import Millis
from gateway.store import migrate as steps
from gateway.store import postgres_pool as postgres
from gateway.store.months import FIND_MISSING, make_partition, months_from, name_partitions
from gateway.store.port import SchemaMismatch, StoreUnavailable
from gateway.store.postgres_connection import Address, connect, explain_absence, find_address, is_away, say_away
from gateway.store.tables import REVISION

T = TypeVar("T")

_LOCK = 0x4855_4959_494E
"""Of all programs that migrate this database, one at a time ("HUIYIN")."""
_SERVES = "serves huiyin "
"""Said in the comment on the table of the revision, so that a program that knows less can read it."""


def migrate(url: str, password: Secret | None) -> None:
    """See `gateway.store.migrate.migrate`. Makes the partitions of the months ahead as well. A newer database that still serves this program is left as it is."""
    _run(_migrate(find_address(url, password)))


def current_revision(url: str, password: Secret | None) -> str | None:
    return _run(_with_connection(find_address(url, password), _read_revision))[0]


async def check_connected(connection: postgres.Connection) -> None:
    """Raises SchemaMismatch unless this program can work on the database."""
    steps.judge_revision(*(await _read_revision(connection)))


async def _read_revision(connection: postgres.Connection) -> tuple[str | None, str | None]:
    """The revision, and the oldest program that it serves (None: as the revision itself)."""
    if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None, None
    current: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    comment: str | None = await connection.fetchval("SELECT obj_description('alembic_version'::regclass, 'pg_class')")
    return current, comment.removeprefix(_SERVES) if comment and comment.startswith(_SERVES) else None


async def _look(connection: postgres.Connection) -> tuple[str | None, str | None]:
    encoding = await connection.fetchval("SHOW server_encoding")
    if encoding != "UTF8":
        raise StoreUnavailable(
            f"the database is encoded in {encoding}; make it with ENCODING 'UTF8' TEMPLATE template0"
        )
    return await _read_revision(connection)


async def _migrate(address: Address) -> None:
    current, serves = await _with_connection(address, _look)
    if current is not None and current > REVISION:
        steps.judge_revision(current, serves)
        return
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=partial(connect, address, patient=True), poolclass=NullPool
    )
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade)
    except DBAPIError as error:
        name = type(error.orig.__cause__ if error.orig else error).__name__
        raise StoreUnavailable(f"the database cannot be migrated ({name})") from None
    except SchemaMismatch:
        raise
    except Exception as error:
        if is_away(error):
            raise StoreUnavailable(say_away(error)) from None
        raise
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    serves = steps.upgrade(connection)
    if not re.fullmatch(r"\w+", serves):
        raise ValueError(f"a step says that it serves {serves!r}, which is no revision")
    connection.execute(text(f"COMMENT ON TABLE alembic_version IS '{_SERVES}{serves}'"))
    wanted = name_partitions(months_from(Millis(time.time_ns() // 1_000_000)))
    for name in connection.exec_driver_sql(FIND_MISSING, (list(wanted),)).scalars().all():
        for statement in make_partition(name, *wanted[name]):
            connection.exec_driver_sql(statement)


async def _with_connection(address: Address, ask: Callable[[postgres.Connection], Coroutine[Any, Any, T]]) -> T:
    try:
        connection = await connect(address)
        try:
            return await ask(connection)
        finally:
            connection.terminate()
    except Exception as error:
        if is_away(error) or isinstance(error, ValueError):
            raise explain_absence(error) from None
        raise


def _run(work: Coroutine[Any, Any, T]) -> T:
    with ThreadPoolExecutor(1, thread_name_prefix="huiyin-migrate") as thread:
        return thread.submit(asyncio.run, work).result()
