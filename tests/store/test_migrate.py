import sqlite3
import stat
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from gateway.store.migrate import current_revision, migrate
from gateway.store.port import SchemaMismatch, StoreUnavailable
from gateway.store.tables import REVISION, metadata
from tests.store.conftest import Bench, on_sqlite


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
@pytest.mark.parametrize("revision", ["0001", "0006"])
async def test_a_database_from_before_the_first_release_is_kept_as_it_is_and_refused(bench: Bench, revision: str):
    set_revision(bench.path, revision)
    before = bench.query("SELECT name, sql FROM sqlite_master ORDER BY name")
    with pytest.raises(SchemaMismatch, match="first release"):
        migrate(bench.url)
    with pytest.raises(SchemaMismatch, match="first release"):
        await bench.open()
    assert bench.query("SELECT name, sql FROM sqlite_master ORDER BY name") == before
    assert current_revision(bench.url) == revision


@on_sqlite
async def test_an_older_database_is_told_to_migrate(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gateway.store.migrate.REVISION", "9999")
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
