"""The engines that the settings name: where complaints, keys and attachments are kept. The only place that knows which there are."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from config.durable import make_folder
from config.keys import Keyring, make_keyring, read_keyring
from config.load import SettingsError
from config.settings import Settings
from gateway.ops.time import SystemClock
from gateway.store.blobs import Blobs, FileBlobs
from gateway.store.migrate import current_revision, is_postgres, migrate
from gateway.store.port import Store
from gateway.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from gateway.store.postgres_hints import Hints


def find_store_url(settings: Settings) -> str:
    """Holds no secret. Raises SettingsError for an engine this version does not have, or one that is not installed."""
    url = settings.store.url or f"sqlite:///{Path(settings.data_dir) / 'huiyin.db'}"
    if is_postgres(url):
        try:
            from gateway.store.postgres_connection import find_address
        except ImportError:
            raise SettingsError(
                "settings: store.url: PostgreSQL needs the extra `postgres`: pip install 'huiyin[postgres]'"
            ) from None
        try:
            find_address(url)
        except ValueError as error:
            raise SettingsError(f"settings: store.url: {error}") from None
    elif not url.startswith("sqlite:///") or url == "sqlite:///":
        raise SettingsError(
            "settings: store.url: this version stores in sqlite:///path or postgresql://user@host/database, "
            f"not in {url.partition(':')[0]}"
        )
    return url


def find_key_file(settings: Settings) -> Path:
    return settings.keys.file or Path(settings.data_dir) / "keys" / "master.key"


def open_keyring(settings: Settings) -> Keyring:
    """Made at the first start, before there is a store. Raises SettingsError, StoreUnavailable."""
    path, command = find_key_file(settings), settings.keys.command
    keyring = read_keyring(path, command)
    if keyring is None and find_revision(settings) is not None:
        raise SettingsError(
            f"settings: keys.file: there is no key file at {path}, and what is stored is sealed with one: "
            "copy it there from the other node or the safe place it is kept in"
        )
    return keyring or make_keyring(path)


def make_data_dir(settings: Settings) -> None:
    make_folder(Path(settings.data_dir))


def open_store(settings: Settings, *, sealed: bool = False, beside: bool = False) -> Store:
    """`sealed`: without the keyring, for what can be read without it. `beside`: in a process beside the gateway's. Raises
    SettingsError as above.
    """
    read_keys = None if sealed else partial(open_keyring, settings)
    url = find_store_url(settings)
    if is_postgres(url):
        from gateway.store.postgres import PostgresStore

        return PostgresStore(
            url,
            read_keys,
            password=settings.store.password,
            clock=SystemClock(),
            queue_limit=settings.store.queue_limit,
            pool_size=settings.store.pool_size,
        )
    return SqliteStore(
        url,
        read_keys,
        clock=SystemClock(),
        queue_limit=settings.store.queue_limit,
        min_free_mb=settings.store.min_free_mb,
        beside=beside,
    )


def open_hints(settings: Settings, heard: Callable[[str], None]) -> "Hints | None":
    """Between the nodes on one PostgreSQL; there is nobody else at an embedded store."""
    url = find_store_url(settings)
    if not is_postgres(url):
        return None
    from gateway.store.postgres_hints import Hints

    return Hints(url, settings.store.password, heard)


def open_blobs(settings: Settings, store: Store) -> Blobs:
    return FileBlobs(Path(settings.data_dir) / "blobs", store)


def migrate_store(settings: Settings) -> str:
    """Bring the database to this version; returns the revision it has now. The keyring of a new one is made with it."""
    url = find_store_url(settings)
    open_keyring(settings)
    migrate(url, settings.store.password)
    return find_revision(settings) or "-"


def find_revision(settings: Settings) -> str | None:
    """None: there is no store yet. Raises SettingsError as above, and StoreUnavailable."""
    return current_revision(find_store_url(settings), settings.store.password)
