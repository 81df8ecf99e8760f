"""The keyring as an operator meets it: renewed under a running gateway, missing, and of no use to anybody else."""

import shutil
from pathlib import Path

from tests.journeys.test_audit import push_calls
from tests.journeys.test_commands import Bank
from tests.journeys.test_complaint import CALL, push
from tests.running import gateway, wait_for_ledger

PHONE = "13800138000"


def test_the_master_key_is_renewed_while_the_gateway_runs_and_the_old_one_can_go(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    with gateway(tmp_path, "--config", str(bank.config)) as running:
        receipts = push_calls(running, 3, "before")
        wait_for_ledger(tmp_path, receipts)
        assert "version 1" in bank.refuse("keys", "drop", "1")
        assert "version 2 was added" in bank.say("keys", "new")
        assert "still seals" not in bank.say("keys")
        assert "run huiyin keys rewrap first" in bank.refuse("keys", "drop", "1")
        assert "4 keys are sealed anew with version 2" in bank.say("keys", "rewrap")
        receipts |= push_calls(running, 3, "after")
        wait_for_ledger(tmp_path, receipts)
        assert running.stop() == 0
        assert not [line for line in running.output if "audit." in line], "the sealer reads the keyring anew"
    assert "not sealed" not in bank.say("audit", "verify")
    assert "version 1 was taken out" in bank.say("keys", "drop", "1")
    shown = bank.say("keys")
    assert "version 2" in shown
    assert "version 1" not in shown
    with gateway(tmp_path, "--config", str(bank.config)) as running:
        status, told = push(running, {**CALL, "call_id": "before-0"})
        assert (status, told["duplicate"]) == (200, True)
        assert running.stop() == 0
    for receipt in receipts:
        assert "registered" in bank.say("trace", receipt)
    assert "the chain holds" in bank.say("audit", "verify")


def test_a_person_is_found_by_a_number_in_any_spelling_that_stands_nowhere(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    call = {**CALL, "caller": PHONE}
    with gateway(tmp_path, "--config", str(bank.config)) as running:
        _, told = push(running, call)
        wait_for_ledger(tmp_path, {told["receipt"]})
        assert running.stop() == 0
    spoken = f"{told['receipt'][:4]} {told['receipt'][4:8]} {told['receipt'][8:]}"
    assert spoken in bank.run("find", "phone", stdin="+86 138-0013-8000\n").stdout
    assert bank.run("find", "phone", stdin="13900139000\n").stdout == "nothing is found\n"
    assert "that is no phone" in bank.refuse("find", "phone", "nobody")
    for path in tmp_path.glob("huiyin.db*"):
        assert PHONE.encode() not in path.read_bytes()


def test_without_its_keyring_a_store_stays_closed_and_no_other_is_made(tmp_path: Path) -> None:
    bank = Bank(tmp_path / "bank")
    with gateway(bank.data, "--config", str(bank.config)) as running:
        (receipt,) = push_calls(running, 1)
        assert running.stop() == 0
    key = bank.data / "keys" / "master.key"
    shutil.move(key, tmp_path / "safe")
    for command in (("trace", receipt), ("serve",), ("keys", "rewrap"), ("migrate",)):
        assert "copy it there" in bank.refuse(*command)
    assert not key.exists()
    key.write_text("1 " + "11" * 32 + "\n")
    assert "does not fit this store" in bank.refuse("trace", receipt)
    assert "does not fit this store" in bank.refuse("serve")
    shutil.copy(tmp_path / "safe", key)
    assert "registered" in bank.say("trace", receipt)
