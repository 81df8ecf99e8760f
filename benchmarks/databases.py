"""Where the gateways under test keep what they accept: a file each, or a database each on one PostgreSQL of ours."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.keys import make_keyring
from tests.postgres_server import PASSWORD, PostgresServer

STORES = ("sqlite", "postgres")


@dataclass(frozen=True)
class Database:
    """A database on the server, with all tables and nothing in them."""

    name: str
    server: PostgresServer
    keys: Path

    @property
    def settings(self) -> str:
        return f'[store]\nurl = "{self.server.url(self.name)}"\n[keys]\nfile = "{self.keys}"\n'

    @property
    def environment(self) -> dict[str, str]:
        return {"HUIYIN__STORE__PASSWORD": PASSWORD}

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return self.server.query(self.name, sql, *values)

    def measure_mb(self) -> float:
        return float(self.query("SELECT pg_database_size(current_database())")[0][0]) / 2**20


Make = Callable[[], Database | None]


@contextlib.contextmanager
def opened(store: str, cpu: str | None) -> Iterator[Make]:
    """Makes a database for each gateway; None stands for a file in its data directory. The server syncs, and vacuums by
    itself, as a bank's does.
    """
    if store == "sqlite":
        yield lambda: None
        return
    server = PostgresServer(durable=True, vacuum=True)
    folder = Path(tempfile.mkdtemp(prefix="huiyin-keys-"))
    keys = folder / "master.key"  # of all nodes at a database
    make_keyring(keys)
    try:
        if cpu is not None:
            # Those it starts later inherit it; what it has started already rarely runs.
            os.sched_setaffinity(server.pid, {int(cpu)})
        yield lambda: Database(server.make_database(), server, keys)
    finally:
        server.remove()
        shutil.rmtree(folder)
