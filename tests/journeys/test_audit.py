"""The history as a bank's auditor meets it: checked beside a running gateway, after a kill, on the file alone."""

import asyncio
import csv
import io
import json
import shutil
import sqlite3
from pathlib import Path

from adapters.email.simulator import open_mail_server
from tests.journeys.test_commands import CALM, Bank
from tests.journeys.test_complaint import CALL, push
from tests.journeys.test_early_warning import to, wait_for
from tests.ports import find_port
from tests.running import HOTLINE_AND_LEDGER, Running, gateway, wait_for_ledger, write_config


def push_calls(running: Running, count: int, name: str = "c") -> set[str]:
    told = [push(running, {**CALL, "call_id": f"{name}-{n}"})[1] for n in range(count)]
    return {one["receipt"] for one in told}


def tamper(bank: Bank, statement: str) -> None:
    with sqlite3.connect(bank.data / "huiyin.db") as store:
        assert store.execute(statement).rowcount
    store.close()


def test_what_a_gateway_wrote_is_sealed_when_it_stops_holds_and_balances(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    with gateway(tmp_path, "--config", str(bank.config)) as running:
        receipts = push_calls(running, 20)
        wait_for_ledger(tmp_path, receipts)
        beside = bank.say("audit", "verify")
        assert "the chain holds" in beside or "nothing is sealed yet" in beside
        assert running.stop() == 0
    rows = bank.query("SELECT count(*) FROM history")[0][0]
    said = bank.say("audit", "verify")
    assert f"{rows} rows" in said
    assert "not sealed" not in said
    exported = bank.say("audit", "export", "--out", str(tmp_path / "sums.jsonl"))
    assert "sums.jsonl" in exported
    assert json.loads(bank.say("audit", "export").splitlines()[-1])["form"] == "huiyin.head/1"
    assert "holds all that was exported" in bank.say("audit", "verify", "--against", str(tmp_path / "sums.jsonl"))

    told = json.loads(bank.say("conservation", "--format", "json", "--recount"))
    assert told["balanced"]
    (line,) = told["lines"]
    assert (line["channel"], line["accepted"], line["registered"], line["owed"], line["done"]) == ("95561", *[20] * 4)
    (row,) = csv.DictReader(io.StringIO(bank.say("conservation", "--format", "csv")))
    assert (row["accepted"], row["balanced"]) == ("20", "yes")
    assert "95561" in bank.say("conservation")
    assert json.loads(bank.say("conservation", "--format", "json", "--to", "2000-01-01"))["lines"] == []

    copy = tmp_path / "copy"
    shutil.copytree(tmp_path, copy, ignore=shutil.ignore_patterns("copy"))
    tamper(bank, "UPDATE history SET detail = 'nothing happened' WHERE seq = 7")
    line = bank.refuse("audit", "verify")
    assert line.startswith("huiyin: the chain is broken. Row 7 was changed (block 1 was sealed ")
    tamper(bank, "UPDATE inbox SET state = 'accepted' WHERE id = (SELECT min(id) FROM inbox)")
    assert "the history says 0 accepted, and there are 1" in bank.refuse("conservation")

    other = Bank(copy)
    assert "the chain holds" in other.say("audit", "verify")
    (copy / "keys" / "master.key").unlink()
    assert "there is no key at" in other.refuse("audit", "verify")
    assert not (copy / "keys" / "master.key").exists(), "a key that is made now would fit no signature"
    assert "signatures were not checked" in other.say("audit", "verify", "--without-key")
    (copy / "keys" / "master.key").write_text("11" * 32 + "\n")
    assert "is signed with the key" in other.refuse("audit", "verify")
    assert "the chain holds" in other.say("audit", "verify", "--key", str(tmp_path / "keys" / "master.key"))


def test_a_gateway_that_was_killed_goes_on_with_the_same_chain(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    receipts: set[str] = set()
    for kill in range(3):
        with gateway(tmp_path, "--config", str(bank.config)) as running:
            receipts |= push_calls(running, 10, f"k{kill}")
            running.kill()
    with gateway(tmp_path, "--config", str(bank.config)) as running:
        wait_for_ledger(tmp_path, receipts)
        assert running.stop() == 0
    rows = bank.query("SELECT count(*) FROM history")[0][0]
    assert f"{rows} rows" in bank.say("audit", "verify")
    told = json.loads(bank.say("conservation", "--format", "json", "--recount"))
    assert told["balanced"]
    assert sum(line["accepted"] for line in told["lines"]) == len(receipts) == 30


def test_a_decision_is_told_by_receipt_and_stands_in_the_history(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    bank.say("import", "95561", str(bank.write_calls(CALM)))
    (receipt,) = bank.query("SELECT receipt FROM complaints")[0]
    assert bank.say("decided", receipt).strip().endswith("decided")
    assert "is no complaint that waits for a decision" in bank.refuse("decided", receipt)
    assert "complaint.closed" in bank.say("trace", receipt)


async def test_a_silent_channel_is_told_to_people_on_duty_in_one_mail(tmp_path: Path) -> None:
    async with open_mail_server() as server:
        config = write_config(
            tmp_path,
            HOTLINE_AND_LEDGER.replace('adapter = "hotline"', 'adapter = "hotline"\nexpect_every = "1s"')
            + f"""
[channels.mail]
adapter = "email"
port = {find_port()}
expect_every = "2s"

[notices.duty]
adapter = "email"
host = "127.0.0.1"
port = {server.port}
tls = "none"
from_address = "complaints@bank.example"

[alarms]
to = [ {{ notice = "duty", to = "watch@bank.example" }} ]
language = "en"
""",
        )
        bank = gateway(tmp_path, "--config", str(config))
        await asyncio.to_thread(bank.__enter__)
        try:
            await wait_for(lambda: bool(to(server, "watch@bank.example")), 60)
            (mail,) = to(server, "watch@bank.example")
            assert "channel 95561: nothing has come in for" in mail.text
            assert "channel mail: nothing has come in for" in mail.text
        finally:
            await asyncio.to_thread(bank.__exit__, None, None, None)


def test_an_alarm_that_nobody_could_get_refuses_to_start(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    with bank.config.open("a", encoding="utf-8") as file:
        file.write('[alarms]\nto = [ { notice = "pigeon", to = "duty@bank.example" } ]\n')
    assert "escalation and alarms: there is no notice pigeon" in bank.refuse("check")
    assert "there is no notice 'pigeon'" in bank.refuse("serve", "--port", "0")
