import sqlite3
import stat
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from gateway.states import DutyState, EnvelopeState
from gateway.store.migrate import current_revision, migrate
from gateway.store.port import SchemaMismatch, StoreUnavailable
from gateway.store.rows import Moved, Settled, Target
from gateway.store.tables import REVISION, metadata
from tests.store.chains import seal_all, verify
from tests.store.conftest import LEASE, NOW, Bench, make_duty, make_envelope, on_sqlite, register_one


def set_revision(path: Path, revision: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))


def test_an_empty_place_becomes_a_database_of_this_version(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/new/huiyin.db"
    assert current_revision(url) is None
    assert not (tmp_path / "new").exists()
    migrate(url)
    assert current_revision(url) == REVISION
    migrate(url)
    assert current_revision(url) == REVISION


@on_sqlite
def test_the_migrations_lead_to_the_tables_of_the_code(bench: Bench):
    engine = create_engine(bench.url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()
    # Partial indexes are compared by name only; their conditions decide what stays fast.
    fresh = create_engine("sqlite://")
    metadata.create_all(fresh)
    with fresh.connect() as connection:
        wanted = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'index'").all()
    assert set(bench.query("SELECT name, sql FROM sqlite_master WHERE type = 'index'")) >= set(map(tuple, wanted))


def test_the_code_names_the_last_migration():
    config = Config()
    config.set_main_option("script_location", "gateway.store:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == REVISION


@on_sqlite
def test_a_new_database_is_for_its_owner_only_and_keeps_a_write_ahead_log(bench: Bench):
    assert stat.S_IMODE(bench.path.stat().st_mode) == 0o600
    assert bench.query("PRAGMA journal_mode") == [("wal",)]


@on_sqlite
async def test_a_newer_database_is_refused_by_migrate_and_by_open(bench: Bench):
    set_revision(bench.path, "9999")
    with pytest.raises(SchemaMismatch, match="newer"):
        migrate(bench.url)
    with pytest.raises(SchemaMismatch, match="newer"):
        await bench.open()
    assert current_revision(bench.url) == "9999"


@on_sqlite
def test_a_database_from_before_the_first_release_is_kept_as_it_is_and_refused(bench: Bench):
    set_revision(bench.path, "0001")
    with sqlite3.connect(bench.path) as connection:
        connection.execute("DROP TABLE numbering")
    before = bench.query("SELECT name, sql FROM sqlite_master ORDER BY name")
    with pytest.raises(SchemaMismatch, match="first release"):
        migrate(bench.url)
    assert bench.query("SELECT name, sql FROM sqlite_master ORDER BY name") == before


@on_sqlite
async def test_an_older_database_is_told_to_migrate(bench: Bench):
    set_revision(bench.path, "0000")
    with pytest.raises(SchemaMismatch, match="huiyin migrate"):
        await bench.open()


async def test_a_missing_database_is_told_to_migrate_and_not_made(tmp_path: Path):
    bench = Bench(f"sqlite:///{tmp_path / 'none.db'}")
    with pytest.raises(SchemaMismatch, match="huiyin migrate"):
        await bench.open()
    assert not bench.path.exists()


def test_a_failed_migration_leaves_nothing_behind(tmp_path: Path):
    bench = Bench(f"sqlite:///{tmp_path / 'huiyin.db'}")
    with sqlite3.connect(bench.path) as connection:
        connection.execute("CREATE TABLE tickets (theirs TEXT)")
    with pytest.raises(StoreUnavailable):
        migrate(bench.url)
    assert bench.query("SELECT name FROM sqlite_master WHERE type = 'table'") == [("tickets",)]


async def test_a_file_that_is_no_database_is_refused_in_words(tmp_path: Path):
    bench = Bench(f"sqlite:///{tmp_path / 'huiyin.db'}")
    bench.path.write_bytes(b"not a database, " * 100)
    with pytest.raises(StoreUnavailable, match="NOTADB"):
        await bench.open()


@pytest.mark.parametrize("url", ["", "sqlite://", "sqlite:///:memory:", "mysql://host/db", "huiyin.db"])
def test_only_a_sqlite_file_is_taken(url: str):
    with pytest.raises(ValueError, match="sqlite:///path"):
        current_revision(url)


# --- from the versions before --------------------------------------------------------------------------------------

TABLES_OF_0001 = (
    "numbering",
    "envelopes",
    "inbox",
    "threads",
    "cursors",
    "complaints",
    "complaint_versions",
    "duties",
    "tickets",
    "history",
)


async def fill_as_0001(bench: Bench, old: Bench) -> None:
    """`old` becomes a database of 0001 with the rows that this history left there then."""
    store = await bench.open()
    await register_one(store, make_duty(), make_duty("attach"))
    await store.accept([make_envelope("k2"), make_envelope("k3")])
    aside, _ = await store.claim_inbox(2, NOW, LEASE)
    await store.register([Moved(item=aside, state=EnvelopeState.SET_ASIDE, code="odd")], NOW)
    (duty,) = await store.claim_duties(Target.SYSTEM, "ledger", 10, NOW, LEASE)
    await store.settle([Settled(duty=duty, state=DutyState.DONE, ticket="T-1")], NOW)
    await store.close()
    engine = create_engine(old.url, isolation_level="AUTOCOMMIT")
    config = Config()
    config.set_main_option("script_location", "gateway.store:migrations")
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.exec_driver_sql("ATTACH DATABASE ? AS new", (str(bench.path),))
        for table in TABLES_OF_0001:
            condition = "WHERE event <> 'duty.owed'" if table == "history" else ""
            connection.exec_driver_sql(f"DELETE FROM main.{table}")
            columns = ", ".join(
                f'"{row[1]}"' for row in connection.exec_driver_sql(f"PRAGMA main.table_info({table})").all()
            )
            connection.exec_driver_sql(
                f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table} {condition}"
            )
    engine.dispose()


@on_sqlite
async def test_a_store_filled_by_0001_is_upgraded_with_all_its_rows_and_its_history_is_sealed(
    bench: Bench, tmp_path: Path
):
    old = Bench(f"sqlite:///{tmp_path / 'old.db'}")
    await fill_as_0001(bench, old)
    assert current_revision(old.url) == "0001"
    with pytest.raises(SchemaMismatch, match="huiyin migrate"):
        await old.open()
    before = {table: old.query(f"SELECT * FROM {table}") for table in TABLES_OF_0001}
    widths = {table: len(old.query(f"PRAGMA table_info({table})")) for table in TABLES_OF_0001}
    migrate(old.url)
    assert current_revision(old.url) == REVISION
    after = {
        # New columns stand behind the old ones.
        table: [row[: widths[table]] for row in old.query(f"SELECT * FROM {table}")]
        for table in TABLES_OF_0001
    }
    born = after["history"][len(before["history"]) :]
    assert {**after, "history": after["history"][: len(before["history"])]} == before
    assert sorted(row[3] for row in born) == sorted(row[0] for row in before["duties"])
    assert {row[4] for row in born} == {"duty.owed"}
    store = await old.open()
    await seal_all(store)
    assert (await verify(store)).rows == len(after["history"])
    assert old.query("SELECT subject, state, count FROM tallies WHERE day = '' AND count ORDER BY subject, state") == [
        ("envelope", "accepted", 1),
        ("envelope", "came", 3),
        ("envelope", "registered", 1),
        ("envelope", "set_aside", 1),
        ("system", "came", 2),
        ("system", "done", 1),
        ("system", "waiting", 1),
    ]
    await old.close()
