"""The whole gateway as a process of its own, between the simulated WeChat server and a mail server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from wechat_servers import AMR, JPEG, OPENID, TEMPLATE, TEMPLATE_FIELDS

from adapters.wechat.simulation import Account, Pusher, WeChat, open_wechat
from tests.ports import find_port
from tests.running import Running, gateway, read_ledger, run_cli, write_config

CUSTOM, SEND = "/cgi-bin/message/custom/send", "/cgi-bin/message/template/send"
PATIENCE_S = 30.0
CONFIG = """
[channels.gzh]
adapter = "wechat"
appid = "{appid}"
secret = "{secret}"
api_url = "{url}"
tokens = ["{token}"]
aes_keys = ["{aes_key}"]

[systems.ledger]
adapter = "ledger"

[notices.service]
adapter = "wechat"
appid = "{appid}"
secret = "{secret}"
api_url = "{url}"

[notices.template]
adapter = "wechat"
way = "template"
appid = "{appid}"
secret = "{secret}"
api_url = "{url}"
template_id = "{template}"
template_fields = {fields}

[notices.mail]
adapter = "email"
host = "127.0.0.1"
port = {mail_port}
tls = "none"
from_address = "huiyin@bank.example"

[stages]
lease_s = 5
poll_ms = 50
"""


class Letters:
    """A mail server: what it was given, decoded."""

    def __init__(self) -> None:
        self.texts: list[tuple[list[str], str]] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802
        mail = message_from_bytes(envelope.content, policy=policy.default)
        body = mail.get_body(("plain",))
        assert body is not None
        self.texts.append((envelope.rcpt_tos, body.get_content()))
        return "250 taken"


@asynccontextmanager
async def open_bank(folder: Path) -> AsyncIterator[tuple[WeChat, Running, Letters]]:
    letters = Letters()
    port = find_port()
    mail = Controller(letters, hostname="127.0.0.1", port=port)
    mail.start()
    account = Account(templates={TEMPLATE: tuple(TEMPLATE_FIELDS)})
    try:
        async with open_wechat(account) as wechat:
            fields = ", ".join(f'{name} = "{value}"' for name, value in TEMPLATE_FIELDS.items())
            text = CONFIG.format(
                appid=account.appid,
                secret=account.secret,
                url=wechat.url,
                token=account.callback_token,
                aes_key=account.encoding_aes_key,
                template=TEMPLATE,
                fields=f"{{ {fields} }}",
                mail_port=port,
            )
            with gateway(folder, "--config", str(write_config(folder, text))) as running:
                wechat.pusher = Pusher(account, f"{running.url}/wechat/gzh")
                yield wechat, running, letters
                await wechat.pusher.close()
                assert await asyncio.to_thread(running.stop) == 0
    finally:
        mail.stop()


async def wait_for(happened: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not happened():  # noqa: ASYNC110  another process does it
            await asyncio.sleep(0.05)


def read_receipt(words: str) -> str:
    return "".join(letter for letter in words if letter.isdigit())[:12]


async def tell(folder: Path, receipt: str) -> str:
    done = await asyncio.to_thread(
        run_cli, "tell", receipt, "--config", str(folder / "huiyin.toml"), "--data", str(folder)
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_a_picture_and_a_voice_become_part_of_the_one_ticket(tmp_path: Path):
    async with open_bank(tmp_path) as (wechat, _, _letters):
        said = await wechat.say(OPENID, "我要投诉，柜员机吞了我的卡，没人管。")
        receipt = read_receipt(said.words)
        assert said.tries == 1
        await wechat.send_media(OPENID, "image", JPEG, "image/jpeg")
        await wechat.send_media(OPENID, "voice", AMR, "audio/amr", Format="amr")

        def has_both() -> bool:
            entries = read_ledger(tmp_path)
            return (
                bool(entries)
                and all(each["sha256"] for each in entries[0]["attachments"][-2:])
                and len(entries[0]["attachments"]) == 2
            )

        await wait_for(has_both)
        (entry,) = read_ledger(tmp_path)
    assert entry["receipt"] == receipt
    assert [(each["media_type"], each["size"]) for each in entry["attachments"]] == [
        ("image/jpeg", len(JPEG)),
        ("audio/amr", len(AMR)),
    ]
    assert [each["needs_transcription"] for each in entry["attachments"]] == [False, True]


async def test_a_customer_is_told_by_service_message_then_template_then_mail(tmp_path: Path):
    async with open_bank(tmp_path) as (wechat, running, letters):
        said = await wechat.say(OPENID, "投诉：理财到期没有到账。我的邮箱 customer@example.org")
        receipt = read_receipt(said.words)
        await wait_for(lambda: read_ledger(tmp_path))
        person = wechat.account.people[OPENID]

        assert (await tell(tmp_path, receipt)).endswith("service, then template, then mail\n")
        await wait_for(lambda: len(person.telephone) == 1)
        assert "新进展" in person.telephone[0]

        person.refuses = True  # customer-service messages, that is
        await tell(tmp_path, receipt)
        await wait_for(lambda: len(person.telephone) == 2)
        assert receipt in person.telephone[1]
        await wechat.settle()  # the event that it arrived

        person.blocks = True
        await tell(tmp_path, receipt)
        await wait_for(lambda: letters.texts)
        await wechat.settle()
        trace = await asyncio.to_thread(run_cli, "trace", receipt, "--data", str(tmp_path))
        output = "".join(running.output)
    assert len(person.telephone) == 2
    ((to, text),) = letters.texts
    assert to == ["customer@example.org"]
    assert "新进展" in text
    assert all(pushed.answered and not pushed.words for pushed in wechat.pushed), "events are answered in silence"
    assert trace.stdout.count("duty.undelivered") == 1
    assert trace.stdout.count("duty.delivered") == 1
    for private in (OPENID, wechat.account.secret, "customer@example.org", "access_token"):
        assert private not in output


async def test_the_command_simulates_and_says_how_the_gateway_answered(tmp_path: Path):
    async with open_bank(tmp_path) as (_, running, _letters):
        done = await asyncio.to_thread(
            run_cli, "simulate", "wechat", "--config", str(tmp_path / "huiyin.toml"), "--data", str(tmp_path),
            "--url", running.url, "--rate", "20", "--duration", "1", "--kinds", "text,image,voice,location,event",
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "pushed 20: answered 20, without words 4, not to be read 0" in done.stdout
    assert "sent again 0, given up 0" in done.stdout
    assert "p99.9" in done.stdout


def test_the_command_says_what_it_cannot_simulate(tmp_path: Path):
    assert "not in the settings" in run_cli("simulate", "wechat", "--data", str(tmp_path)).stderr
    write_config(tmp_path, '[channels.gzh]\nadapter = "wechat"\nappid = "wx1"\ntokens = ["abc"]\nmode = "plain"\n')
    done = run_cli(
        "simulate",
        "wechat",
        "--kinds",
        "text,smell",
        "--config",
        str(tmp_path / "huiyin.toml"),
        "--data",
        str(tmp_path),
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "not smell" in done.stderr


async def test_the_menu_and_the_branch_codes_are_made_at_wechat(tmp_path: Path):
    (tmp_path / "branches.csv").write_text("code,name,region,aliases\nF0591001,福州五一支行,福建,\n", "utf-8")
    account = Account()
    async with open_wechat(account) as wechat:
        channel = CONFIG.partition("[systems.ledger]")[0].format(
            appid=account.appid,
            secret=account.secret,
            url=wechat.url,
            token=account.callback_token,
            aes_key=account.encoding_aes_key,
        )
        config = write_config(tmp_path, f'[bank]\nbranches = "{tmp_path / "branches.csv"}"\n{channel}')
        common = ("--config", str(config), "--data", str(tmp_path))
        menu = await asyncio.to_thread(run_cli, "menu", *common)
        codes = await asyncio.to_thread(run_cli, "qr", "F0591001", "--wechat", "--out", str(tmp_path), *common)
    assert (menu.returncode, codes.returncode) == (0, 0), menu.stderr + codes.stderr
    assert account.menu is not None
    assert [code["action_info"]["scene"]["scene_str"] for code in account.codes.values()] == ["branch:F0591001"]
    assert (tmp_path / "F0591001.wechat.svg").stat().st_size > 0
