"""One bank for one run: its gateway nodes, its database, its tracker in a process of its own, and the cables between."""

import argparse
import asyncio
import contextlib
import io
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from adapters.email.simulator import MailServer, open_mail_server
from adapters.wechat import simulator as wechat
from adapters.wechat.simulation import open_wechat
from config.keys import make_keyring
from gateway.cli import main as run_command
from gateway.commands.opening import load_settings
from gateway.engines import open_keyring, open_store
from gateway.ops.time import SystemClock
from gateway.stages.seal import Sealer, make_signer
from tests.cable import Cable
from tests.faults.checker import Finding, Held, Record, Told, check
from tests.faults.load import GUESTBOOK_KEY, LANES, Load, find_matter, read_spoken
from tests.faults.tracker import SECRET, read_journal
from tests.ports import hold_port
from tests.postgres_server import PASSWORD, PostgresServer
from tests.running import KEY, ROOT, Running, gateway, open_vault, read_ledger, write_config

Engine = Literal["sqlite", "postgres"]

REST_LIMIT_S = 150.0
"""How long everything may take to come to rest after the fault. Not a measure of speed: what is stuck is stuck for good."""
LEASE_S = 5
_CONFIG = """
[store]
{store}

[server]
public_per_minute = 1000000
drain_s = 5
processes = {desks}

[stages]
lease_s = {lease_s}
poll_ms = 50
processes = 0

[channels.95561]
adapter = "hotline"
keys = ["{key}"]

[channels.guestbook]
adapter = "guestbook"
keys = ["{guestbook_key}"]

[channels.gzh]
adapter = "wechat"
appid = "{appid}"
secret = "{app_secret}"
api_url = "{wechat_url}"
tokens = ["{token}"]
aes_keys = ["{aes_key}"]

[channels.mail]
adapter = "email"
port = {mail_port}

[systems.ledger]
adapter = "ledger"

[systems.tracker]
adapter = "webhook"
url = "http://127.0.0.1:{tracker_port}/complaints"
secrets = ["{secret}"]
allow_loopback = true
timeout_s = 1
"""
_POST = """
[notices.post]
adapter = "email"
host = "127.0.0.1"
port = {post_port}
tls = "none"
from_address = "complaints@bank.example"
"""


