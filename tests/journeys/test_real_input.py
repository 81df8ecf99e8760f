"""Everything real that is at hand goes in, and every piece of it is accounted for."""

import json
import re
import shutil
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.running import HOTLINE_AND_LEDGER, ROOT, run_cli, write_config

SHARED = ROOT.parent / "shared"
CHANNELS = (
    HOTLINE_AND_LEDGER
    + """
[channels.mail]
adapter = "email"

[channels.gzh]
adapter = "wechat"
appid = "wxba5fad812f8e6fb9"
tokens = ["AAAAA"]
aes_keys = ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]

[channels.guestbook]
adapter = "guestbook"
keys = ["guestbook-key-guestbook-key"]

[channels.branch]
adapter = "branch_qr"
"""
)

INPUT = {
    "mail": ("data/redistributable/email", "data/evaluate-only/email", "data/evaluate-only/email_derived", "samples/email"),
    "95561": ("data/redistributable/hotline", "samples/transcripts"),
    "gzh": ("data/redistributable/wechat", "samples/wechat"),
    "guestbook": ("adapters/guestbook/samples", "data/evaluate-only/text/guestbook_zh.jsonl"),
    "branch": ("samples/webform/submissions.json",),
}  # fmt: skip
NO_INPUT = re.compile(
    r"(?:expected\.\w+|index\.jsonl|SOURCES\.md|README\.md|api_.*\.json|.*\.out\.json|.*\.schema\.json)$"
)
"""What stands beside the payloads: what a good parser makes of them, lists, and answers of the other side."""


def list_input(channel: str) -> list[Path]:
    found: list[Path] = []
    for name in INPUT[channel]:
        root = ROOT / name if name.startswith("adapters/") else SHARED / name
        if not root.exists():
            pytest.skip(f"{name} does not stand beside the project: {channel} was not tested on it")
        files = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.is_file())
        found += [path for path in files if not NO_INPUT.match(path.name)]
    return found


def run_import(data: Path, channel: str, files: Sequence[Path]) -> subprocess.CompletedProcess[str]:
    return run_cli("import", channel, *map(str, files), "--config", str(data / "huiyin.toml"), "--data", str(data))


def count(data: Path) -> tuple[Counter[str], dict[str, str]]:
    """Envelopes by state, and the reason of each that is set aside."""
    with closing(sqlite3.connect(f"file:{data / 'huiyin.db'}?mode=ro", uri=True)) as store:
        rows = store.execute("SELECT id, state, code FROM inbox").fetchall()
    return Counter(state for _, state, _ in rows), {row[0]: row[2] for row in rows if row[1] == "set_aside"}


@pytest.mark.parametrize("channel", INPUT)
def test_all_real_input_is_registered_set_aside_or_dismissed_with_a_reason_and_a_second_run_adds_nothing(
    channel: str, tmp_path: Path
) -> None:
    write_config(tmp_path, CHANNELS)
    files = list_input(channel)
    first = run_import(tmp_path, channel, files)
    assert "Traceback" not in first.stderr
    assert first.returncode == 0, first.stderr[-2000:]
    states, set_aside = count(tmp_path)
    accepted = sum(states.values())
    assert accepted >= len(files) * 0.9, "a file of nothing but copies may add nothing; most add something"
    assert states["accepted"] == 0, "nothing is left in between"
    assert accepted == states["registered"] + states["set_aside"] + states["dismissed"]
    assert all(set_aside.values()), "whatever waits for a person says why"
    assert not any(code.startswith("bug_") for code in set_aside.values()), Counter(set_aside.values())
    assert states["registered"] > 0
    with closing(sqlite3.connect(f"file:{tmp_path / 'huiyin.db'}?mode=ro", uri=True)) as store:
        (receipts,) = store.execute("SELECT count(DISTINCT receipt) FROM complaints").fetchone()
        (duties,) = store.execute("SELECT count(DISTINCT complaint_id) FROM duties WHERE target = 'system'").fetchone()
    assert duties == receipts, "every complaint is owed to the system of record"

    again = run_import(tmp_path, channel, files)
    assert again.returncode == 0, again.stderr[-2000:]
    assert count(tmp_path)[0] == states, "the second run adds nothing"
    print(json.dumps({"channel": channel, "files": len(files), **states, "set aside": Counter(set_aside.values())}))


def test_every_mail_may_also_come_as_one_mbox(tmp_path: Path) -> None:
    import mailbox

    write_config(tmp_path, CHANNELS)
    mails = [path for path in list_input("mail") if path.suffix == ".eml"][:100]
    box = mailbox.mbox(tmp_path / "all.mbox")
    for path in mails:
        box.add(path.read_bytes().replace(b"\r\n", b"\n"))
    box.close()
    ran = run_import(tmp_path, "mail", [tmp_path / "all.mbox"])
    assert ran.returncode == 0, ran.stderr[-2000:]
    states, _ = count(tmp_path)
    assert sum(states.values()) >= len(mails) * 0.95
    shutil.copy(tmp_path / "all.mbox", tmp_path / "copy.mbox")
    assert run_import(tmp_path, "mail", [tmp_path / "copy.mbox"]).returncode == 0
    assert count(tmp_path)[0] == states
