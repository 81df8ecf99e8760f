"""`make run`: a newcomer starts the demo bank and finds every complaint of every channel in the ledger."""

import json
import re
import secrets
import shlex
import smtplib
import time
import urllib.request
from email.message import EmailMessage
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlencode

import pytest

from adapters._tencent.crypto import decrypt, encrypt, make_signature, read_aes_key
from adapters._tencent.messages import read_message
from adapters.wechat.replies import render
from gateway.contract.receipt import parse_receipt
from tests.ports import find_port
from tests.running import Running, gateway, run_cli, wait_for_ledger

APPID = "wx0000000000000000"


@pytest.fixture
def mail_port() -> int:
    return find_port()


@pytest.fixture
def demo(tmp_path: Path, mail_port: int):
    with gateway(tmp_path, "--demo", environment={"HUIYIN__CHANNELS__MAIL__PORT": str(mail_port)}) as running:
        yield running


def read_printed(running: Running, mark: str) -> str:
    """What the demo prints after it is ready; waits for it."""
    for _ in range(100):
        for number, line in enumerate(running.output):
            if mark in line and "Then: huiyin trace" in "".join(running.output):
                return "".join(running.output[number : number + 2]).replace("\\\n", " ")
        time.sleep(0.05)
    raise AssertionError(f"the demo did not print {mark!r}:\n" + "".join(running.output))


def call_as_curl_would(command: str) -> dict[str, str]:
    words = shlex.split(command)
    headers = dict(word.partition(": ")[::2] for flag, word in pairwise(words) if flag == "-H")
    body = words[words.index("-d") + 1].encode()
    address = next(word for word in words if word.startswith("http"))
    with urllib.request.urlopen(urllib.request.Request(address, body, headers), timeout=30) as answer:
        assert answer.status == 201
        told: dict[str, str] = json.loads(answer.read())
        return told


def say_on_wechat(running: Running, data: Path, text: str) -> str:
    """A customer's message, signed and encrypted with the demo's own secrets; what the customer reads."""
    token = (data / "demo" / "wechat.token").read_text().strip()
    key = read_aes_key((data / "demo" / "wechat.aes_key").read_text().strip())
    now, nonce = str(int(time.time())), str(secrets.randbelow(10**10))
    message = {"ToUserName": "gh_demo", "FromUserName": "o-demo-customer", "CreateTime": now, "MsgType": "text",
               "Content": text, "MsgId": str(secrets.randbits(60))}  # fmt: skip
    encrypted = encrypt(render("xml", message), key, APPID)
    query = {"signature": make_signature(token, now, nonce), "timestamp": now, "nonce": nonce, "encrypt_type": "aes",
             "msg_signature": make_signature(token, now, nonce, encrypted)}  # fmt: skip
    request = urllib.request.Request(
        f"{running.url}/wechat/gzh?{urlencode(query)}",
        render("xml", {"ToUserName": "gh_demo", "Encrypt": encrypted}),
        {"Content-Type": "text/xml"},
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        outer = read_message(answer.read())
    parts = (outer.fields["TimeStamp"], outer.fields["Nonce"], outer.encrypted)
    assert make_signature(token, *parts) == outer.fields["MsgSignature"]
    return read_message(decrypt(outer.encrypted, (key,), APPID)[0]).fields["Content"]


def send_mail(port: int) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "customer@example.org", "complaints@bank.example", "理财亏损"
    mail.set_content("理财经理说保本，现在亏了五万元，要求退还本金。")
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as session:
        assert session.send_message(mail) == {}


def find_number(text: str) -> str:
    found = re.search(r"\d{4}\s*\d{4}\s*\d{4}", text)
    assert found
    receipt = parse_receipt(found[0])
    assert receipt
    return receipt


def write_in_guestbook(running: Running) -> str:
    address = f"{running.url}/guestbook"
    with urllib.request.urlopen(address, timeout=10) as page:
        seal = re.search(r'name="seal" value="([^"]+)"', page.read().decode())
    assert seal
    fields = {"kind": "complaint", "text": "排队两小时没人管", "seal": seal[1]}
    with urllib.request.urlopen(address, urlencode(fields).encode(), timeout=10) as page:
        return find_number(re.sub(r"<style.*?</style>|<[^>]+>", " ", page.read().decode(), flags=re.DOTALL))


def test_every_door_of_the_demo_bank_leads_to_the_ledger(demo: Running, tmp_path: Path, mail_port: int) -> None:
    receipts = {
        call_as_curl_would(read_printed(demo, "curl -sS"))["receipt"],
        find_number(say_on_wechat(demo, tmp_path, "我刚刚被骗了，转给骗子三万块，快帮我止付！")),
        write_in_guestbook(demo),
    }
    send_mail(mail_port)
    deadline = time.monotonic() + 60
    while len(entries := wait_for_ledger(tmp_path, receipts)) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert {entry["channel"]["party"] for entry in entries} == {"hotline", "wechat", "guestbook", "email"}
    assert all(entry["verdict"]["level"] for entry in entries)
    urgent = {entry["channel"]["party"]: entry["verdict"]["level"] for entry in entries}
    assert urgent["hotline"] == urgent["wechat"] == "critical"
    for receipt in receipts:
        story = run_cli("trace", receipt, "--data", str(tmp_path))
        assert story.returncode == 0
        assert "ticket at ledger" in story.stdout


def test_the_branch_page_that_the_demo_prints_opens(demo: Running) -> None:
    address = re.search(r"http://\S+/b/\S+", read_printed(demo, "Branch page"))
    assert address
    with urllib.request.urlopen(address[0], timeout=10) as page:
        assert "行长秘书" in page.read().decode()


def test_a_second_start_keeps_the_banks_secrets_and_settings(tmp_path: Path, mail_port: int) -> None:
    port = {"HUIYIN__CHANNELS__MAIL__PORT": str(mail_port)}
    with gateway(tmp_path, "--demo", environment=port) as first:
        before = read_printed(first, "Branch page").partition("/b/")[2].split()[0]
        first.stop()
    with gateway(tmp_path, "--demo", environment=port) as second:
        assert read_printed(second, "Branch page").partition("/b/")[2].split()[0] == before
