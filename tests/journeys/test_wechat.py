"""A customer writes to the official account in six messages and two pictures: one complaint, one ticket, one number."""

import asyncio
import contextlib
import json
import re
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from adapters.email.simulator import MailServer, open_mail_server
from adapters.wechat.simulator import SETTINGS, decrypt_reply, push
from gateway.contract.call import Reply
from tests.running import Running, gateway, read_ledger, run_cli, write_config

OTHER = "oia2TjuEGTNoeX76QEjQNrcURxG9"
URGENT = "刚才看短信，我的银行卡昨天晚上被盗刷了八千元，不是我本人操作，请马上冻结！"


def write_bank(data: Path, mail_port: int) -> Path:
    data.mkdir(parents=True, exist_ok=True)
    (data / "branches.csv").write_text("code,name,region\nF0591001,福州五一支行,福建\n", "utf-8")
    account = "".join(f"{key} = {json.dumps(value)}\n" for key, value in SETTINGS.items())
    return write_config(
        data,
        f"""
[bank]
branches = "{data}/branches.csv"

[channels.gzh]
adapter = "wechat"
{account}
[channels.branch]
adapter = "branch_qr"

[systems.ledger]
adapter = "ledger"

[notices.duty]
adapter = "email"
host = "127.0.0.1"
port = {mail_port}
tls = "none"
from_address = "complaints@bank.example"

[escalation]
critical = [ {{ notice = "duty", to = "duty@bank.example" }} ]

[stages]
lease_s = 5
poll_ms = 50
""",
    )


