"""The commands as a user runs them: processes of their own, files, pipes, and a store a gateway may be working on."""

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.journeys.test_complaint import CALL, push
from tests.ports import find_port
from tests.running import HOTLINE_AND_LEDGER, KEY, ROOT, gateway, read_ledger, run_cli, wait_for_ledger
from tests.running import write_config as write_settings

CALM = "我想反映一下排队时间太长的问题。"
URGENT = "我的信用卡昨天晚上被盗刷了八千元，不是我本人操作，请马上帮我冻结！"
MAIL = "From: customer@example.org\nSubject: {0}\nMessage-ID: <{0}@example.org>\n\n理财经理隐瞒风险，我要求退还本金。\n"
BANK = (
    HOTLINE_AND_LEDGER
    + """
[channels.mail]
adapter = "email"

[channels.branch]
adapter = "branch_qr"

[server]
public_url = "https://echo.bank.example"

[bank]
branches = "{branches}"
"""
)


def write_config(data: Path, more: str = "") -> Path:
    branches = data / "branches.csv"
    data.mkdir(parents=True, exist_ok=True)
    branches.write_text("code,name,region,aliases\nF0591001,福州五一支行,福建福州,五一支行\n", "utf-8")
    return write_settings(data, BANK.format(branches=branches) + more)


