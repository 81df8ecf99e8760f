"""Databases of other versions, and two programs at once, on PostgreSQL."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from config.secret import Secret
from gateway.store import migrations
from gateway.store.migrate import current_revision, migrate
from gateway.store.port import SchemaMismatch, StoreUnavailable
from gateway.store.postgres_connection import connect, find_address
from gateway.store.tables import REVISION, metadata
from tests.postgres_server import PASSWORD, PostgresServer
from tests.store.conftest import Bench, make_envelope, on_postgres

SECRET = Secret(PASSWORD)


@pytest.fixture
def empty(postgres_server: PostgresServer) -> Iterator[Bench]:
    name = postgres_server.make_database(template=None)
    yield Bench(postgres_server.url(name), postgres_server)
    postgres_server.drop_database(name)


@on_postgres
async def test_no_partition_tries_to_compress_what_is_sealed(bench: Bench):
    found = bench.query(
        "SELECT count(*), count(*) FILTER (WHERE attstorage = 'e') FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid "
        "WHERE relkind IN ('r', 'p') AND (relname LIKE 'envelopes%' AND attname = 'said' "
        "OR relname LIKE 'complaint_versions%' AND attname = 'document')"
    )
    assert found == [(10, 10)]


def be_newer(bench: Bench, serves: str | None) -> None:
    """As a later program's migration leaves the database."""
    bench.query("UPDATE alembic_version SET version_num = '9999'")
    bench.query(f"COMMENT ON TABLE alembic_version IS '{f'serves huiyin {serves}' if serves else ''}'")


def test_an_empty_database_gets_its_tables_and_a_second_time_changes_nothing(empty: Bench):
    assert current_revision(empty.url, SECRET) is None
    migrate(empty.url, SECRET)
    migrate(empty.url, SECRET)
    assert current_revision(empty.url, SECRET) == REVISION


def test_nodes_that_start_at_once_do_not_collide(empty: Bench):
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda _: migrate(empty.url, SECRET), range(6)))
    assert empty.query("SELECT version_num FROM alembic_version") == [(REVISION,)]


@on_postgres
async def test_the_migrations_lead_to_the_tables_of_the_code(bench: Bench, empty: Bench):
    def compare(connection: Connection) -> list[object]:
        options = {"include_name": lambda name, kind, _: kind != "table" or name in metadata.tables}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    async def make(create: bool, address: str) -> list[object]:
        engine = create_async_engine(
            "postgresql+asyncpg://", async_creator=lambda: connect(find_address(address, SECRET))
        )
        async with engine.begin() as connection:
            if create:
                await connection.run_sync(metadata.create_all)
            differences = await connection.run_sync(compare)
        await engine.dispose()
        return differences

    assert await make(create=False, address=bench.url) == []
    # Partial indexes are compared by name only; their conditions decide what stays fast.
    await make(create=True, address=empty.url)
    indexes = (
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexname LIKE 'ix_%' ORDER BY 1"
    )
    assert bench.query(indexes) == empty.query(indexes)


@on_postgres
async def test_a_newer_database_is_refused_by_migrate_and_by_open(bench: Bench):
    be_newer(bench, serves=None)
    with pytest.raises(SchemaMismatch, match="newer"):
        migrate(bench.url, SECRET)
    with pytest.raises(SchemaMismatch, match="newer"):
        await bench.open()
    assert current_revision(bench.url, SECRET) == "9999"


@on_postgres
async def test_a_newer_database_that_serves_this_program_is_worked_on_and_left_as_it_is(bench: Bench):
    be_newer(bench, serves=REVISION)
    bench.query("ALTER TABLE inbox ADD COLUMN of_the_future text")
    migrate(bench.url, SECRET)
    store = await bench.open()
    assert (await store.accept([make_envelope()]))[0].receipt
    assert current_revision(bench.url, SECRET) == "9999"


@on_postgres
async def test_a_newer_database_that_serves_only_later_programs_is_refused(bench: Bench):
    be_newer(bench, serves="5000")
    with pytest.raises(SchemaMismatch, match="newer"):
        await bench.open()