@dataclass(kw_only=True)
class Plan:
    """What a fault needs before the bank opens. `nodes`: gateways on one database (PostgreSQL only). `cable_to_store`,
    `cable_to_tracker`: a network of ours lies in between. `environment` and `roles`: of the gateway's processes until
    the fault changes them. `moods`: how the tracker misbehaves. `store_url`: a database of the fault's own, on `servers`; `ask` queries it. `tablespace`:
    where the database's files lie. `least`, `lanes`: as in Load. `poison`: as in Record. `tells`: who writes a mail is told the number by mail.
    `desks`: processes that answer beside each gateway's own; None: one in some runs.
    """

    nodes: int = 1
    cable_to_store: bool = False
    cable_to_tracker: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    roles: str = ""
    moods: tuple[str, ...] = ()
    min_free_mb: int = 0
    store_url: str = ""
    servers: Sequence[PostgresServer] = ()
    ask: Callable[[str], list[tuple[Any, ...]]] | None = None
    tablespace: str = ""
    least: int = 24
    lanes: int = LANES
    poison: dict[str, str] = field(default_factory=dict)
    tells: bool = False
    desks: int | None = None


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class Bank:
    def __init__(self, folder: Path, engine: Engine, seed: str, plan: Plan) -> None:
        self.folder = folder
        self.engine = engine
        self.plan = plan
        self.draw = random.Random(f"{seed} bank")
        self.data = folder / "data"
        self.data.mkdir(exist_ok=True)
        # The database of a run is a copy, so it is there before a gateway is, which then makes no key of its own.
        make_keyring(self.data / "keys" / "master.key")
        self._stack = ExitStack()
        self.ports = [self._stack.enter_context(hold_port()) for _ in range(plan.nodes)]
        self.mail_ports = [self._stack.enter_context(hold_port()) for _ in range(plan.nodes)]
        self.tracker_port = self._stack.enter_context(hold_port())
        self.nodes: list[Running | None] = [None] * plan.nodes
        self.environment = dict(plan.environment)
        self.desks = random.Random(f"{seed} desks").choice((0, 1)) if plan.desks is None else plan.desks
        self.roles = plan.roles
        self.load = Load(self, seed, least=plan.least, lanes=plan.lanes)
        self.server = find_server() if engine == "postgres" and not plan.store_url else None
        self.database = self.server.make_database(tablespace=plan.tablespace) if self.server else ""
        self.store_cable: Cable | None = None
        self.tracker_cable: Cable | None = None
        self._seed = seed
        self._async_stack = AsyncExitStack()
        self._wechat_url = ""
        self._post: MailServer | None = None
        self._tracker: subprocess.Popen[str] | None = None

    # --- what the senders ask --------------------------------------------------------------------------------------

    def find_url(self, draw: random.Random) -> str:
        return f"http://127.0.0.1:{self.ports[self._choose(draw)]}"

    def find_mail_port(self) -> int:
        return self.mail_ports[self._choose(self.draw)]

    def _choose(self, draw: random.Random) -> int:
        """As a load balancer does: one of the nodes that run, if any does."""
        running = [n for n, node in enumerate(self.nodes) if node and node.process.poll() is None]
        return draw.choice(running or range(self.plan.nodes))

    # --- opening and closing ---------------------------------------------------------------------------------------

    async def open(self) -> None:
        self._wechat_url = (await self._async_stack.enter_async_context(open_wechat(self.load.account))).url
        if self.plan.tells:
            self._post = await self._async_stack.enter_async_context(open_mail_server())
        self.start_tracker()
        if self.plan.cable_to_tracker:
            self.tracker_cable = await Cable.lay(self.tracker_port)
        if self.plan.cable_to_store and self.server:
            self.store_cable = await Cable.lay(self.server.port)
        for number in range(self.plan.nodes):
            await self.start(number)
            await self.wait_for_desks(number)

    async def close(self) -> None:
        for cable in (self.store_cable, self.tracker_cable):
            if cable:
                await cable.close()
        await asyncio.to_thread(self._stack.close)
        await self._async_stack.aclose()
        self.kill_tracker()
        if self.server:
            await asyncio.to_thread(self.server.drop_database, self.database)

    def write_config(self, number: int = 0) -> str:
        folder = self.folder / f"node{number}"
        if self.engine == "sqlite":
            store = f'url = "sqlite:///{self.data / "huiyin.db"}"\nmin_free_mb = {self.plan.min_free_mb}'
        elif self.plan.store_url:
            store = f'url = "{self.plan.store_url}"'
        else:
            assert self.server
            store = f'url = "{self.server.url(self.database, self.store_cable.port if self.store_cable else None)}"'
        post = _POST.format(post_port=self._post.port) if self._post else ""
        text = post + _CONFIG.format(
            store=store,
            desks=self.desks,
            lease_s=LEASE_S,
            key=KEY,
            guestbook_key=GUESTBOOK_KEY,
            appid=wechat.APPID,
            app_secret=self.load.account.secret,
            wechat_url=self._wechat_url,
            token=wechat.TOKENS[0],
            aes_key=wechat.AES_KEYS[0],
            mail_port=self.mail_ports[number],
            tracker_port=self.tracker_cable.port if self.tracker_cable else self.tracker_port,
            secret=SECRET,
        )
        return str(write_config(folder, text))

    async def start(self, number: int = 0) -> Running:
        """Until it listens. Tried again as a service manager does: its database may be away still, or its port taken."""
        config = self.write_config(number)
        wanted = {**self.environment, "HUIYIN__STORE__PASSWORD": PASSWORD}

        def start_once() -> Running:
            return self._stack.enter_context(
                gateway(
                    self.data,
                    *("--config", config, "--roles", self.roles),
                    environment=wanted,
                    port=self.ports[number],
                )
            )

        async with asyncio.timeout(REST_LIMIT_S):
            while True:
                try:
                    running = await asyncio.to_thread(start_once)
                except AssertionError as error:
                    if "Traceback" in str(error):
                        raise
                    await asyncio.sleep(0.2)
                else:
                    self.nodes[number] = running
                    return running

    def node(self, number: int = 0) -> Running:
        running = self.nodes[number]
        assert running
        return running

    async def wait_for_desks(self, number: int = 0) -> list[int]:
        """Their process numbers, once all are ready."""
        async with asyncio.timeout(REST_LIMIT_S):
            while True:
                lines = [line for line in self.node(number).output if '"desk.ready"' in line]
                pids = [json.loads(line)["desk"] for line in lines]
                if len(alive := [pid for pid in pids if is_running(pid)]) >= self.desks:
                    return alive
                await asyncio.sleep(0.05)

    async def wait_for_death(self, number: int = 0) -> None:
        """Of a node that is to be killed by what was done to it."""
        process = self.node(number).process
        async with asyncio.timeout(REST_LIMIT_S):
            while process.poll() is None:  # noqa: ASYNC110 - the process's doing
                await asyncio.sleep(0.01)
        assert process.returncode == -signal.SIGKILL, "".join(self.node(number).output)[-3000:]

    # --- the tracker -----------------------------------------------------------------------------------------------

    @property
    def journal(self) -> Path:
        return self.folder / "tracker.jsonl"

    def start_tracker(self) -> None:
        command = [sys.executable, "-m", "tests.faults.tracker", str(self.journal), str(self.tracker_port)]
        command += [self._seed, ",".join(self.plan.moods)]
        self._tracker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self._tracker.stdout
        assert self._tracker.stdout.readline().startswith("ready"), "the tracker did not start"

    def kill_tracker(self) -> None:
        if self._tracker:
            self._tracker.kill()
            self._tracker.wait(30)
            assert self._tracker.stdout
            self._tracker.stdout.close()
            self._tracker = None

    # --- after the fault -------------------------------------------------------------------------------------------

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        if self.engine == "sqlite":
            with contextlib.closing(sqlite3.connect(f"file:{self.data / 'huiyin.db'}?mode=ro", uri=True)) as connection:
                return connection.execute(sql).fetchall()
        if self.plan.ask:
            return self.plan.ask(sql)
        assert self.server
        return self.server.query(self.database, sql)

    def read_ledger(self) -> list[dict[str, Any]]:
        """Its entries, unsealed."""
        keys = self.query("SELECT month, version, sealed, made_ms, destroyed_ms FROM vault")
        return read_ledger(self.data, open_vault(self.data, keys))

    def list_files(self, *names: str) -> list[Path]:
        """Database files of the data directory with their logs, whether they are there yet or not."""
        return [self.data / f"{name}{end}" for name in names for end in ("", "-wal", "-journal")]

    async def rest(self) -> str:
        """Until nothing is to be read or forwarded any more. Returns what still is at the limit, or nothing."""
        sql = (
            "SELECT 'inbox ' || channel, code FROM inbox WHERE state = 'accepted' UNION ALL "
            "SELECT 'duty ' || instance || ' ' || step, code FROM duties WHERE state = 'waiting'"
        )
        deadline = asyncio.get_running_loop().time() + REST_LIMIT_S
        while rows := await asyncio.to_thread(self.query, sql):
            if asyncio.get_running_loop().time() > deadline:
                return f"{len(rows)} never came to an end, such as {rows[0]}"
            await asyncio.sleep(0.05)
        return ""

    async def settle(self) -> Finding:
        """Everything comes to rest, the nodes stop in order, and the record is checked."""
        waiting = await self.rest()
        for node in self.nodes:
            assert node
            status = await asyncio.to_thread(node.stop)
            assert status == 0, "".join(node.output)[-3000:]
        parked = self.query(
            "SELECT code FROM inbox WHERE state = 'set_aside' UNION ALL SELECT code FROM duties WHERE state = 'parked'"
        )
        await self._seal()
        chain = await self._run("audit", "verify", unwanted="not sealed")
        books = await self._run("conservation", "--recount")
        tracker = [
            Held(entry["receipt"], entry["version"], entry["ticket"], entry["text"])
            for entry in read_journal(self.journal)
        ]
        ledger = [Held(entry["receipt"], entry["version"], entry["ticket"], str(entry)) for entry in self.read_ledger()]
        return check(
            Record(
                acknowledged=self.load.acknowledged,
                sent=self.load.sent,
                ledger=ledger,
                tracker=tracker,
                parked=[code for (code,) in parked],
                poison=self.plan.poison,
                chain=chain,
                books=books,
                waiting=waiting,
                told=self._list_told(),
            )
        )

    def _list_told(self) -> list[Told] | None:
        if self._post is None:
            return None
        return [
            Told(matter, read_spoken(mail.text), str(mail.message["Message-ID"]))
            for mail in self._post.mails
            for matter in map(find_matter, mail.recipients)
        ]

    async def _seal(self) -> None:
        """The last rows. On PostgreSQL a sealer waits a minute for what may still become visible; here no node is left
        that could write.
        """
        settings = load_settings(argparse.Namespace(config=Path(self.write_config()), data=self.data)).settings
        store = open_store(settings)
        store.settle_s = 0.0
        await store.open()
        try:
            signer = make_signer(open_keyring(settings))
            with contextlib.redirect_stdout(io.StringIO()):  # its log
                await Sealer(store, SystemClock(), signer, settings.bank.timezone).finish(REST_LIMIT_S)
        finally:
            await store.close()

    async def _run(self, *command: str, unwanted: str = "") -> str:
        """A command of `huiyin`, in this process (starting another costs a second of processor). What it said against it."""
        said = io.StringIO()
        arguments = [*command, "--config", self.write_config(), "--data", str(self.data)]
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            status = await asyncio.to_thread(run_command, arguments)
        text = said.getvalue().strip()
        return text if status or (unwanted and unwanted in text) else ""


@cache
def find_server() -> PostgresServer:
    """One for all runs of this process; each run has a database of its own in it."""
    os.environ["HUIYIN__STORE__PASSWORD"] = PASSWORD
    return PostgresServer(durable=True)


def remove_server() -> None:
    if find_server.cache_info().currsize:
        find_server().remove()
        find_server.cache_clear()