class Bank:
    """A data directory with its settings, and `huiyin` run on it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.config = write_config(data)

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        ran = run_cli(*arguments, "--config", str(self.config), "--data", str(self.data), stdin=stdin)
        assert "Traceback" not in ran.stderr, ran.stderr
        return ran

    def say(self, *arguments: str, stdin: str | None = None) -> str:
        """What a command prints that must succeed."""
        ran = self.run(*arguments, stdin=stdin)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def refuse(self, *arguments: str, status: int = 1) -> str:
        """The one line a command that must fail says on stderr."""
        ran = self.run(*arguments)
        assert ran.returncode == status, (ran.stdout, ran.stderr)
        *_, line = ran.stderr.strip().splitlines()
        assert line.startswith("huiyin")
        return line

    def write_calls(self, *texts: str, name: str = "calls.jsonl") -> Path:
        path = self.data / name
        lines = [{"call_id": f"{name}-{n}", "turns": [{"role": "customer", "text": t}]} for n, t in enumerate(texts)]
        path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8")
        return path

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(f"file:{self.data / 'huiyin.db'}?mode=ro", uri=True)) as store:
            return store.execute(sql).fetchall()


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    return Bank(tmp_path / "data")


# --- mistakes of a user ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("unheard-of",),
        ("trace",),
        ("dismiss", "x"),
        ("dismiss", "x", "--why", " "),
        ("replay",),
        ("serve", "--roles", "accept,sleep"),
        ("serve", "--port", "many"),
        ("qr", "F0591001", "--format", "svg,docx"),
        ("normalize", "hotline"),
        ("parked", "--colour"),
        ("audit",),
        ("audit", "verify", "--from", "yesterday"),
        ("conservation", "--format", "xml"),
    ],
)
def test_wrong_usage_is_said_with_the_usage_and_ends_with_2(arguments: tuple[str, ...]) -> None:
    ran = run_cli(*arguments)
    assert ran.returncode == 2
    assert ran.stderr.startswith("usage: huiyin")
    assert ran.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("trace", "471108154242"), "twelve digits"),
        (("trace", "not-a-number"), "twelve digits"),
        (("parked",), "there is no store at"),
        (("replay", "--channel", "95561"), "there is no store at"),
        (("release", "x"), "there is no store at"),
        (("audit", "export"), "there is no store at"),
        (("conservation",), "there is no store at"),
        (("scan",), "the settings name no scanner"),
        (("decided", "not-a-number"), "twelve digits"),
        (("import", "nowhere", "{file}"), "'nowhere' is not in the settings"),
        (("import", "95561", "/no/such/file"), "there is no file /no/such/file"),
        (("import", "95561", "{file}", "--format", "docx"), "reads the formats"),
        (("normalize", "hotline", "{file}", "--format", "docx"), "reads the formats"),
        (("normalize", "no-such-party", "{file}"), "no-such-party"),
        (("triage", "/no/such/file"), "/no/such/file cannot be read: No such file"),
        (("qr", "NOWHERE"), "not in the branch table: NOWHERE"),
        (("qr", "F0591001", "--out", "{file}/posters"), "Not a directory"),
        (("serve", "--port", "70000"), "server.port"),
        (("serve", "--host", "no.such.host.invalid"), "huiyin: "),
    ],
)
def test_a_mistake_is_said_in_one_line_and_ends_with_1(bank: Bank, arguments: tuple[str, ...], said: str) -> None:
    file = bank.write_calls(CALM)
    ran = bank.run(*(part.format(file=file) for part in arguments))
    assert ran.returncode == 1
    assert said in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1, ran.stderr


def test_settings_that_cannot_be_used_are_said_without_their_secrets(tmp_path: Path) -> None:
    for text, said in (
        ("[sever]\nport = 1\n", "sever"),
        ('[channels.x]\nadapter = "hotline"\nkeys = ["sesame"]\n', "channels.x.keys"),
        ('[channels.x]\nadapter = "hotline"\nkeys_file = "/no/such/file"\n', "channels.x.keys_file"),
        ('[systems.x]\nadapter = "hotline"\n', "there is no system in adapter 'hotline'"),
        ('[escalation]\nhigh = [{ notice = "pager", to = "x" }]\n', "there is no notice pager"),
        ('[store]\nurl = "postgresql://huiyin:sesame@db/huiyin"\n', "store.url"),
        ('[bank]\nbranches = "/no/such/table.csv"\n', "/no/such/table.csv"),
    ):
        config = write_settings(tmp_path, text)
        ran = run_cli("check", "--config", str(config), "--data", str(tmp_path))
        assert (ran.returncode, ran.stderr.count("\n")) == (1, 1), ran.stderr
        assert said in ran.stderr
        assert "sesame" not in ran.stdout + ran.stderr


def test_a_store_that_is_no_database_is_said_by_every_command_that_needs_it(bank: Bank) -> None:
    (bank.data / "huiyin.db").write_bytes(b"this is no database " * 100)
    for command in (("parked",), ("migrate",), ("channels",), ("import", "95561", str(bank.write_calls(CALM)))):
        assert "the database cannot be used" in bank.refuse(*command)


# --- dry runs --------------------------------------------------------------------------------------------------------


def test_normalize_gives_a_complaint_or_an_error_a_line_in_the_order_of_the_files(bank: Bank) -> None:
    good, urgent = bank.write_calls(CALM, CALM, name="a.jsonl"), bank.write_calls(URGENT, name="b.jsonl")
    (bank.data / "broken.json").write_bytes(b"{")
    ran = bank.run("normalize", "hotline", str(urgent), str(bank.data / "broken.json"), "/no/such/file", str(good))
    assert ran.returncode == 1
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [line.get("narrative") or bool(line.get("turns")) or line["error"]["code"] for line in lines][1:3] == [
        lines[1]["error"]["code"],
        "file_unreadable",
    ]
    assert [line["verdict"]["level"] for line in lines if "error" not in line] == ["critical", "normal", "normal"]
    for line in lines[1:3]:
        assert line.keys() == {"error", "file"}
        assert line["error"].keys() == {"code", "message"}
    assert lines[2]["file"] == "/no/such/file"
    assert ran.stderr == "huiyin: 2 of 5 could not be read; their lines say why\n"
    assert not (bank.data / "huiyin.db").exists(), "nothing is stored"
    assert not (bank.data / "keys").exists()


def test_what_normalize_prints_fits_the_schema_that_schema_prints(bank: Bank) -> None:
    schema = json.loads(bank.say("schema"))
    Draft202012Validator.check_schema(schema)
    printed = bank.say("normalize", "95561", str(bank.write_calls(URGENT, CALM))).splitlines()
    assert len(printed) == 2
    for line in printed:
        Draft202012Validator(schema).validate(json.loads(line))
    wrong = {**json.loads(printed[0]), "level": "urgent"}
    assert list(Draft202012Validator(schema).iter_errors(wrong)), "a schema that takes anything says nothing"


def test_normalize_reads_standard_input(bank: Bank) -> None:
    told = json.loads(bank.say("normalize", "hotline", "-", stdin=json.dumps(CALL)))
    assert told["complainant"]["phones"] == ["13800138000"]
    assert told["verdict"]["level"] == "critical"


@pytest.mark.parametrize(
    ("party", "content"),
    [
        ("hotline", json.dumps(CALL)),
        ("email", MAIL.format("one")),
        ("guestbook", "姓名,内容\n王某,排队时间太长\n"),
        ("wechat", ("<xml><ToUserName>gh_1</ToUserName><FromUserName>o1</FromUserName><CreateTime>1767232800</CreateTime>"
         "<MsgType>text</MsgType><Content>排队时间太长</Content><MsgId>1</MsgId></xml>")),
    ],
)  # fmt: skip
def test_a_dry_run_needs_no_settings_and_no_secret(tmp_path: Path, party: str, content: str) -> None:
    path = tmp_path / f"one.{'csv' if party == 'guestbook' else 'txt'}"
    path.write_text(content, "utf-8")
    ran = run_cli("normalize", party, str(path), "--data", str(tmp_path / "nothing"))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert json.loads(ran.stdout)["channel"] == {"party": party, "instance": party}
    assert not (tmp_path / "nothing").exists()


def test_triage_gives_a_verdict_a_line_and_goes_on_after_a_line_it_cannot_read(bank: Bank) -> None:
    lines = [{"id": 1, "text": URGENT}, {"id": "b", "text": CALM, "language": "zh-Hans"}, {"id": 3}]
    path = bank.data / "texts.jsonl"
    path.write_text("\ufeff" + "\n".join(json.dumps(line) for line in lines) + "\nno json\n", "utf-8")
    told = [json.loads(line) for line in bank.say("triage", str(path)).splitlines()]
    assert [line["id"] for line in told] == [1, "b", 3, None]
    assert [line["urgency"]["level"] for line in told[:2]] == ["critical", "normal"]
    assert told[0].keys() == {"id", "kind", "urgency", "business", "reason", "groups"}
    for found in told[0]["urgency"]["signals"]:
        assert URGENT[found["start"] : found["end"]] == found["evidence"]
    assert ["error" in line for line in told] == [False, False, True, True]


def test_triage_answers_each_line_before_it_asks_for_the_next(bank: Bank) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "triage"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as triage:
        assert triage.stdin is not None
        assert triage.stdout is not None
        for number in range(3):
            triage.stdin.write(json.dumps({"id": number, "text": URGENT}) + "\n")
            triage.stdin.flush()
            assert json.loads(triage.stdout.readline())["id"] == number
        triage.stdin.close()
        assert triage.wait(30) == 0


def test_a_reader_that_goes_away_is_no_failure(bank: Bank) -> None:
    path = bank.data / "texts.jsonl"
    path.write_text("".join(json.dumps({"id": n, "text": CALM}) + "\n" for n in range(3000)))
    for command in (["triage", str(path)], ["schema"]):
        with subprocess.Popen(
            [sys.executable, "-m", "gateway", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        ) as run:
            assert run.stdout is not None
            assert run.stderr is not None
            run.stdout.readline()
            run.stdout.close()
            said = run.stderr.read()
            assert (run.wait(60), said) == (0, ""), command


# --- import ------------------------------------------------------------------------------------------------------------


def test_import_accounts_for_every_piece_and_a_second_run_adds_nothing(bank: Bank) -> None:
    path = bank.write_calls(URGENT, CALM)
    (bank.data / "broken.json").write_bytes(b"{")
    first = bank.run("import", "95561", str(path), str(bank.data / "broken.json"))
    assert first.returncode == 0, first.stderr
    assert first.stdout == "accepted 3, known already 0; registered 2, set aside 1\n"
    assert "\r" not in first.stderr, "no progress where nobody watches"
    assert bank.say("import", "95561", str(path), str(bank.data / "broken.json")) == "accepted 0, known already 3\n"
    assert bank.query("SELECT count(*) FROM envelopes") == [(3,)]
    assert bank.query("SELECT count(*) FROM duties WHERE target = 'notice'") == [(0,)]


def test_import_takes_a_maildir_without_the_mails_still_being_written(bank: Bank) -> None:
    for folder, name in (("cur", "1:2,S"), ("new", "2"), ("tmp", "3")):
        (bank.data / "box" / folder).mkdir(parents=True)
        (bank.data / "box" / folder / name).write_text(MAIL.format(name[0]), "utf-8")
    assert bank.say("import", "mail", str(bank.data / "box")) == "accepted 2, known already 0; registered 2\n"


def test_import_beside_a_running_gateway_counts_its_own_pieces_only(bank: Bank) -> None:
    path = bank.write_calls(*[CALM] * 300)
    with gateway(bank.data, "--config", str(bank.config)) as running:
        pushing = subprocess.Popen(
            [sys.executable, "-c", PUSH_UNTIL_KILLED, running.url, KEY], stdout=subprocess.PIPE, text=True
        )
        try:
            assert pushing.stdout is not None
            assert pushing.stdout.readline() == "begun\n"
            assert bank.say("import", "95561", str(path)) == "accepted 300, known already 0; registered 300\n"
        finally:
            pushing.kill()
            pushing.wait()
    assert bank.query("SELECT count(*) > 300 FROM envelopes") == [(1,)], "others came in meanwhile"


PUSH_UNTIL_KILLED = """
import itertools, json, sys, urllib.request
for n in itertools.count():
    body = json.dumps({"call_id": f"live-{n}", "turns": [{"role": "customer", "text": "排队时间太长"}]}).encode()
    headers = {"Content-Type": "application/json", "X-Huiyin-Key": sys.argv[2]}
    urllib.request.urlopen(urllib.request.Request(sys.argv[1] + "/intake/hotline", body, headers)).read()
    if n == 5:
        print("begun", flush=True)
