"""Bringing a database to the version of this code, and refusing one that is not.

The steps are Alembic revisions in `migrations/versions`; Alembic itself is loaded only when something is migrated.

A step may name the oldest version of this program that can still work on the database after it, in a variable `serves`
beside its `revision`. On PostgreSQL that is kept with the database, and programs from there on accept it: migrate first,
then restart the nodes one by one. A step that names none serves its own version only. (An embedded database has one
program, which migrates it when it starts.)
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool

from config.durable import make_file
from config.secret import Secret
from gateway.store.port import SchemaMismatch, StoreUnavailable
from gateway.store.sqlite_connection import find_path
from gateway.store.tables import REVISION

SCRIPTS = "gateway.store:migrations"
FIRST_REVISION = "0010"
"""Of the first release. What was begun before it cannot be brought forward."""


def migrate(url: str, password: Secret | None = None) -> None:
    """Creates an embedded database if there is none; on PostgreSQL, the tables in a database that is there. All steps
    are one transaction; a second caller waits and finds it done.

    Raises SchemaMismatch if the database is newer than this code, StoreUnavailable if it cannot be used.
    """
    if is_postgres(url):
        from gateway.store import postgres_migration

        postgres_migration.migrate(url, password)
        return
    path = find_path(url)
    try:
        make_file(path)
    except OSError as error:
        raise StoreUnavailable(f"the database cannot be created: {error.strerror}") from error
    with _connect(url) as connection:
        # WAL stays with the file; it cannot be set inside a transaction.
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        upgrade(connection)
        connection.commit()


def upgrade(connection: Connection) -> str:
    """Runs the steps that are missing inside the connection's transaction; returns the oldest version of this program
    that can work on the outcome. Raises SchemaMismatch.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", SCRIPTS)
    scripts = ScriptDirectory.from_config(config)
    current = _read_revision(connection)
    _refuse_before_release(current)
    if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
        raise SchemaMismatch(_say_newer(current))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    return str(getattr(scripts.get_revision("head").module, "serves", REVISION))


def is_postgres(url: str) -> bool:
    return url.startswith(("postgresql:", "postgres:"))


def current_revision(url: str, password: Secret | None = None) -> str | None:
    """The revision a database is at; None if there is no database, or an empty one. Raises StoreUnavailable."""
    if is_postgres(url):
        from gateway.store import postgres_migration

        return postgres_migration.current_revision(url, password)
    path = find_path(url)
    if not path.exists() or path.stat().st_size == 0:
        return None
    with _connect(url) as connection:
        return _read_revision(connection)


def check_revision(url: str) -> None:
    """Raises SchemaMismatch unless the embedded database is at the revision of this code."""
    judge_revision(current_revision(url))


def judge_revision(current: str | None, serves: str | None = None) -> None:
    """Raises SchemaMismatch unless this code can work on a database at that revision. `serves`: the oldest version of
    this program that can, as the newest step said; None: that of the step itself.
    """
    if current is None:
        raise SchemaMismatch("there is no database yet; run `huiyin migrate`")
    _refuse_before_release(current)
    if current < REVISION:
        raise SchemaMismatch(
            f"the database is at version {current}, this program needs {REVISION}; run `huiyin migrate`"
        )
    if (serves or current) > REVISION:
        raise SchemaMismatch(_say_newer(current))


def _refuse_before_release(current: str | None) -> None:
    if current is not None and current < FIRST_REVISION:
        raise SchemaMismatch(
            "the database was begun by a version before the first release and cannot be brought forward; "
            "keep it aside and let the gateway begin a new one"
        )


def _say_newer(current: str) -> str:
    return (
        f"the database is at version {current}, newer than this program ({REVISION}); "
        "run the program version that wrote it, or a later one"
    )


def _read_revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


@contextmanager
def _connect(url: str) -> Iterator[Connection]:
    # Autocommit at the driver: pysqlite would otherwise commit before every CREATE TABLE.
    arguments: dict[str, Any] = {"isolation_level": None, "timeout": 30}
    engine = create_engine(url, poolclass=NullPool, connect_args=arguments)
    try:
        with engine.connect() as connection:
            yield connection
    except DatabaseError as error:
        name = getattr(error.orig, "sqlite_errorname", "unknown")
        raise StoreUnavailable(f"the database cannot be used now ({name})") from error
    finally:
        engine.dispose()
