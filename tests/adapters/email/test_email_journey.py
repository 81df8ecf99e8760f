"""A customer's mail, our acknowledgement and his answer to it, between the running gateway and a real mail server."""

import asyncio
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import pytest
from post_office import TO, make_mail

from adapters.email.simulator import MailServer, open_mail_server
from gateway.contract.receipt import spoken
from tests.ports import find_port
from tests.running import Running, gateway, read_ledger, run_cli, write_config

LIMIT_S = 60.0

CONFIG = """
[bank]
name = "示例银行"
hotline = "95561"

[channels.mail]
adapter = "email"
port = {mail_port}

[systems.ledger]
adapter = "ledger"

[notices.duty]
adapter = "email"
host = "127.0.0.1"
port = {server_port}
tls = "none"
from_address = "complaints@bank.example"

[escalation]
critical = [ {{ notice = "duty", to = "duty@bank.example" }} ]
high = [ {{ notice = "duty", to = "duty@bank.example" }} ]

[stages]
poll_ms = 50
"""


async def send(port: int, raw: bytes) -> str:
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as client:
        _, answer = await client.sendmail("wang@example.cn", [TO], raw)
    return answer.rpartition("receipt ")[2].replace(" ", "")


async def wait_until(condition: Callable[[], bool], running: Running) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            assert running.process.poll() is None, "".join(running.output)
            await asyncio.sleep(0.05)


def find_mails(server: MailServer, recipient: str) -> list[EmailMessage]:
    return [mail.message for mail in server.mails if mail.recipients == (recipient,)]


def knows(data: Path, receipt: str, words: str) -> bool:
    return any(entry["receipt"] == receipt and words in entry["narrative"] for entry in read_ledger(data))


async def test_a_mail_is_acknowledged_once_and_the_answer_to_that_joins_it(tmp_path: Path) -> None:
    mail_port = find_port()
    async with open_mail_server() as server:
        server.answers["RCPT"] = "451 4.3.0 Busy"  # the first attempt fails, and is made again
        config = write_config(tmp_path, CONFIG.format(mail_port=mail_port, server_port=server.port))
        with gateway(tmp_path, "--config", str(config)) as running:
            receipt = await send(mail_port, make_mail("自助机吞了我的卡，请尽快处理"))
            await wait_until(lambda: "RCPT" in server.commands, running)
            server.answers.clear()
            await wait_until(lambda: bool(find_mails(server, "wang@example.cn")), running)
            (acknowledgement,) = find_mails(server, "wang@example.cn")
            assert spoken(receipt) in acknowledgement["Subject"]
            assert spoken(receipt) in acknowledgement.get_content()
            assert acknowledgement["In-Reply-To"] == "<m1@example.cn>"
            answer = make_mail("卡号尾号是四二六", number=2, In_Reply_To=acknowledgement["Message-ID"])
            assert await send(mail_port, answer) == receipt
            await wait_until(lambda: knows(tmp_path, receipt, "尾号"), running)
            absent = make_mail(
                "我在休假", number=3, subject="自动回复: 已收到", In_Reply_To=acknowledgement["Message-ID"]
            )
            assert await send(mail_port, absent) == receipt
            await send(mail_port, make_mail("还有手续费", number=4, In_Reply_To=acknowledgement["Message-ID"]))
            await wait_until(lambda: knows(tmp_path, receipt, "手续费"), running)
            assert not knows(tmp_path, receipt, "休假")
            assert running.stop() == 0
        assert len(find_mails(server, "wang@example.cn")) == 1


async def test_a_mail_that_says_life_is_in_danger_wakes_the_person_on_duty(tmp_path: Path) -> None:
    mail_port = find_port()
    async with open_mail_server() as server:
        config = write_config(tmp_path, CONFIG.format(mail_port=mail_port, server_port=server.port))
        with gateway(tmp_path, "--config", str(config)) as running:
            await send(mail_port, make_mail("你们再不还钱我就从你们楼上跳下去，我不想活了"))
            await wait_until(lambda: bool(find_mails(server, "duty@bank.example")), running)
            warning = find_mails(server, "duty@bank.example")[0]
            assert warning["Importance"] == "high"
            assert "/a/" in warning.get_content()
            assert "wang" not in warning.get_content()


@pytest.mark.parametrize("running_before", [True, False])
def test_check_reaches_the_mail_server_without_sending(tmp_path: Path, *, running_before: bool) -> None:
    async def check() -> tuple[int, str, list[str]]:
        async with open_mail_server() as server:
            port = server.port if running_before else find_port()
            config = write_config(tmp_path, CONFIG.format(mail_port=find_port(), server_port=port))
            done = await asyncio.to_thread(
                run_cli, "check", "--config", str(config), "--data", str(tmp_path), "--online"
            )
            return done.returncode, done.stdout + done.stderr, server.commands

    status, said, commands = asyncio.run(check())
    assert (status == 0) is running_before, said
    assert "MAIL" not in commands
    assert ("EHLO" in commands) is running_before