"""


def test_import_shows_its_progress_to_a_person_at_a_terminal(bank: Bank) -> None:
    import pty

    master, terminal = pty.openpty()
    command = [sys.executable, "-m", "gateway", "import", "95561", str(bank.write_calls(CALM, URGENT))]
    with subprocess.Popen(
        [*command, "--config", str(bank.config), "--data", str(bank.data)],
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
        cwd=ROOT,
    ) as run:
        os.close(terminal)
        shown = b""
        with contextlib.suppress(OSError):  # how a terminal says that nobody is left on it
            while part := os.read(master, 4096):
                shown += part
        assert run.stdout is not None
        assert run.stdout.read() == "accepted 2, known already 0; registered 2\n"
        assert run.wait(60) == 0
    os.close(master)
    assert b"1 files, 2 new, 0 known already" in shown
    assert shown.endswith(b"\r\x1b[K"), "the line is gone at the end"


# --- people ------------------------------------------------------------------------------------------------------------


def test_trace_tells_one_receipt_as_text_and_as_json_however_it_is_written(bank: Bank) -> None:
    bank.say("import", "95561", str(bank.write_calls(URGENT)))
    ((receipt, envelope_id),) = bank.query("SELECT receipt, id FROM inbox")
    story = bank.say("trace", f"{receipt[:4]} {receipt[4:8]}-{receipt[8:]}")
    for word in (envelope_id, "CRITICAL", "envelope.accepted", "complaint.registered", "create", "waiting"):
        assert word in story
    told = json.loads(bank.say("trace", receipt, "--json"))
    assert told["receipt"] == receipt
    assert told["versions"][0]["complaint"]["receipt"] == receipt
    assert [row["event"] for row in told["history"]][:2] == ["envelope.accepted", "complaint.registered"]
    assert [duty["step"] for duty in told["duties"]] == ["create"]


def test_trace_of_a_receipt_nobody_has_says_so(bank: Bank) -> None:
    from gateway.contract.receipt import make_receipt

    bank.say("migrate")
    assert "nothing was accepted under" in bank.refuse("trace", make_receipt(98765432109))


def test_what_is_set_aside_is_listed_released_and_dismissed_with_a_reason(bank: Bank) -> None:
    assert bank.say("migrate")
    assert bank.say("parked") == "nothing waits for a person\n"
    for name in ("a", "b"):
        (bank.data / f"{name}.json").write_text("{" + name)
    bank.say("import", "95561", str(bank.data / "a.json"), str(bank.data / "b.json"))
    listed = bank.say("parked").splitlines()
    first, second = (line.split()[0] for line in listed)
    assert all("envelope" in line and "95561" in line for line in listed)
    assert bank.say("dismiss", first, "--why", "Eine leere Datei. 空文件") == f"{first} dismissed\n"
    assert bank.say("release", second) == f"{second} released\n"
    assert bank.query(f"SELECT state FROM inbox WHERE id = '{first}'") == [("dismissed",)]
    (why,) = bank.query(f"SELECT detail FROM history WHERE subject_id = '{first}' AND event = 'envelope.dismissed'")
    assert why[0].endswith(": Eine leere Datei. 空文件")
    assert bank.query(f"SELECT state FROM inbox WHERE id = '{second}'") == [("accepted",)]
    (by,) = bank.query(f"SELECT detail FROM history WHERE subject_id = '{second}' AND event = 'envelope.released'")
    assert by[0].startswith("by cli:")
    ran = bank.run("release", first, "0" * 32)
    assert ran.returncode == 1
    assert ran.stdout == f"{first} released\n", "a person may fetch back what was dismissed"
    assert ran.stderr.startswith(f"huiyin: {'0' * 32} is not waiting for a person")
    assert "is not waiting for a person" in bank.refuse("dismiss", first, "--why", "again")


# --- replay ------------------------------------------------------------------------------------------------------------


LEARNT = ("pattern_critical", "pattern_high")
"""Signals that step in where no word of the lists is found."""


def find_signals(bank: Bank) -> tuple[str, ...]:
    (entry,) = read_ledger(bank.data)
    return tuple({signal["id"] for signal in entry["verdict"]["signals"]})


def test_replay_shows_what_new_rules_change_and_then_changes_it_without_forwarding_twice_or_warning(bank: Bank) -> None:
    ladder = (
        '[notices.duty]\nadapter = "email"\nhost = "127.0.0.1"\nport = 9\ntls = "none"\nfrom_address = "a@b.example"\n'
    )
    ladder += '[escalation]\ncritical = [{ notice = "duty", to = "d@b.example" }]\n'
    write_config(bank.data, ladder)
    with gateway(bank.data, "--config", str(bank.config)) as running:
        _, told = push(running)
        (entry,) = wait_for_ledger(bank.data, {told["receipt"]})
        assert running.stop() == 0
    warnings = bank.query("SELECT id FROM duties WHERE step LIKE 'warning:%'")
    assert len(warnings) == 1
    assert "0 would change" in bank.say("replay", "--channel", "95561", "--dry-run")

    write_config(bank.data, ladder + f"[triage]\noff = {json.dumps([*find_signals(bank), *LEARNT])}\n")
    ((envelope_id,),) = bank.query("SELECT id FROM envelopes")
    shown = bank.say("replay", envelope_id, "--dry-run")
    assert re.search(r'verdict\.level: "critical" -> "(high|normal)"', shown), shown
    assert "1 would change" in shown
    assert bank.query("SELECT count(*) FROM complaint_versions") == [(1,)], "a dry run changes nothing"

    assert "1 changed" in bank.say("replay", "--channel", "95561", "--since", "2020-01-01")
    assert bank.query("SELECT version, event FROM complaint_versions") == [(1, "registered"), (2, "reread")]
    assert bank.query("SELECT id FROM duties WHERE target = 'notice'") == warnings, "nobody is warned"
    assert "0 changed" in bank.say("replay", "--channel", "95561"), "once is enough"
    with gateway(bank.data, "--config", str(bank.config)) as running:
        deadline = time.monotonic() + 30
        while (entries := read_ledger(bank.data))[0]["version"] != 2 and time.monotonic() < deadline:
            time.sleep(0.1)
    assert [(e["ticket"], e["version"]) for e in entries] == [(entry["ticket"], 2)]
    assert entries[0]["verdict"]["level"] != "critical"
    assert bank.query("SELECT count(*) FROM duties WHERE step = 'create'") == [(1,)]


def test_replay_reads_what_was_set_aside_again_once_the_settings_are_right(bank: Bank) -> None:
    text = bank.config.read_text()
    bank.say("import", "95561", str(bank.write_calls(CALM)))
    with contextlib.closing(sqlite3.connect(bank.data / "huiyin.db")) as store:
        store.execute("UPDATE inbox SET channel = 'renamed', state = 'set_aside', code = 'channel_missing'")
        store.execute("DELETE FROM complaints")
        store.execute("DELETE FROM complaint_versions")
        store.commit()
    assert "0 would change" in bank.say("replay", "--channel", "renamed", "--dry-run"), "it would fail the same way"
    bank.config.write_text(text.replace("[channels.95561]", "[channels.renamed]"))
    assert "set_aside (channel_missing) -> a complaint" in bank.say("replay", "--channel", "renamed", "--dry-run")
    assert bank.query("SELECT state FROM inbox") == [("set_aside",)]
    assert "1 changed" in bank.say("replay", "--channel", "renamed")
    assert bank.query("SELECT state, code FROM inbox") == [("accepted", "")]


def test_replay_of_many_does_not_fetch_back_what_a_person_put_away(bank: Bank) -> None:
    (bank.data / "a.json").write_text("{a")
    bank.say("import", "95561", str(bank.data / "a.json"))
    ((envelope_id,),) = bank.query("SELECT id FROM inbox")
    bank.say("dismiss", envelope_id, "--why", "a test of the vendor")
    assert "0 changed" in bank.say("replay", "--channel", "95561")
    assert bank.query("SELECT state FROM inbox") == [("dismissed",)]
    assert "is no kept envelope" in bank.refuse("replay", "0" * 32)
    assert "is no date" in bank.refuse("replay", "--since", "yesterday")


# --- what is set up ------------------------------------------------------------------------------------------------------


def test_check_says_where_every_value_came_from_and_no_secret(bank: Bank) -> None:
    said = bank.say("check")
    sources = {line.split()[0]: line for line in said.splitlines()}
    assert sources["server.public_url"].endswith(f"file {bank.config}")
    assert sources["server.port"].endswith("default")
    assert sources["data_dir"].endswith("command line")
    assert "(set)" in sources["channels.95561.keys"]
    assert KEY not in said


def test_check_online_reaches_every_party_once_and_says_which_it_could_not(bank: Bank) -> None:
    good = bank.run("check", "--online")
    assert good.returncode == 0, good.stderr
    assert "store: there is none yet" in good.stdout
    assert "ledger: " in good.stdout
    bank.say("migrate")
    port = find_port()
    write_config(
        bank.data,
        f'[notices.duty]\nadapter = "email"\nhost = "127.0.0.1"\nport = {port}\ntls = "none"\nfrom_address = "a@b.example"\n',
    )
    bad = bank.run("check", "--online")
    assert bad.returncode == 1
    assert "store: good" in bad.stdout
    assert re.search(r"^duty: \w+", bad.stdout, re.MULTILINE)
    assert "1 could not be reached" in bad.stderr


def test_channels_and_systems_list_what_is_installed_on_and_healthy(bank: Bank) -> None:
    fresh = bank.say("channels")
    assert re.search(r"^hotline +95561 +on; nothing yet$", fresh, re.MULTILINE)
    assert re.search(r"^wechat +- +installed, not in the settings$", fresh, re.MULTILINE)
    (bank.data / "a.json").write_text("{a")
    bank.say("import", "95561", str(bank.write_calls(CALM)), str(bank.data / "a.json"))
    used = bank.say("channels")
    assert re.search(r"^hotline +95561 +on, something waits for a person .*set_aside 1", used, re.MULTILINE)
    assert re.search(r"^ledger +ledger +on; waiting 1$", bank.say("systems"), re.MULTILINE)
    with contextlib.closing(sqlite3.connect(bank.data / "huiyin.db")) as store:
        store.execute("UPDATE duties SET owed_ms = owed_ms - 7200000")
        store.commit()
    assert "on, but late: the oldest has waited 120 min" in bank.say("systems")
    write_config(bank.data, "[channels.box]\nadapter = 'email'\nenabled = false\n")
    assert re.search(r"^email +box +off; nothing yet$", bank.say("channels"), re.MULTILINE)


def test_migrate_makes_the_store_and_refuses_one_of_a_newer_version(bank: Bank) -> None:
    assert "is at revision" in bank.say("migrate")
    assert "is at revision" in bank.say("migrate"), "a second time changes nothing"
    with contextlib.closing(sqlite3.connect(bank.data / "huiyin.db")) as store:
        store.execute("UPDATE alembic_version SET version_num = '9999'")
        store.commit()
    for command in (
        ("migrate",),
        ("parked",),
        ("serve", "--port", "0"),
        ("import", "95561", str(bank.write_calls(CALM))),
    ):
        assert "newer than this program" in bank.refuse(*command)


def test_qr_writes_posters_whose_address_the_gateway_takes(bank: Bank, tmp_path: Path) -> None:
    out = tmp_path / "posters"
    written = bank.say("qr", "F0591001", "--out", str(out), "--format", "svg,pdf").splitlines()
    assert [Path(line).suffix for line in written] == [".svg", ".pdf"]
    assert all(Path(line).stat().st_size > 1000 for line in written)
    write_settings(bank.data, bank.config.read_text().replace('public_url = "https://echo.bank.example"', ""))
    ran = bank.run("qr", "F0591001", "--out", str(out))
    assert ran.returncode == 0
    assert "server.public_url is not set" in ran.stderr


def test_an_address_that_is_taken_is_said_and_nothing_is_left_running(bank: Bank) -> None:
    with gateway(bank.data, "--config", str(bank.config)) as running:
        ran = bank.run("serve", "--port", str(running.ready["port"]))
        assert ran.returncode == 1
        assert "in use" in ran.stderr
        assert running.stop() == 0


def test_an_interrupt_ends_a_command_quietly(bank: Bank) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "triage"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as triage:
        assert triage.stdin is not None
        assert triage.stdout is not None
        assert triage.stderr is not None
        triage.stdin.write(json.dumps({"id": 1, "text": CALM}) + "\n")
        triage.stdin.flush()
        triage.stdout.readline()
        triage.send_signal(signal.SIGINT)
        assert triage.wait(30) == 130
        assert triage.stderr.read() == ""
