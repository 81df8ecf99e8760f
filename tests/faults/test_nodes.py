"""Gateways on one PostgreSQL, as a bank runs them: the database goes away, the work is split. (What happens when one of
two dies is in test_faults.py.)
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiohttp
import pytest

from tests.journeys.test_complaint import push
from tests.ports import find_port
from tests.postgres_server import PASSWORD, PostgresServer
from tests.running import (
    HOTLINE_AND_LEDGER,
    KEY,
    ROOT,
    gateway,
    read_ledger,
    run_cli,
    wait_for_ledger,
    write_config,
)

CLIENTS = 8
SECRET = {"HUIYIN__STORE__PASSWORD": PASSWORD}


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    server = PostgresServer(durable=True)
    yield server
    server.remove()


@pytest.fixture
def config(server: PostgresServer, tmp_path: Path) -> str:
    url = server.url(server.make_database(template=None))
    return str(write_config(tmp_path, f'[store]\nurl = "{url}"\n{HOTLINE_AND_LEDGER}'))


def test_while_the_database_is_away_callers_get_503_and_the_gateway_recovers_by_itself(
    config: str, tmp_path: Path, server: PostgresServer
) -> None:
    acknowledged: dict[str, str] = {}
    refused: list[str] = []

    async def send(session: aiohttp.ClientSession, url: str, client: int, over: asyncio.Event) -> None:
        number = 0
        while not over.is_set():
            call = f"CALL-{client}-{number}"
            body = {"call_id": call, "turns": [{"role": "customer", "text": f"排队太久了，通话 {call}"}]}
            async with session.post(f"{url}/intake/hotline", json=body) as answer:
                told = json.loads(await answer.read())
                if answer.status == 503:
                    assert told["code"] == "store_unavailable"
                    refused.append(answer.headers["Retry-After"])
                    await asyncio.sleep(0.02)
                else:
                    assert answer.status in (200, 201), told
                    acknowledged[call] = told["receipt"]
                    number += 1

    async def reach(number: int) -> None:
        async with asyncio.timeout(120):
            while len(acknowledged) < number:  # noqa: ASYNC110 - the gateway's doing
                await asyncio.sleep(0.01)

    async def load(url: str) -> None:
        over = asyncio.Event()
        async with aiohttp.ClientSession(headers={"X-Huiyin-Key": KEY}) as session:
            senders = [asyncio.create_task(send(session, url, client, over)) for client in range(CLIENTS)]
            await reach(100)
            await asyncio.to_thread(server.stop)
            while len(refused) < 50:  # noqa: ASYNC110 - the gateway's doing
                await asyncio.sleep(0.01)
            async with session.get(f"{url}/ready") as answer:
                assert answer.status == 503
            async with session.get(f"{url}/live") as answer:
                assert answer.status == 200
            await asyncio.to_thread(server.start)
            await reach(len(acknowledged) + 100)
            over.set()
            await asyncio.gather(*senders)

    with gateway(tmp_path, "--config", config, environment=SECRET) as running:
        asyncio.run(load(running.url))
        assert all(int(seconds) >= 1 for seconds in refused)
        entries = wait_for_ledger(tmp_path, set(acknowledged.values()))
        assert sorted(entry["receipt"] for entry in entries) == sorted(acknowledged.values())
        with urllib.request.urlopen(f"{running.url}/ready", timeout=30) as answer:
            assert answer.status == 200
        assert running.stop() == 0


def test_a_node_that_is_started_while_the_database_is_away_waits_for_it(
    config: str, tmp_path: Path, server: PostgresServer
) -> None:
    server.stop()
    port = find_port()
    bank = gateway(tmp_path, "--config", config, environment=SECRET, port=port)
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(bank.__enter__)
        try:
            wait_until(lambda: ask(port, "/live") == 200)
            assert [ask(port, path) for path in ("/ready", "/intake/95561")] == [503, 503]
            server.start()
            running = starting.result()
            receipt = push(running)[1]["receipt"]
            assert wait_for_ledger(tmp_path, {receipt})
            assert (ask(port, "/live"), ask(port, "/ready")) == (200, 200)
            assert running.stop() == 0
        finally:
            bank.__exit__(None, None, None)
    assert "start.waits_for_store" in "".join(running.output)
    assert PASSWORD not in "".join(running.output)


# A container that is stopped has no name.
@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_a_node_that_waits_for_the_database_can_be_stopped(
    config: str, tmp_path: Path, server: PostgresServer, host: str
) -> None:
    server.stop()
    path, port = Path(config), find_port()
    path.write_text(path.read_text("utf-8").replace("127.0.0.1", host), "utf-8")
    command = [sys.executable, "-m", "gateway", "serve", "--data", tmp_path, "--config", config, "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **SECRET}, stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: ask(port, "/live") == 200)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("huiyin@", "nobody_known@"), "refuses this user or password"),
        (("?", "_missing?"), "no database of the name"),
        (("?", "?sslmode=perhaps"), "store.url cannot be used"),
        (("?", "?&"), "store.url cannot be used"),
    ],
)
def test_a_node_that_waiting_does_not_help_ends_and_says_why(
    config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: tuple[str, str], said: str
) -> None:
    path = Path(config)
    url = tomllib.loads(path.read_text("utf-8"))["store"]["url"]
    path.write_text(path.read_text("utf-8").replace(url, f"{url}?".replace(*change)), "utf-8")
    monkeypatch.setitem(os.environ, "HUIYIN__STORE__PASSWORD", PASSWORD)
    ran = run_cli("serve", "--config", config, "--data", str(tmp_path), "--port", "0")
    assert ran.returncode == 1
    assert said in ran.stderr
    assert ran.stderr.count("\n") == 1


def ask(port: int, path: str) -> int:
    """The status; 0 while nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_nodes_that_share_the_roles_wake_each_other_without_waiting_for_a_poll(config: str, tmp_path: Path) -> None:
    ten_minutes = {**SECRET, "HUIYIN__STAGES__POLL_MS": "600000"}
    with (
        gateway(tmp_path, "--config", config, "--roles", "forward", environment=ten_minutes),
        gateway(tmp_path, "--config", config, "--roles", "register", environment=ten_minutes),
        gateway(tmp_path, "--config", config, "--roles", "accept", environment=ten_minutes) as door,
    ):
        status, told = push(door)
        assert status == 201
        assert [entry["receipt"] for entry in wait_for_ledger(tmp_path, {told["receipt"]})] == [told["receipt"]]


