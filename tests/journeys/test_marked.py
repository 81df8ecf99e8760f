"""Marked passwords, codes, CVV and track data go in by every door, in every sample, and are found nowhere afterwards."""

import asyncio
import contextlib
import json
import os
import smtplib
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from adapters.email.simulator import MailServer, open_mail_server
from adapters.hotline.simulator import CURRENT
from adapters.webhook.simulator import SETTINGS as WEBHOOK
from adapters.webhook.simulator import Receiver
from adapters.wechat.simulator import make_call
from adapters.wecom_kf.simulator import SETTINGS as WECOM
from adapters.wecom_kf.simulator import WeCom, make_nudge, open_wecom
from gateway.contract.call import Call
from gateway.contract.clock import Millis
from tests.contract.parties import ADAPTERS, PUSHES, load, simulated_settings
from tests.marked import PERSONAL, SAID, SECRETS, find_marks, mark_all
from tests.ports import find_port
from tests.postgres_server import PASSWORD, PostgresServer
from tests.running import ROOT, Running, gateway, open_vault, read_ledger, run_cli, write_config

SHARED = ROOT.parent / "shared" / "samples"
INSTANCES = {"hotline": "95561", "wechat": "gzh", "branch_qr": "branch", "guestbook": "book", "email": "mail"}
SHARED_FOLDERS = {"hotline": "transcripts", "wechat": "wechat", "branch_qr": "webform", "email": "email"}
_KEYS = "SELECT month, version, sealed, made_ms, destroyed_ms FROM vault"
URGENT = "我不想活了，今晚就从你们行楼上跳下去。"


KF = "kf"
"""The account of WeCom: it is asked for what was said, and told the numbers."""


def write_bank(data: Path, engine: "Engine", parties: "Parties", mail_port: int) -> Path:
    receiver, server, wecom = parties
    lines = [engine.settings]
    for party, instance in INSTANCES.items():
        settings = simulated_settings(party) | ({"port": mail_port} if party == "email" else {})
        lines += [f"[channels.{instance}]", f'adapter = "{party}"', *_write(settings)]
    lines += [f"[channels.{KF}]", 'adapter = "wecom_kf"', *_write(WECOM | {"api_url": wecom.url, "poll_s": 5})]
    account = {name: WECOM[name] for name in ("corpid", "secret")}
    lines += [f"[notices.{KF}]", 'adapter = "wecom_kf"', *_write(account | {"api_url": wecom.url})]
    lines += ["[systems.ledger]", 'adapter = "ledger"', "[systems.crm]", 'adapter = "webhook"']
    lines += _write(WEBHOOK | {"url": receiver.url})
    lines += ["[notices.duty]", 'adapter = "email"', 'host = "127.0.0.1"', f"port = {server.port}", 'tls = "none"']
    lines += ['from_address = "complaints@bank.example"', "[escalation]"]
    lines += ['critical = [ { notice = "duty", to = "duty@bank.example" } ]', "[stages]", "lease_s = 5", "poll_ms = 50"]
    return write_config(data, "\n".join(lines))


def _write(settings: dict[str, object]) -> Iterator[str]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield f"{name} = {{ " + ", ".join(f"{key} = {json.dumps(one)}" for key, one in value.items()) + " }"
        else:
            yield f"{name} = {json.dumps(value)}"


def list_samples(party: str) -> list[Path]:
    found = sorted((ADAPTERS / party / "samples").glob("*.in.*"))
    folder = SHARED / SHARED_FOLDERS[party] if party in SHARED_FOLDERS else None
    if folder is not None and folder.is_dir():
        found += sorted(
            path
            for path in folder.iterdir()
            if path.suffix in {".eml", ".json", ".vcon", ".txt", ".srt", ".vtt", ".xml"}
        )
    return found


