"""SIGKILL at any moment: whatever was acknowledged is in the ledger, exactly once."""

import asyncio
import json
import os
import random
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from gateway.ops.killpoints import POINTS
from gateway.store.vault import Vault
from tests.running import KEY, gateway, read_ledger, run_cli, wait_for_ledger, write_config

CRASHES = int(os.environ.get("HUIYIN_CRASHES", "100"))
CLIENTS = 8
SEED = 95561


class Caller:
    """The call-centre software: pushes calls, keeps each until it was acknowledged, sends it again if it was not."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, str] = {}
        self._number = 0
        self.unanswered: list[str] = []

    def next_call(self) -> str:
        if self.unanswered:
            return self.unanswered.pop(0)
        self._number += 1
        return f"CALL-{self._number:06d}"

    async def push_until_it_dies(self, url: str) -> None:
        async with aiohttp.ClientSession(headers={"X-Huiyin-Key": KEY}) as session:
            await asyncio.gather(*(self._push(session, url) for _ in range(CLIENTS)))

    async def _push(self, session: aiohttp.ClientSession, url: str) -> None:
        while True:
            call = self.next_call()
            body = {"call_id": call, "turns": [{"role": "customer", "text": f"我的卡被盗刷了，通话 {call}"}]}
            try:
                async with session.post(f"{url}/intake/hotline", json=body) as answer:
                    told = json.loads(await answer.read())
                    assert answer.status in (200, 201), told
            except (aiohttp.ClientError, ConnectionError, json.JSONDecodeError):
                self.unanswered.append(call)
                return
            earlier = self.acknowledged.setdefault(call, told["receipt"])
            assert earlier == told["receipt"], "one call, one receipt"


def check_ledger(data: Path, caller: Caller, vault: Vault | None = None) -> None:
    entries = wait_for_ledger(data, set(caller.acknowledged.values()), vault=vault)
    found = Counter(entry["receipt"] for entry in entries)
    missing = {call: receipt for call, receipt in caller.acknowledged.items() if receipt not in found}
    assert not missing, f"{len(missing)} acknowledged calls are not in the ledger"
    assert max(found.values(), default=1) == 1
    per_call = Counter(entry["narrative"] or str(entry["turns"]) for entry in entries)
    assert max(per_call.values(), default=1) == 1, "one call became two complaints"


def check_history(data: Path, config: str) -> None:
    """Of a gateway that was stopped: the chain holds to the last row, and everything is where the history says."""
    for command in (("audit", "verify"), ("conservation", "--recount")):
        ran = run_cli(*command, "--config", config, "--data", str(data))
        assert ran.returncode == 0, ran.stderr
        assert "not sealed" not in ran.stdout


def crash_at_random(data: Path, caller: Caller, draw: random.Random) -> None:
    async def load_and_kill(url: str) -> None:
        pushing = asyncio.create_task(caller.push_until_it_dies(url))
        await asyncio.sleep(draw.uniform(0.0, 0.6))
        running.kill()
        await pushing

    with gateway(data, "--config", str(write_config(data))) as running:
        asyncio.run(load_and_kill(running.url))


def test_nothing_acknowledged_is_lost_or_doubled_when_the_gateway_is_killed_at_random_moments(tmp_path: Path) -> None:
    draw, caller = random.Random(SEED), Caller()
    for _ in range(CRASHES):
        crash_at_random(tmp_path, caller, draw)
    assert len(caller.acknowledged) >= CRASHES, "the load was too small to prove anything"
    with gateway(tmp_path, "--config", str(write_config(tmp_path))) as running:
        check_ledger(tmp_path, caller)
        assert running.stop() == 0
    check_history(tmp_path, str(write_config(tmp_path)))


NAMED = [name for name in POINTS if not name.startswith(("notify.", "collect."))]


@pytest.mark.parametrize("name", NAMED)
def test_nothing_acknowledged_is_lost_or_doubled_when_the_gateway_is_killed_at(name: str, tmp_path: Path) -> None:
    caller = Caller()
    config = str(write_config(tmp_path))
    for nth in (1, 3):
        with gateway(tmp_path, "--config", config, environment={"HUIYIN_KILL_AT": f"{name}:{nth}"}) as running:
            asyncio.run(asyncio.wait_for(caller.push_until_it_dies(running.url), 60))
            assert running.process.wait(10) == -9, "the point was never reached"
    with gateway(tmp_path, "--config", config) as running:
        check_ledger(tmp_path, caller)
        assert running.stop() == 0
    check_history(tmp_path, config)
    assert read_ledger(tmp_path) or not caller.acknowledged
