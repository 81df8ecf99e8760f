"""A complaint whose time is over, as the bank and its customer meet it."""

import json
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.store.months import bounds
from tests.journeys.test_commands import Bank
from tests.journeys.test_complaint import post
from tests.running import KEY, Running, gateway, wait_for_ledger, write_config

LONG_AGO, _ = bounds("2019-05")


def write(running: Running) -> tuple[int, dict[str, Any]]:
    entry = {"id": "G-1", "text": "等了两个小时还没有办成，我要投诉。", "phone": "13800138000"}
    return post(f"{running.url}/intake/guestbook", entry, **{"X-Huiyin-Key": KEY})


def make_old(bank: Bank) -> None:
    """What was accepted, and is not registered yet, came in 2019-05."""
    with sqlite3.connect(bank.data / "huiyin.db") as store:
        for table, column in (("envelopes", "id"), ("inbox", "id"), ("history", "subject_id")):
            assert store.execute(f"UPDATE {table} SET {column} = ? || substr({column}, 13)", (LONG_AGO,)).rowcount
    store.close()


def wait_until(reached: Callable[[], bool], limit_s: float = 60.0) -> None:
    deadline = time.monotonic() + limit_s
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_what_was_kept_long_enough_is_forgotten_once_it_is_finished(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    whole = bank.config.read_text("utf-8") + f'[channels.guestbook]\nadapter = "guestbook"\nkeys = ["{KEY}"]\n'
    write_config(tmp_path, whole)
    with gateway(tmp_path, "--config", str(bank.config), "--roles", "accept") as running:
        told = write(running)[1]
        assert running.stop() == 0
    make_old(bank)
    with gateway(tmp_path, "--config", str(bank.config)) as running:
        wait_for_ledger(tmp_path, {told["receipt"]})
        wait_until(lambda: bank.query("SELECT count(*) FROM duties WHERE state = 'waiting'") == [(0,)])
        assert running.stop() == 0

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
        status, again = write(running)
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