def call(running: Running, call: Call, *, body: bytes | None = None) -> tuple[int, bytes]:
    """-> status and body, also of a refusal."""
    parts = urlsplit(call.url)
    address = f"{running.url}{quote(parts.path)}?{parts.query}"
    headers = {name: value for name, value in call.headers.items() if name != "content-length"}
    request = urllib.request.Request(address, call.body if body is None else body, headers, method=call.method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def send_mail(port: int, raw: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as session:
        session.sendmail("wang@example.cn", ["complaints@bank.example"], raw)


def fetch(running: Running, path: str) -> bytes:
    with urllib.request.urlopen(running.url + path, timeout=30) as answer:
        return bytes(answer.read())


def push_all(running: Running, marked: dict[str, list[Path]], mail_port: int) -> tuple[int, list[bytes]]:
    """-> how much was accepted, and what the gateway said to all that it refused."""
    accepted, refusals = 0, []
    now = Millis(round(time.time() * 1000))

    def note(status: int, body: bytes) -> None:
        nonlocal accepted
        accepted += status in (200, 201)
        if status >= 400:
            refusals.append(body)

    for party in (party for party in PUSHES if party in INSTANCES):
        simulator = load(party, "simulator")
        for secret in ("right", "wrong", "missing"):
            pushed = simulator.push(
                text=f"{URGENT}{SAID}", key="m-1", secret=secret, instance=INSTANCES[party], received_at=now
            )
            note(*call(running, pushed))
        right = simulator.push(text=SAID, key="m-2", instance=INSTANCES[party], received_at=now)
        for body in (
            right.body[:-7],
            right.body[: len(right.body) // 2],
            SAID.encode(),
            SAID.encode("gbk"),
            b"{" + right.body,
        ):
            note(*call(running, right, body=body))
    for path in marked["hotline"]:
        pushed = simulated_push(path)
        note(*call(running, pushed))
        note(*call(running, pushed, body=pushed.body[: len(pushed.body) * 2 // 3]))
    for path in marked["wechat"]:
        if path.suffix == ".xml":
            note(*call(running, make_call(path.read_bytes(), received_at=now)))
    for path in marked["email"]:
        if path.suffix == ".eml":
            with contextlib.suppress(smtplib.SMTPException):
                send_mail(mail_port, path.read_bytes())
    return accepted, refusals


def say_all(wecom: WeCom) -> int:
    """Every kind of message that holds words, by customers and others, and a file. -> how many"""
    said = [
        {"msgtype": "text", "text": {"content": SAID}},
        {"msgtype": "text", "text": {"content": f"{URGENT}{SAID}", "menu_id": SAID}},
        {"msgtype": "location", "location": {"latitude": 26.07, "longitude": 119.3, "name": SAID, "address": SAID}},
        {"msgtype": "link", "link": {"title": SAID, "desc": SAID, "url": f"https://x.example/?{quote(SAID)}"}},
        {"msgtype": "miniprogram", "miniprogram": {"title": SAID, "pagepath": f"pages/index?q={SAID}"}},
        {"msgtype": "merged_msg", "merged_msg": {"title": SAID, "item": [{"msg_content": json.dumps({"text": SAID})}]}},
        {"msgtype": "channels_shop_product", "channels_shop_product": {"title": SAID}},
        {"msgtype": "a_kind_of_tomorrow", "a_kind_of_tomorrow": {"content": SAID}},
        {"msgtype": "event", "event": {"event_type": "enter_session", "welcome_code": SAID}},
    ]
    for number, fields in enumerate(said):
        wecom.put(fields, person=f"wm-{number}")
        wecom.put(fields, person=f"wm-{number}", origin=5)
    wecom.send("file", SAID.encode(), "application/octet-stream")
    return 2 * len(said) + 1


def nudge_all(running: Running) -> list[bytes]:
    """-> what the gateway said to the callbacks that it refused."""
    answers = []
    for secret in ("right", "wrong", "missing"):
        nudge = make_nudge(secret=secret, instance=KF, received_at=round(time.time() * 1000))
        for body in (
            nudge.body,
            nudge.body[:-7],
            SAID.encode(),
            b"<xml><Encrypt>" + SAID.encode() + b"</Encrypt></xml>",
        ):
            answers.append(call(running, nudge, body=body))
    return [body for status, body in answers if status >= 400]


def simulated_push(path: Path) -> Call:
    media_type = {".json": "application/json", ".jsonl": "application/json", ".vcon": "application/json"}
    address = "https://gateway.example/intake/95561"
    return Call(
        method="POST",
        path="/intake/95561",
        url=address,
        query={},
        headers={"content-type": media_type.get(path.suffix, "text/plain"), "x-huiyin-key": CURRENT},
        body=path.read_bytes(),
        remote="",
        received_at=Millis(0),
    )


Parties = tuple[Receiver, MailServer, WeCom]


@pytest.fixture
async def parties() -> AsyncIterator[Parties]:
    receiver = Receiver()
    await receiver.open()
    async with open_mail_server() as server, open_wecom(lambda: round(time.time() * 1000)) as wecom:
        wecom.bare_calls = 1000
        yield receiver, server, wecom
    await receiver.close()


def read_files(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes()


def find_places(values: Mapping[str, str], places: Mapping[str, bytes]) -> dict[str, list[str]]:
    return {name: marks for name, raw in places.items() if (marks := find_marks(values, raw))}


@dataclass(frozen=True)
class Engine:
    """`settings`: the section of the settings. `files`: all that it keeps outside of the gateway's data folder."""

    settings: str
    ask: Callable[[str], list[tuple[Any, ...]]]
    files: Callable[[], Iterator[tuple[Path, bytes]]]

    def is_done(self, asked: int) -> bool:
        """So much was got from WeCom, and nothing waits to be read or forwarded."""
        ((got,),) = self.ask(f"SELECT count(*) FROM inbox WHERE channel = '{KF}'")
        ((unread,),) = self.ask("SELECT count(*) FROM inbox WHERE state = 'accepted'")
        ((owed,),) = self.ask(
            f"SELECT count(*) FROM duties WHERE state = 'waiting' AND (target = 'system' OR instance = '{KF}')"
        )
        return bool(got >= asked and not unread and not owed)


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "sqlite":

        def ask(sql: str) -> list[tuple[Any, ...]]:
            with contextlib.closing(
                sqlite3.connect(f"file:{tmp_path / 'data' / 'huiyin.db'}?mode=ro", uri=True)
            ) as store:
                return store.execute(sql).fetchall()

        yield Engine("", ask, lambda: iter(()))
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.make_database(template=None)
    ((number,),) = server.query("postgres", f"SELECT oid::int FROM pg_database WHERE datname = '{name}'")

    def read() -> Iterator[tuple[Path, bytes]]:
        server.query(name, "CHECKPOINT")
        for folder in (server._data / "base" / str(number), server._data / "pg_wal"):
            yield from read_files(folder)
        yield server._folder / "log", (server._folder / "log").read_bytes()

    settings = f'[store]\nurl = "{server.url(name)}"\npassword = "{PASSWORD}"'
    yield Engine(settings, partial(server.query, name), read)
    server.drop_database(name)


async def test_what_may_never_be_stored_is_found_nowhere_and_persons_only_sealed(
    tmp_path: Path, engine: Engine, parties: Parties, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver, server, wecom = parties
    data, temporary, samples = (tmp_path / name for name in ("data", "tmp", "samples"))
    for folder in (data, temporary, samples):
        folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    mail_port = find_port()
    config = write_bank(data, engine, parties, mail_port)
    marked: dict[str, list[Path]] = {}
    for party in INSTANCES:
        (samples / party).mkdir()
        marked[party] = mark_all(list_samples(party), samples / party)
        assert marked[party], f"nobody says anything in the samples of {party}"

    told: list[bytes] = []
    for party, files in marked.items():
        ran = await asyncio.to_thread(
            run_cli, "import", INSTANCES[party], *map(str, files), "--config", str(config), "--data", str(data)
        )
        assert ran.returncode == 0, ran.stderr[-2000:]
        told.append((ran.stdout + ran.stderr).encode())

    waiting = say_all(wecom)
    bank = gateway(data, "--config", str(config), environment={**os.environ, "TMPDIR": str(temporary)})
    running: Running = await asyncio.to_thread(bank.__enter__)
    try:
        accepted, refusals = await asyncio.to_thread(push_all, running, marked, mail_port)
        assert accepted > 20
        assert len(refusals) > 10
        refusals += await asyncio.to_thread(nudge_all, running)
        await wait_until_done(engine, server, waiting)
        metrics = await asyncio.to_thread(fetch, running, "/metrics")
        ready = await asyncio.to_thread(fetch, running, "/ready")
        assert await asyncio.to_thread(running.stop) == 0
    finally:
        bank.__exit__(None, None, None)

    parties_told = [body for _, _, body in receiver.seen] + [mail.raw for mail in server.mails]
    parties_told += [words.encode() for heard in wecom.telephone.values() for words in heard]
    logs = "".join(running.output).encode()
    assert b"huiyin_removed_total" in metrics
    assert receiver.seen
    assert server.mails, "an urgent complaint warns the people on duty"
    assert wecom.telephone, "customers of WeCom are told their numbers"
    assert list((data / "blobs").glob("2*/*/*")), "the file was fetched"
    entries = read_ledger(data, open_vault(data, engine.ask(_KEYS)))
    for party in (*INSTANCES, "wecom_kf"):
        ledger = [entry for entry in entries if entry["channel"]["party"] == party]
        kinds = {
            found["kind"] for entry in ledger for found in entry["privacy"]["findings"] if found["action"] == "removed"
        }
        assert kinds >= {"password", "code", "cvv", "pin", "track"}, (
            f"{party}: the marks did not come in, or are not noted"
        )
        assert any(PERSONAL["words"] in json.dumps(entry, ensure_ascii=False) for entry in ledger), (
            f"{party}: words were lost"
        )

    files = (*read_files(data), *read_files(temporary), *engine.files())
    everywhere = {str(path): raw for path, raw in files if path != config}
    outside = {f"told {n}": raw for n, raw in enumerate(parties_told)}
    words = {
        "logs": logs,
        "metrics": metrics,
        "ready": ready,
        "commands": b"".join(told),
        "refusals": b"".join(refusals),
    }
    assert not find_places(SECRETS, everywhere | outside | words)
    assert not find_places(PERSONAL, everywhere)
    shown = words | {path.name: raw for path, raw in read_files(temporary)}
    assert not find_places(PERSONAL, shown)


async def wait_until_done(engine: Engine, server: MailServer, asked: int) -> None:
    """Until all is read and forwarded, and the people on duty are warned."""
    async with asyncio.timeout(300):
        # Other processes make it true.
        while not (await asyncio.to_thread(engine.is_done, asked) and server.mails):  # noqa: ASYNC110
            await asyncio.sleep(0.5)