class Customer:
    """One follower's telephone. `say` and `press` give the words of the account's answer, empty where it says nothing."""

    def __init__(self, bank: Running, openid: str) -> None:
        self._bank = bank
        self._openid = openid
        self._sent = 0

    def say(self, text: str = "", **fields: str) -> str:
        self._sent += 1
        return self.send(str(self._sent), text, **fields)

    def press(self, event: str, key: str) -> str:
        return self.say(MsgType="event", Event=event, EventKey=key, MsgId="")

    def send(self, key: str, text: str = "", **fields: str) -> str:
        """`key` again is what WeChat does when it got no answer."""
        call = push(
            text=text,
            key=f"{sum(self._openid.encode())}{key}",
            openid=self._openid,
            fields=fields,
            received_at=int(time.time() * 1000),
            created_at_s=1_790_000_000 + int(key),
        )
        address = self._bank.url + call.path + "?" + call.url.partition("?")[2]
        request = urllib.request.Request(address, call.body, {"Content-Type": "text/xml"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return decrypt_reply(Reply(answer.status, answer.read())).get("Content", "")


def find_number(text: str) -> str:
    found = re.search(r"(\d{4}) (\d{4}) (\d{4})", text)
    assert found, text
    return "".join(found.groups())


async def wait_for(found: Callable[[], bool], limit_s: float = 60) -> None:
    async with asyncio.timeout(limit_s):
        while not found():  # noqa: ASYNC110 - another process makes it true
            await asyncio.sleep(0.05)


def read_deliveries(data: Path) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(f"file:{data / 'ledger.db'}?mode=ro", uri=True)) as ledger:
        return ledger.execute("SELECT receipt, step, version FROM entry_events ORDER BY version").fetchall()


async def test_six_messages_and_two_pictures_are_one_complaint(tmp_path: Path) -> None:
    async with open_mail_server() as mail:
        with gateway(tmp_path, "--config", str(await asyncio.to_thread(write_bank, tmp_path, mail.port))) as bank:
            await live_through(tmp_path, bank, mail)


async def live_through(data: Path, bank: Running, mail: MailServer) -> None:
    li = Customer(bank, "oia2TjuEGTNoeX76QEjQNrcURxG8")

    async def say(text: str = "", **fields: str) -> str:
        return await asyncio.to_thread(li.say, text, **fields)

    greeting = await asyncio.to_thread(li.press, "SCAN", "branch:F0591001")
    assert "福州五一支行" in greeting
    page = re.search(r"http://\S+/b/qr1\.\S+", greeting)
    assert page, "the greeting names the branch's page"
    with await asyncio.to_thread(urllib.request.urlopen, page[0], None, 30) as shown:
        assert "福州五一支行" in shown.read().decode()

    first = "你好，我昨天下午去办业务"
    receipt = find_number(await say(first))
    ending = receipt[-4:]
    assert (
        await say(MsgType="image", MediaId="m1", PicUrl="http://mmbiz.qpic.cn/1") == f"已补充到尾号 {ending} 的事项。"
    )
    assert ending in await say("排队等了两个多小时，只开一个窗口")
    assert ending in await say("柜员态度也不好")
    assert mail.mails == []
    assert ending in await say(URGENT)
    await wait_for(lambda: bool(mail.mails))
    assert receipt in re.sub(r"\s", "", mail.mails[0].text)
    assert "盗刷" in mail.mails[0].text
    assert ending in await say(MsgType="image", MediaId="m2", PicUrl="http://mmbiz.qpic.cn/2")
    assert ending in await say("我的电话是13800138000")
    assert ending in await say("希望尽快把钱追回来")

    await wait_for(lambda: any(entry["version"] == 8 for entry in read_ledger(data)))
    (entry,) = read_ledger(data)
    assert (entry["receipt"], entry["verdict"]["level"], entry["kind"]) == (receipt, "critical", "complaint")
    assert entry["branch"]["code"] == "F0591001"
    assert [each["media_type"] for each in entry["attachments"]] == ["image/jpeg", "image/jpeg"]
    for part in (first, "只开一个窗口", "盗刷", "追回来"):
        assert part in entry["narrative"]
    steps = [step for _, step, _ in await asyncio.to_thread(read_deliveries, data)]
    assert steps == ["create", *(f"update:{version}" for version in range(2, 9))]

    again = await asyncio.to_thread(li.send, "2", first)
    assert find_number(again) == receipt, "a retry gets the number of the first"

    progress = await say("查询")
    assert find_number(progress) == receipt
    assert "转交办理" in progress
    link = re.search(r"http://\S+/r/\S+", progress)
    assert link
    with await asyncio.to_thread(urllib.request.urlopen, link[0], None, 30) as shown:
        assert shown.status == 200
    assert find_number(await asyncio.to_thread(li.press, "CLICK", "huiyin.progress")) == receipt
    wang = Customer(bank, OTHER)
    told = await asyncio.to_thread(wang.say, f"查询 {receipt}")
    assert "没有查到" in told
    assert receipt[:4] not in told
    assert "还没有在这里提交过" in await asyncio.to_thread(wang.say, "查询")

    assert "表扬" in await asyncio.to_thread(li.press, "CLICK", "huiyin.praise")
    thanks = find_number(await say("大堂经理小陈帮了大忙"))
    assert thanks != receipt
    await say("完毕")
    third = find_number(await say("今天又去了一次，取款机还是坏的，没人修"))
    assert len({receipt, thanks, third}) == 3
    await wait_for(lambda: len(read_ledger(data)) == 3)
    kinds = {each["receipt"]: (each["kind"], each["branch"]["code"]) for each in read_ledger(data)}
    assert kinds[thanks] == ("praise", "F0591001"), "as chosen in the menu, at the branch that was scanned"
    assert kinds[third] == ("complaint", "F0591001"), "the choice held for one matter"
    assert len(mail.mails) == 1, "warned once"
    story = await asyncio.to_thread(run_cli, "trace", receipt, "--data", str(data))
    assert story.returncode == 0
    assert "dismissed" in story.stdout, "the question is part of the story, and not of the complaint"


async def test_what_comes_in_on_one_node_is_bound_to_the_scan_on_another_and_survives_a_kill(tmp_path: Path) -> None:
    async with open_mail_server() as mail:
        config = str(await asyncio.to_thread(write_bank, tmp_path, mail.port))
        with gateway(tmp_path, "--config", config) as bank:
            li = Customer(bank, OTHER)
            await asyncio.to_thread(li.press, "subscribe", "qrscene_branch:F0591001")
            await asyncio.to_thread(li.press, "CLICK", "huiyin.suggestion")
            bank.kill()
        with gateway(tmp_path, "--config", config) as bank:
            li = Customer(bank, OTHER)
            receipt = find_number(await asyncio.to_thread(li.send, "3", "希望多开一个窗口"))
            await wait_for(lambda: bool(read_ledger(tmp_path)))
            (entry,) = read_ledger(tmp_path)
            assert (entry["receipt"], entry["branch"]["code"], entry["kind"]) == (receipt, "F0591001", "suggestion")


async def test_bad_pushes_are_refused_in_words_and_never_end_in_a_5xx(tmp_path: Path) -> None:
    async with open_mail_server() as mail:
        config = str(await asyncio.to_thread(write_bank, tmp_path, mail.port))
        with gateway(tmp_path, "--config", config) as bank:
            now = int(time.time() * 1000)
            good = push(text="x", key="1", received_at=now)
            query = good.url.partition("?")[2]
            stale = push(text="x", key="1", received_at=now - 3_600_000)
            plain = push(text="x", key="1", received_at=now, mode="plain")
            cases = [
                (good.body, "", 403, "wechat_unsigned"),
                (good.body[:-40], query, 400, "wechat_malformed"),
                (good.body.replace(b"Encrypt>", b"Encrypt><a/>", 1), query, 403, "wechat_not_encrypted"),
                (b"<!DOCTYPE a [<!ENTITY b 'c'>]><xml>&b;</xml>", query, 400, "wechat_doctype"),
                (b"<xml>" + b"<a>" * 9_000, query, 400, "wechat_too_deep"),
                (b'{"a":' + b"[" * 60_000, query, 400, "wechat_too_deep"),
                (b"\xff" * 100, query, 400, "wechat_malformed"),
                (b"<xml>" + b"x" * 70_000, query, 413, "too_large"),
                (stale.body, stale.url.partition("?")[2], 403, "wechat_stale"),
                (plain.body, plain.url.partition("?")[2], 403, "wechat_not_encrypted"),
            ]
            for body, asked, status, code in cases:
                assert await asyncio.to_thread(refused, bank, body, asked) == (status, code)
            with await asyncio.to_thread(urllib.request.urlopen, f"{bank.url}/metrics", None, 30) as page:
                counted = page.read().decode()
            for code in {code for *_, code in cases}:
                assert f'code="{code}"' in counted
            assert await asyncio.to_thread(read_ledger, tmp_path) == []


def refused(bank: Running, body: bytes, query: str) -> tuple[int, str]:
    request = urllib.request.Request(f"{bank.url}/wechat/gzh?{query}", body, {"Content-Type": "text/xml"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        said = error.read().decode()
        return error.code, json.loads(said)["code"] if said.startswith("{") else said
