"""The gateway as a user runs it: a process of its own, with a data directory, killed or drained from outside."""

import contextlib
import json
import os
import queue
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters.ledger.book import name_document
from config.keys import read_keyring
from gateway.store.plan import Row
from gateway.store.sqlite_connection import connect, run
from gateway.store.vault import Vault

KEY = "test-key-for-the-hotline"
START_LIMIT_S = 60.0
ROOT = Path(__file__).resolve().parent.parent

HOTLINE_AND_LEDGER = f"""
[channels.95561]
adapter = "hotline"
keys = ["{KEY}"]

[systems.ledger]
adapter = "ledger"

[stages]
lease_s = 5
poll_ms = 50
"""
"""A short lease, so that what a killed process held is free again soon."""


@dataclass
class Running:
    process: subprocess.Popen[str]
    ready: dict[str, Any]
    output: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ready['port']}"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def write_config(data: Path, text: str = HOTLINE_AND_LEDGER) -> Path:
    data.mkdir(parents=True, exist_ok=True)
    path = data / "huiyin.toml"
    path.write_text(text, "utf-8")
    return path


@contextlib.contextmanager
def gateway(data: Path, *arguments: str, environment: dict[str, str] | None = None, port: int = 0) -> Iterator[Running]:
    """Started and listening; killed at the end if it still runs."""
    command = [sys.executable, "-m", "gateway", "serve", "--data", str(data), "--port", str(port), *arguments]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
    )
    lines: queue.Queue[str | None] = queue.Queue()
    running = Running(process, {})

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            running.output.append(line)
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    try:
        deadline = time.monotonic() + START_LIMIT_S
        while not running.ready:
            line = lines.get(timeout=max(0.1, deadline - time.monotonic()))
            if line is None:
                raise AssertionError("the gateway did not start:\n" + "".join(running.output))
            if line.startswith("{") and json.loads(line).get("event") == "ready":
                running.ready = json.loads(line)
        yield running
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)


def run_cli(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """`huiyin ...` as a user would call it."""
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        input=stdin,
        check=False,
        timeout=600,
    )


def read_ledger(data: Path, vault: Vault | None = None) -> list[dict[str, Any]]:
    """The complaints in the ledger, each as its document with the ledger's own `ticket`.

    Where the gateway stores elsewhere and no vault is given, only what the ledger holds in clear.
    """
    path = data / "ledger.db"
    if not path.exists():
        return []
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as ledger:
        if not ledger.execute("SELECT count(*) FROM sqlite_master WHERE name = 'entries'").fetchone()[0]:
            return []  # the file is there, its table not yet
        rows = ledger.execute("SELECT receipt, version, ticket, document FROM entries").fetchall()
    vault = vault or open_vault(data)
    return [
        {
            "receipt": receipt,
            "version": version,
            **(json.loads(vault.unseal(document, name_document(receipt))) if vault else {}),
            "ticket": ticket,
        }
        for receipt, version, ticket, document in rows
    ]


def open_vault(data: Path, rows: Sequence[Row] | None = None) -> Vault | None:
    """With the keys of the gateway in this data directory: those of its own store, or `rows` of the table elsewhere."""
    vault = Vault(lambda: read_keyring(data / "keys" / "master.key"))  # type: ignore[arg-type,return-value]
    if rows is not None:
        vault.fetch_keyring()
        plan = vault.plan_load()
        next(plan)
        with contextlib.suppress(StopIteration):
            plan.send(rows)
        return vault
    if not (data / "huiyin.db").exists():
        return None
    vault.fetch_keyring()
    with contextlib.closing(connect(data / "huiyin.db", write=False)) as file:
        run(file, vault.plan_load())
    return vault


def wait_for_ledger(
    data: Path, receipts: set[str], limit_s: float = 60.0, vault: Vault | None = None
) -> list[dict[str, Any]]:
    """Wait until all these receipts are in the ledger; returns its entries, complete or not at the limit."""
    deadline = time.monotonic() + limit_s
    while True:
        entries = read_ledger(data, vault)
        if receipts <= {entry["receipt"] for entry in entries} or time.monotonic() > deadline:
            return entries
        time.sleep(0.1)