@on_postgres
async def test_a_column_that_comes_while_nodes_work_disturbs_none_of_them(bench: Bench):
    store = await bench.open()
    for number in range(10):
        await store.accept([make_envelope(f"before-{number}")])
    bench.query("ALTER TABLE inbox ADD COLUMN of_the_future text")
    bench.query("ALTER TABLE envelopes ADD COLUMN of_the_future text")
    assert (await store.accept([make_envelope("after")]))[0].receipt
    assert len(await store.claim_inbox(20, bench.clock.now, 60_000)) == 11


@on_postgres
async def test_a_database_from_before_the_first_release_is_kept_as_it_is_and_refused(bench: Bench):
    bench.query("UPDATE alembic_version SET version_num = '0006'")
    with pytest.raises(SchemaMismatch, match="first release"):
        migrate(bench.url, SECRET)
    with pytest.raises(SchemaMismatch, match="first release"):
        await bench.open()
    assert current_revision(bench.url, SECRET) == "0006"


@on_postgres
async def test_an_older_database_is_told_to_migrate(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gateway.store.migrate.REVISION", "9999")
    with pytest.raises(SchemaMismatch, match="huiyin migrate"):
        await bench.open()


async def test_an_empty_database_is_told_to_migrate_and_not_filled(empty: Bench):
    with pytest.raises(SchemaMismatch, match="huiyin migrate"):
        await empty.open()
    assert empty.query("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


def test_a_database_that_cannot_hold_chinese_is_refused(postgres_server: PostgresServer):
    postgres_server.query("postgres", "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'")
    with pytest.raises(StoreUnavailable, match="LATIN1"):
        migrate(postgres_server.url("latin"), SECRET)
    postgres_server.drop_database("latin")


def test_a_failed_migration_leaves_nothing_behind(empty: Bench):
    empty.query("CREATE TABLE tickets (theirs text)")
    with pytest.raises(StoreUnavailable, match="cannot be migrated"):
        migrate(empty.url, SECRET)
    assert empty.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == [("tickets",)]


@on_postgres
def test_a_step_that_serves_older_programs_says_so_in_the_database(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    versions = Path(migrations.__file__).parent / "versions"
    (tmp_path / "versions").mkdir()
    for step in (*versions.glob("0*.py"), versions.parent / "env.py"):
        (tmp_path / step.relative_to(versions.parent)).write_text(step.read_text("utf-8"), "utf-8")
    (tmp_path / "versions" / "9999_later.py").write_text(
        f"revision, down_revision, serves = '9999', '{REVISION}', '{REVISION}'\n\n\ndef upgrade():\n    pass\n", "utf-8"
    )
    monkeypatch.setattr("gateway.store.migrate.SCRIPTS", str(tmp_path))
    monkeypatch.setattr("gateway.store.postgres_migration.REVISION", "9999")
    migrate(bench.url, SECRET)
    assert bench.query("SELECT obj_description('alembic_version'::regclass)") == [(f"serves huiyin {REVISION}",)]


@on_postgres
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda url: url.replace("huiyin@", "nobody_known@"), "InvalidPassword"),
        (lambda url: url + "_missing", "InvalidCatalogName"),
        (lambda url: re.sub(r":\d+/", ":1/", url), "ConnectionRefused"),
    ],
)
async def test_what_is_wrong_with_the_place_is_said_without_the_password(bench: Bench, change, reason: str):
    with pytest.raises(StoreUnavailable, match=reason) as told:
        migrate(change(bench.url), SECRET)
    assert PASSWORD not in str(told.value)


@pytest.mark.parametrize(
    "url",
    ["postgresql://", "postgresql://host", "postgresql+psycopg://u@h/db", "postgresql://u:secret@h/db",
     "postgresql://u@h/db?password=secret"],
)  # fmt: skip
def test_an_address_that_is_none_or_holds_a_password_is_refused_without_repeating_it(url: str):
    with pytest.raises(ValueError, match="url") as told:
        find_address(url)
    assert "secret" not in str(told.value)
