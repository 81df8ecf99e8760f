"""A complaint whose time is over, as the bank and its customer meet it."""

import asyncio
import json
import random
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from config.load import load
from gateway.app import Gateway
from gateway.roles import ALL
from gateway.store.months import bounds
from gateway.store.sql_store import SqlStore
from gateway.store.vault import number_month
from tests.journeys.test_commands import Bank
from tests.journeys.test_complaint import post
from tests.running import KEY, gateway, wait_for_ledger, write_config

UNFINISHED = "SELECT count(*) FROM duties WHERE state = 'waiting'"


def write(url: str) -> tuple[int, dict[str, Any]]:
    entry = {"id": "G-1", "text": "等了两个小时还没有办成，我要投诉。", "phone": "13800138000"}
    return post(f"{url}/intake/guestbook", entry, **{"X-Huiyin-Key": KEY})


def make_old_id() -> uuid.UUID:
    first, end = (int(moment, 16) for moment in bounds("2019-05"))
    return uuid.UUID(f"{random.randrange(first, end):012x}7{random.getrandbits(76):019x}")


async def live_through(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What came in and was forwarded in 2019-05: all ids are of that month."""
    gateway = Gateway(
        load(bank.config, {}, {"data_dir": str(bank.data), "server": {"port": 0, "public_url": ""}}).settings, ALL
    )
    with monkeypatch.context() as then:
        then.setattr("uuid_utils.uuid7", make_old_id)
        await gateway.start()
        assert isinstance(gateway.store, SqlStore)
        await gateway.store._read_keys(number_month("2019-05"))
        _, told = await asyncio.to_thread(write, gateway.public_url)
        await asyncio.to_thread(wait_for_ledger, bank.data, {told["receipt"]})
        await asyncio.to_thread(wait_until, lambda: bank.query(UNFINISHED) == [(0,)])
        await gateway.stop()
    return told


def wait_until(reached: Callable[[], bool], limit_s: float = 60.0) -> None:
    deadline = time.monotonic() + limit_s
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.1)


async def test_what_was_kept_long_enough_is_forgotten_once_it_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = Bank(tmp_path)
    whole = bank.config.read_text("utf-8") + f'[channels.guestbook]\nadapter = "guestbook"\nkeys = ["{KEY}"]\n'
    write_config(tmp_path, whole)
    told = await live_through(bank, monkeypatch)
    await asyncio.to_thread(end_its_time, bank, whole, told)


def end_its_time(bank: Bank, whole: str, told: dict[str, Any]) -> None:
    tmp_path = bank.data
    assert "kept for ever" in bank.say("retain")
    write_config(tmp_path, whole + '\n[retention]\nkeep = "100y"\n')
    assert "nothing was kept so long" in bank.say("retain")
    write_config(tmp_path, whole + '\n[retention]\nkeep = "5y"\n')
    for arguments in (["--dry-run"], []):
        held = bank.run("retain", *arguments)
        assert held.returncode == 1
        assert held.stdout == "2019-05  1 envelopes, 1 complaints: kept because of 1 decisions not told\n"
    bank.say("decided", told["receipt"])
    assert "would be forgotten" in bank.say("retain", "--dry-run")
    assert "Forgotten" not in bank.say("trace", told["receipt"])

    with gateway(tmp_path, "--config", str(bank.config)) as running:
        wait_until(lambda: bank.query("SELECT count(*) FROM envelopes") == [(0,)])
        wait_until(lambda: any('"month.forgotten"' in line for line in running.output))
        link = urlsplit(told["status_url"])
        with pytest.raises(urllib.error.HTTPError, match="410") as gone:
            urllib.request.urlopen(f"{running.url}{link.path}?{link.query}&lang=zh-Hans", timeout=30)
        assert "不再保存" in gone.value.read().decode()
        status, again = write(running.url)
        assert (status, again["receipt"], again["duplicate"]) == (200, told["receipt"], True)
        assert running.stop() == 0

    story = bank.say("trace", told["receipt"])
    assert "Forgotten: what the customer said" in story
    assert "month.forgotten" in story
    assert "ticket at ledger" in story
    assert json.loads(bank.say("trace", told["receipt"], "--json"))["forgotten"] is True
    assert json.loads(bank.say("conservation", "--format", "json", "--recount"))["balanced"]
    assert "the chain holds" in bank.say("audit", "verify")
    assert "nothing was kept so long" in bank.say("retain")
    assert "0 read again" in bank.say("replay", "--since", "2019-01-01")