def test_the_commands_work_on_postgres_and_never_print_the_password(
    config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "password"
    secret.write_text(PASSWORD)
    monkeypatch.setitem(os.environ, "HUIYIN__STORE__PASSWORD_FILE", str(secret))
    options = ("--config", config, "--data", str(tmp_path))
    ran = [run_cli("check", *options, "--online"), run_cli("trace", "471108154243", *options)]
    assert "there is none yet" in ran[0].stdout
    assert "huiyin migrate" in ran[1].stderr
    ran += [run_cli("migrate", *options), run_cli("migrate", *options), run_cli("check", *options, "--online")]
    assert "store: good" in ran[-1].stdout
    assert [one.returncode for one in ran] == [0, 1, 0, 0, 0], [one.stderr for one in ran]
    with gateway(tmp_path, "--config", config) as running:
        receipt = push(running)[1]["receipt"]
        assert wait_for_ledger(tmp_path, {receipt})
        ran += [run_cli("trace", receipt, *options), run_cli("parked", *options), run_cli("channels", *options)]
    assert receipt in ran[-3].stdout.replace(" ", "")
    assert "registered 1" in ran[-1].stdout
    monkeypatch.setitem(os.environ, "HUIYIN__STORE__PASSWORD_FILE", str(tmp_path / "huiyin.toml"))
    ran.append(run_cli("parked", *options))
    assert (ran[-1].returncode, ran[-1].stderr.count("\n")) == (1, 1)
    assert "InvalidPassword" in ran[-1].stderr
    assert not [one.args for one in ran if PASSWORD in one.stdout + one.stderr]
    assert len(read_ledger(tmp_path)) == 1
