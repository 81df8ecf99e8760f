"""Processes that answer beside the gateway: callers notice nothing of them, whether they come, go or die."""

import asyncio
import itertools
import json
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.faults.bank import is_running
from tests.journeys.test_complaint import push
from tests.postgres_server import PASSWORD, PostgresServer
from tests.running import HOTLINE_AND_LEDGER, KEY, Running, gateway, open_vault, wait_for_ledger, write_config

LIMIT_S = 60.0
GUESTBOOK = '\n[channels.guestbook]\nadapter = "guestbook"\n'


def write_settings(folder: Path, processes: str, more: str = "") -> str:
    return str(write_config(folder, f"{HOTLINE_AND_LEDGER}{GUESTBOOK}{more}\n[server]\nprocesses = {processes}\n"))


async def wait_for_desks(running: Running, count: int) -> list[int]:
    """The process numbers of those that are ready."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            told = [json.loads(line) for line in running.output if '"desk.ready"' in line]
            alive = [each["desk"] for each in told if is_running(each["desk"])]
            if len(alive) >= count:
                return alive
            await asyncio.sleep(0.05)


async def send(session: aiohttp.ClientSession, url: str, call_id: str) -> tuple[int, dict[str, object]]:
    body = {"call_id": call_id, "turns": [{"role": "customer", "text": f"排队太久了，通话 {call_id}"}]}
    async with session.post(f"{url}/intake/hotline", json=body, headers={"X-Huiyin-Key": KEY}) as answer:
        return answer.status, await answer.json()


async def count_accepted(session: aiohttp.ClientSession, url: str) -> float:
    async with session.get(f"{url}/metrics") as answer:
        found = re.findall(
            r'^huiyin_accepted_total\{channel="95561",outcome="new"\} (\S+)$', await answer.text(), re.MULTILINE
        )
        return float(found[0]) if found else 0.0


@dataclass(frozen=True)
class Kept:
    """Where a gateway keeps what it accepts: a file of its own, or a database of its own."""

    settings: str = ""
    server: PostgresServer | None = None
    database: str = ""

    def wait_for_ledger(self, data: Path, receipts: set[str]) -> set[str]:
        vault = None
        if self.server:
            keys = self.server.query(self.database, "SELECT month, version, sealed, made_ms, destroyed_ms FROM vault")
            vault = open_vault(data, keys)
        return {entry["receipt"] for entry in wait_for_ledger(data, receipts, vault=vault)}


@pytest.fixture(params=["sqlite", "postgres"])
def kept(request: pytest.FixtureRequest) -> Iterator[Kept]:
    if request.param == "sqlite":
        yield Kept()
        return
    server = PostgresServer(durable=True)
    database = server.make_database(template=None)
    yield Kept(f'\n[store]\nurl = "{server.url(database)}"\n', server, database)
    server.remove()


SECRET = {"HUIYIN__STORE__PASSWORD": PASSWORD}


async def test_connections_move_to_the_desks_and_every_answer_is_as_before(tmp_path: Path, kept: Kept) -> None:
    with gateway(tmp_path, "--config", write_settings(tmp_path, "2", kept.settings), environment=SECRET) as running:
        async with aiohttp.ClientSession() as session:
            # Before there are desks, on a connection that stays open.
            status, first = await send(session, running.url, "CALL-0")
            assert status == 201
            await wait_for_desks(running, 2)
            status, again = await send(session, running.url, "CALL-0")
            assert (status, again["receipt"], again["duplicate"]) == (200, first["receipt"], True)
            told = await asyncio.gather(*(send(session, running.url, f"CALL-{n}") for n in range(1, 61)))
            assert {status for status, _ in told} == {201}
            receipts = {str(body["receipt"]) for _, body in told}
            assert len(receipts) == 60
            assert kept.wait_for_ledger(tmp_path, receipts) >= receipts

            # What is not for a desk to answer: pages, refusals, health, and bodies that come in pieces.
            async with session.get(f"{running.url}/guestbook") as page:
                assert page.status == 200
                assert "留言" in await page.text()
            async with session.get(f"{running.url}/r/{first['receipt']}") as page:
                assert page.status in (200, 303)
            async with session.get(f"{running.url}/ready") as ready:
                assert (await ready.json())["status"] == "ready"
            async with session.post(f"{running.url}/intake/hotline", json={}) as refused:
                assert (refused.status, (await refused.json())["code"]) == (401, "key_missing")
            async with session.get(f"{running.url}/nowhere") as missing:
                assert missing.status == 404

            async def pieces() -> object:
                yield b'{"call_id": "PIECES", '
                await asyncio.sleep(0.1)
                yield '"text": "一字一句地说"}'.encode()

            async with session.post(
                f"{running.url}/intake/hotline",
                data=pieces(),
                headers={"X-Huiyin-Key": KEY, "Content-Type": "application/json"},
            ) as slowly:
                assert slowly.status == 201

            # Counted in one place and once, whoever answered.
            async with session.get(f"{running.url}/metrics") as answer:
                text = await answer.text()
            assert 'huiyin_answer_seconds_count{channel="guestbook"} 1.0\n' in text
            assert "huiyin_desks 2.0\n" in text
            async with asyncio.timeout(LIMIT_S):
                while await count_accepted(session, running.url) != 62:  # noqa: ASYNC110 - another process's doing
                    await asyncio.sleep(0.1)
        assert running.stop() == 0
    assert not any('"level": "error"' in line for line in running.output)


async def test_a_desk_that_dies_takes_nothing_with_it_and_another_follows(tmp_path: Path, kept: Kept) -> None:
    with gateway(tmp_path, "--config", write_settings(tmp_path, "1", kept.settings), environment=SECRET) as running:
        (desk,) = await wait_for_desks(running, 1)
        told: dict[str, str] = {}

        async def send_until_kept(call_id: str) -> None:
            async with asyncio.timeout(LIMIT_S):
                while call_id not in told:
                    try:
                        async with aiohttp.ClientSession() as session:
                            status, body = await send(session, running.url, call_id)
                    except aiohttp.ClientError:
                        continue
                    assert status in (200, 201)
                    told[call_id] = str(body["receipt"])

        senders = [asyncio.create_task(send_until_kept(f"CALL-{n}")) for n in range(200)]
        while len(told) < 20:  # noqa: ASYNC110 - the senders' doing
            await asyncio.sleep(0.001)
        os.kill(desk, signal.SIGKILL)
        while is_running(desk):  # noqa: ASYNC110 - its doing
            await asyncio.sleep(0.01)
        await asyncio.gather(*senders)
        assert len(set(told.values())) == 200
        (other,) = await wait_for_desks(running, 1)
        assert other != desk
        assert kept.wait_for_ledger(tmp_path, set(told.values())) >= set(told.values())
        assert running.stop() == 0


async def test_with_a_desk_for_every_core_each_keeps_to_its_own(tmp_path: Path) -> None:
    all_cores = os.sched_getaffinity(0)
    cores = sorted(all_cores)[:2]
    os.sched_setaffinity(0, cores)  # and so for the gateway
    try:
        with gateway(tmp_path, "--config", write_settings(tmp_path, str(len(cores)))) as running:
            before = await wait_for_desks(running, len(cores))
            assert sorted(map(os.sched_getaffinity, before), key=min) == [{core} for core in cores]
            lost = os.sched_getaffinity(before[0])
            os.kill(before[0], signal.SIGKILL)
            while is_running(before[0]):  # noqa: ASYNC110 - its doing
                await asyncio.sleep(0.01)
            after = await wait_for_desks(running, len(cores))
            (new,) = set(after) - set(before)
            assert os.sched_getaffinity(new) == lost
            assert running.stop() == 0
    finally:
        os.sched_setaffinity(0, all_cores)


async def test_where_there_are_more_cores_than_desks_none_keeps_to_one(tmp_path: Path) -> None:
    cores = os.sched_getaffinity(0)
    if len(cores) < 2:
        pytest.skip("there is a single core")
    with gateway(tmp_path, "--config", write_settings(tmp_path, "1")) as running:
        (desk,) = await wait_for_desks(running, 1)
        assert os.sched_getaffinity(desk) == cores
        assert running.stop() == 0


async def test_desks_end_with_a_gateway_that_is_killed(tmp_path: Path) -> None:
    with gateway(tmp_path, "--config", write_settings(tmp_path, "2")) as running:
        desks = await wait_for_desks(running, 2)
        running.kill()
        async with asyncio.timeout(LIMIT_S):
            while any(is_running(desk) for desk in desks):  # noqa: ASYNC110 - their doing
                await asyncio.sleep(0.05)


async def test_while_it_stops_what_a_desk_has_begun_is_answered(tmp_path: Path) -> None:
    told: set[str] = set()
    with gateway(tmp_path, "--config", write_settings(tmp_path, "2")) as running:
        await wait_for_desks(running, 2)

        async def send_on(session: aiohttp.ClientSession, client: int) -> None:
            """Until the door is closed."""
            for number in itertools.count():
                try:
                    status, body = await send(session, running.url, f"CALL-{client}-{number}")
                except aiohttp.ClientConnectionError:
                    return  # sent on a connection that was being closed, and not read any more
                assert status == 201
                told.add(str(body["receipt"]))

        async with aiohttp.ClientSession() as session:
            senders = [asyncio.create_task(send_on(session, client)) for client in range(16)]
            while len(told) < 50:  # noqa: ASYNC110 - the senders' doing
                await asyncio.sleep(0.001)
            assert await asyncio.to_thread(running.stop) == 0
            await asyncio.gather(*senders)
    with gateway(tmp_path, "--config", write_settings(tmp_path, "0")) as running:
        assert Kept().wait_for_ledger(tmp_path, told) >= told
        assert running.stop() == 0


def test_under_load_desks_come_by_themselves(tmp_path: Path) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("on a single core there are none")
    config = write_settings(tmp_path, '"auto"')
    with gateway(tmp_path, "--config", config, "--roles", "accept") as running:
        push(running)
        assert not any("desk" in line for line in running.output)
        deadline = time.monotonic() + LIMIT_S

        def load(client: int) -> None:
            """With little work of its own, so that the gateway has the machine."""
            with socket.create_connection(("127.0.0.1", running.ready["port"])) as connection:
                number = 0
                while not any('"desk.ready"' in line for line in running.output):
                    assert time.monotonic() < deadline, "no desk came"
                    number += 1
                    body = f'{{"call_id": "CALL-{client}-{number}", "text": "排队太久了"}}'.encode()
                    head = (
                        "POST /intake/hotline HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                        f"X-Huiyin-Key: {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
                    )
                    connection.sendall(head.encode() + body)
                    assert connection.recv(4096).startswith(b"HTTP/1.1 201 ")

        with ThreadPoolExecutor(16) as clients:
            list(clients.map(load, range(16)))
        assert running.stop() == 0
