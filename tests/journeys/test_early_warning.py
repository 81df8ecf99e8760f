"""People on duty are warned until one of them answers; customers who wrote a mail get their number by mail."""

import asyncio
import re
import smtplib
import urllib.request
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

from adapters.email.simulator import Mail, MailServer, open_mail_server
from tests.journeys.test_complaint import CALL, push
from tests.ports import find_port
from tests.running import HOTLINE_AND_LEDGER, Running, gateway, run_cli, write_config


def write_bank(data: Path, mail_port: int, listen_port: int) -> Path:
    return write_config(
        data,
        HOTLINE_AND_LEDGER
        + f"""
[channels.mail]
adapter = "email"
port = {listen_port}

[notices.duty]
adapter = "email"
host = "127.0.0.1"
port = {mail_port}
tls = "none"
from_address = "complaints@bank.example"

[escalation]
critical = [ {{ notice = "duty", to = "duty@bank.example" }}, {{ notice = "duty", to = "head@bank.example", after_s = 2 }} ]
repeat_s = 1
""",
    )


async def wait_for(found: Callable[[], bool], limit_s: float = 30) -> None:
    async with asyncio.timeout(limit_s):
        while not found():  # noqa: ASYNC110 - another process makes it true
            await asyncio.sleep(0.05)


def to(server: MailServer, address: str) -> list[Mail]:
    return [mail for mail in server.mails if address in mail.recipients]


def open_link(link: str, *, take: bool = False) -> str:
    with urllib.request.urlopen(link, b"" if take else None, timeout=10) as page:
        return str(page.read().decode())


async def test_an_urgent_call_climbs_the_ladder_and_repeats_until_somebody_takes_it(tmp_path: Path) -> None:
    async with open_mail_server() as server:
        config = write_bank(tmp_path, server.port, find_port())
        bank = gateway(tmp_path, "--config", str(config))
        running: Running = await asyncio.to_thread(bank.__enter__)
        try:
            _, told = await asyncio.to_thread(push, running)
            await wait_for(lambda: bool(to(server, "duty@bank.example")))
            (first,) = to(server, "duty@bank.example")
            assert told["receipt"] in re.sub(r"\s", "", first.text)
            assert "盗刷" in first.text
            assert "13800138000" not in first.text, "a warning names no number"
            await wait_for(lambda: len(to(server, "head@bank.example")) >= 2)
            link = re.search(r"http://\S+/a/\S+", first.text)
            assert link
            await asyncio.to_thread(open_link, link[0])
            seen = len(to(server, "head@bank.example"))
            await wait_for(lambda: len(to(server, "head@bank.example")) > seen)
            await asyncio.to_thread(open_link, link[0], take=True)
            await asyncio.sleep(0.5)  # what was under way at that moment
            taken = len(server.mails)
            await asyncio.sleep(3)
            assert len(server.mails) == taken, "nobody is warned once somebody answered"
            story = await asyncio.to_thread(run_cli, "trace", told["receipt"], "--data", str(tmp_path))
            assert "warning" in story.stdout
        finally:
            await asyncio.to_thread(bank.__exit__, None, None, None)


async def test_a_calm_call_wakes_nobody(tmp_path: Path) -> None:
    async with open_mail_server() as server:
        config = write_bank(tmp_path, server.port, find_port())
        bank = gateway(tmp_path, "--config", str(config))
        running: Running = await asyncio.to_thread(bank.__enter__)
        try:
            calm = {"call_id": "CALM", "turns": [{"role": "customer", "text": "请问信用卡年费是多少？"}]}
            await asyncio.to_thread(push, running, calm)
            await asyncio.to_thread(push, running, CALL)
            await wait_for(lambda: len(to(server, "duty@bank.example")) >= 1)
            assert len(to(server, "duty@bank.example")) == 1
        finally:
            await asyncio.to_thread(bank.__exit__, None, None, None)


async def test_a_mail_is_answered_with_its_number_and_the_customers_reply_joins_it(tmp_path: Path) -> None:
    async with open_mail_server() as server:
        port = find_port()
        bank = gateway(tmp_path, "--config", str(write_bank(tmp_path, server.port, port)))
        await asyncio.to_thread(bank.__enter__)
        try:
            mail = EmailMessage()
            mail["From"], mail["To"] = "customer@example.org", "complaints@bank.example"
            mail["Subject"], mail["Message-ID"] = "柜员态度", "<one@example.org>"
            mail.set_content("柜员说话很不客气，希望改进。")
            await asyncio.to_thread(send, port, mail)
            await wait_for(lambda: bool(to(server, "customer@example.org")))
            (answer,) = to(server, "customer@example.org")
            assert answer.sender == "", "an acknowledgement must not be answered by a machine"
            assert answer.message["Auto-Submitted"] == "auto-replied"
            assert answer.message["In-Reply-To"] == "<one@example.org>"
            found = re.search(r"(\d{4}) ?(\d{4}) ?(\d{4})", answer.message["Subject"])
            assert found
            receipt = "".join(found.groups())

            reply = EmailMessage()
            reply["From"], reply["To"] = "customer@example.org", "complaints@bank.example"
            reply["Subject"], reply["Message-ID"] = "Re: " + answer.message["Subject"], "<two@example.org>"
            reply["In-Reply-To"] = answer.message["Message-ID"]
            reply.set_content("补充：那位柜员的工号是8123。")
            await asyncio.to_thread(send, port, reply)
            for _ in range(100):
                story = await asyncio.to_thread(run_cli, "trace", receipt, "--data", str(tmp_path))
                if "complaint.supplemented" in story.stdout:
                    break
                await asyncio.sleep(0.1)
            assert "complaint.supplemented" in story.stdout
            assert len(to(server, "customer@example.org")) == 1, "one acknowledgement for one matter"
        finally:
            await asyncio.to_thread(bank.__exit__, None, None, None)


def send(port: int, mail: EmailMessage) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as session:
        assert session.send_message(mail) == {}
