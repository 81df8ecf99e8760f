"""Servers under test, started as whole processes on loopback, and the load on them."""

import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.databases import Database
from tests.ports import find_port

HERE = Path(__file__).parent
KEY = "benchmark-key-benchmark-key"
INSTANCE = "95561"


@dataclass(frozen=True)
class Server:
    name: str
    port: int
    pid: int
    data: Path | None = None
    database: Database | None = None

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """What its store says; a gateway's only."""
        if self.database is not None:
            return self.database.query(sql)
        if self.data is None:
            raise SystemExit(f"{self.name} has no store")
        with contextlib.closing(sqlite3.connect(f"file:{self.data / 'huiyin.db'}?mode=ro", uri=True)) as store:
            return store.execute(sql).fetchall()

    def cpu_s(self) -> float:
        """What the process itself has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> float:
        """Of the process and its children, in MB; what they have in common is counted once (the kernel's PSS)."""
        total = 0
        for pid in self._list_processes():
            with contextlib.suppress(OSError):
                found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
                total += int(found[1]) if found else 0
        return total / 1024

    def count_processes(self) -> int:
        """It and its children, without those that Python keeps for itself."""
        return sum(
            b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes() for pid in self._list_processes()
        )

    def _list_processes(self) -> list[int]:
        found = [self.pid]
        for pid in found:  # grows meanwhile
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    found += [int(child) for child in children.read_text().split()]
        return found


@dataclass(frozen=True)
class Turn:
    rate: float
    p50_ms: float
    p99_ms: float
    good: int


@contextlib.contextmanager
def started(
    name: str,
    command: list[str],
    port: int,
    *,
    cpu: str | None,
    data: Path | None = None,
    database: Database | None = None,
) -> Iterator[Server]:
    """The server, ready to answer; stopped and waited for at the end."""
    if cpu is not None:
        command = ["taskset", "-c", cpu, *command]
    environment = {**os.environ, **(database.environment if database else {})}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/live", timeout=2).close()
                break
            except urllib.error.HTTPError:
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    error = process.stderr.read().decode() if process.stderr else ""
                    raise SystemExit(f"{name} did not start: {error}") from None
                time.sleep(0.05)
        yield Server(name, port, process.pid, data, database)
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()


@contextlib.contextmanager
def bare(cpu: str | None) -> Iterator[Server]:
    port = find_port()
    with started("bare", [sys.executable, "-m", "benchmarks.bare", str(port)], port, cpu=cpu) as server:
        yield server


@contextlib.contextmanager
def plain(cpu: str | None, database: Database | None) -> Iterator[Server]:
    """See benchmarks/plain.py."""
    port = find_port()
    with tempfile.TemporaryDirectory(prefix="huiyin-bench-") as folder:
        store = database.server.url(database.name) if database else f"{folder}/plain.db"
        command = [sys.executable, "-m", "benchmarks.plain", str(port), store]
        with started("plain", command, port, cpu=cpu, database=database) as server:
            yield server


def write_config(folder: Path, database: Database | None = None, *, processes: int | None = None) -> Path:
    """One hotline and the ledger; `processes` of the server, where it is not to decide by itself."""
    path = folder / "bench.toml"
    text = f'[channels.{INSTANCE}]\nadapter = "hotline"\nkeys = ["{KEY}"]\n[systems.ledger]\nadapter = "ledger"\n'
    text += f"[server]\nprocesses = {processes}\n" if processes is not None else ""
    path.write_text(text + (database.settings if database else ""), "utf-8")
    return path


@contextlib.contextmanager
def gateway(
    cpu: str | None,
    *,
    roles: str = "",
    data: Path | None = None,
    database: Database | None = None,
    program: str = "gateway",
    processes: int | None = None,
) -> Iterator[Server]:
    """With one hotline channel and the ledger. Its data directory is removed, unless it was given. `program` is the
    module that is run.
    """
    port = find_port()
    folder = data or Path(tempfile.mkdtemp(prefix="huiyin-bench-"))
    config = write_config(folder, database, processes=processes)
    command = [sys.executable, "-m", program, "serve", "--config", str(config), "--data", str(folder)]
    command += ["--port", str(port), *(["--roles", roles] if roles else [])]
    try:
        with started(program, command, port, cpu=cpu, data=folder, database=database) as server:
            yield server
    finally:
        if data is None:
            shutil.rmtree(folder, ignore_errors=True)


def load(server: Server, connections: int, seconds: int, *, cpu: str | None) -> Turn:
    """One turn of closed-loop load by wrk; every request has a new id."""
    prefix = f"{server.name}-{time.time_ns():x}-"
    environment = {**os.environ, "BODY": str(HERE / "complaint.json"), "PREFIX": prefix, "KEY": KEY}
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(HERE / "post.lua")]
    command.append(f"http://127.0.0.1:{server.port}/intake/hotline")
    if cpu is not None:
        command = ["taskset", "-c", cpu, *command]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    found = re.search(r"^JSON (.*)$", output.stdout, re.MULTILINE)
    if not found:
        raise SystemExit(f"wrk: {output.stdout}{output.stderr}")
    told = json.loads(found[1])
    if told["bad"]:
        raise SystemExit(f"{server.name}: {told['bad']} answers were not 2xx")
    return Turn(told["requests"] / told["seconds"], told["p50_ms"], told["p99_ms"], told["requests"])
