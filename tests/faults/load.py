"""What customers and their senders do during a run, by seed: messages over four channels, some twice, some out of order,
some that belong to an earlier one; and each is sent again, unchanged, until somebody says that it was kept.
"""

import asyncio
import json
import random
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

import aiohttp
import aiosmtplib

from adapters.wechat import simulator as wechat
from adapters.wechat.simulation import Account, Pusher
from tests.faults.checker import Acknowledged
from tests.running import KEY

GUESTBOOK_KEY = "test-key-for-the-guestbook"
CHANNELS = ("hotline", "guestbook", "wechat", "mail")
LANES = 6
"""Senders at work at one moment."""
ANSWER_S = 3.0
"""A sender that heard nothing for so long counts it as not kept, and comes again."""
LIMIT_S = 90.0
"""No measure of speed: answers that never come must fail a run, not stop all of them."""
_AGAIN_S = 0.1
_PACE_S = 0.02
_WORDS = ("我的卡被吞了", "柜台排队两个小时没人管", "信用卡被盗刷了八千元", "理财亏损没有人解释", "贷款利息多收了")
_JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(20_000)
_SPOKEN = re.compile(r"\d{4} \d{4} \d{4}")


class Doors(Protocol):
    """Where the gateway's doors are now: they move when a node dies."""

    def find_url(self, draw: random.Random) -> str: ...

    def find_mail_port(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Message:
    """`matter` is what must have one receipt; `source` the sender's own number or address for it. `body`: what a call is
    pushed as, where it is not a conversation. `picture`: what is sent in place of words; its marker is its SHA-256.
    """

    channel: str
    source: str
    matter: str
    marker: str
    words: str
    body: dict[str, object] | None = None
    picture: bytes = b""


def plan_messages(draw: random.Random) -> Iterator[Message]:
    """Without end. No marker is part of another."""
    sources: list[Message] = []
    number = 0
    while True:
        number += 1
        channel = draw.choice(CHANNELS)
        marker = f"件{number:05d}号"
        words = f"{draw.choice(_WORDS)}，{marker}。"
        earlier = [one for one in sources[-8:] if one.channel == channel]
        if channel in ("hotline", "wechat") and earlier and draw.random() < 0.4:
            # A fuller transcript of a call, or the next message of a customer: it joins.
            before = draw.choice(earlier)
            if channel == "hotline":
                sources.remove(before)
                message = Message(channel, before.source, before.matter, marker, f"{before.words}{words}")
            else:
                yield make_follow_up(draw, before, f"{channel} {number}", marker, words)
                continue
        else:
            message = Message(channel, f"{channel}-{number}", f"{channel} {number}", marker, words)
        sources.append(message)
        yield message


def make_follow_up(draw: random.Random, before: Message, matter: str, marker: str, words: str) -> Message:
    """The next message of a WeChat customer: words, or a picture, which the gateway has to fetch."""
    if draw.random() < 0.5:
        return Message(before.channel, before.source, matter, marker, words)
    picture = _JPEG + marker.encode()
    return Message(before.channel, before.source, matter, sha256(picture).hexdigest(), "", picture=picture)


class Load:
    """`least`: so many messages in any case, and more of them until `end` is called; from `lanes` senders."""

    def __init__(self, doors: Doors, seed: str, *, least: int = 24, lanes: int = LANES) -> None:
        self._doors = doors
        self._draw = random.Random(seed)
        self._least = least
        self._lanes = lanes
        self._planned = plan_messages(random.Random(f"{seed} messages"))
        self._over = asyncio.Event()
        self._done = asyncio.Event()
        self.account = Account(callback_token=wechat.TOKENS[0], encoding_aes_key=wechat.AES_KEYS[0])
        """The bank's account at WeChat, where the pictures lie."""
        # A message that is sent again is the same to the second.
        self._began_s = int(time.time())
        self._waiting: list[Message] = []
        self._uploaded: dict[str, str] = {}
        self.acknowledged: list[Acknowledged] = []
        self.sent: list[str] = []
        self.refused = 0
        """Answers, or the lack of one, after which a message was sent again."""

    def end(self) -> None:
        self._over.set()

    async def run(self) -> None:
        async with _open_session() as session, asyncio.TaskGroup() as group:
            for _ in range(self._lanes):
                group.create_task(self._work(session))
        self._done.set()

    async def reach(self, count: int) -> None:
        """Until so many answers said "kept"."""
        async with asyncio.timeout(LIMIT_S):
            while len(self.acknowledged) < count:  # noqa: ASYNC110 - the gateway's doing
                await asyncio.sleep(0.005)

    async def reach_more(self, count: int) -> None:
        await self.reach(len(self.acknowledged) + count)

    async def be_refused(self, times: int) -> None:
        """Until so many more answers, or the lack of them, said "not kept"."""
        wanted = self.refused + times
        async with asyncio.timeout(LIMIT_S):
            while self.refused < wanted:  # noqa: ASYNC110 - the gateway's doing
                await asyncio.sleep(0.005)

    async def finish(self) -> None:
        """End it, and wait until everything was acknowledged."""
        self.end()
        await self._done.wait()

    async def send_all(self, messages: Sequence[Message]) -> None:
        """These as well."""
        self.sent += [message.marker for message in messages]
        async with _open_session() as session:
            for start in range(0, len(messages), LANES):
                await asyncio.gather(*(self._send(session, one) for one in messages[start : start + LANES]))

    async def _send(self, session: aiohttp.ClientSession, message: Message) -> None:
        """Until it is acknowledged."""
        while True:
            try:
                receipt = await self._send_once(session, message)
            except (aiohttp.ClientError, aiosmtplib.SMTPException, OSError, TimeoutError, _NotKept):
                self.refused += 1
                await asyncio.sleep(_AGAIN_S * self._draw.uniform(0.5, 1.5))
            else:
                self.acknowledged.append(Acknowledged(message.marker, message.matter, receipt))
                return

    async def _work(self, session: aiohttp.ClientSession) -> None:
        while message := self._choose():
            await self._send(session, message)
            await asyncio.sleep(self._draw.uniform(0, _PACE_S if len(self.sent) < 120 else 10 * _PACE_S))

    def _choose(self) -> Message | None:
        """The next one; now and then one is kept back, so that a later one overtakes it, or comes a second time."""
        if len(self.sent) >= self._least and self._over.is_set():
            return self._waiting.pop() if self._waiting else None
        if self._waiting and self._draw.random() < 0.3:
            return self._waiting.pop(self._draw.randrange(len(self._waiting)))
        message = next(self._planned)
        self.sent.append(message.marker)
        if self._draw.random() < 0.2:
            self._waiting.append(message)
        if self._draw.random() < 0.1:
            self._waiting.append(message)
            overtaking = next(self._planned)
            self.sent.append(overtaking.marker)
            return overtaking
        return message

    # --- the channels ----------------------------------------------------------------------------------------------

    async def _send_once(self, session: aiohttp.ClientSession, message: Message) -> str | None:
        """The receipt that was told. Raises where nobody said "kept"."""
        url = self._doors.find_url(self._draw)
        match message.channel:
            case "hotline":
                call = {"call_id": message.source, "turns": [{"role": "customer", "text": message.words}]}
                return await _post(session, f"{url}/intake/hotline", KEY, message.body or call)
            case "guestbook":
                entry = {"id": message.source, "kind": "complaint", "text": message.words}
                return await _post(session, f"{url}/intake/guestbook", GUESTBOOK_KEY, entry)
            case "wechat":
                return await self._push(url, message)
            case _:
                return await _mail(self._doors.find_mail_port(), message)

    async def _push(self, url: str, message: Message) -> str | None:
        number = int(sha256(message.marker.encode()).hexdigest()[:15], 16)
        fields: dict[str, str | int] = {"MsgType": "text", "Content": message.words}
        if message.picture:
            fields = {"MsgType": "image", "PicUrl": "https://mmbiz.qpic.example/0", "MediaId": self._upload(message)}
        fields |= {"ToUserName": wechat.ACCOUNT, "FromUserName": message.source, "CreateTime": self._began_s}
        pusher = Pusher(self.account, f"{url}/wechat/gzh", tries=1, limit_s=ANSWER_S)
        try:
            pushed = await pusher.push({**fields, "MsgId": number})
        finally:
            await pusher.close()
        if not pushed.answered:
            raise _NotKept
        return read_spoken(pushed.words)

    def _upload(self, message: Message) -> str:
        """Once, however often the message is sent."""
        if message.marker not in self._uploaded:
            self._uploaded[message.marker] = self.account.upload(message.picture, "image/jpeg")
        return self._uploaded[message.marker]


def _open_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_S))


class _NotKept(Exception):
    pass


async def _post(session: aiohttp.ClientSession, url: str, key: str, body: object) -> str | None:
    async with session.post(url, json=body, headers={"X-Huiyin-Key": key}) as answer:
        told = json.loads(await answer.read() or b"{}")
        if answer.status == 503:
            raise _NotKept
        assert answer.status in (200, 201), (answer.status, told)
        return told["receipt"]


async def _mail(port: int, message: Message) -> str | None:
    raw = (
        f"From: {message.source}@example.cn\r\nTo: complaints@bank.example\r\nSubject: =?utf-8?b?5oqV6K+J?=\r\n"
        f"Message-ID: <{message.source}@example.cn>\r\nDate: Thu, 26 Nov 2026 10:00:00 +0800\r\n"
        f"Content-Type: text/plain; charset=utf-8\r\n\r\n{message.words}\r\n"
    ).encode()
    sender = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, timeout=ANSWER_S, start_tls=False)
    await sender.connect()
    try:
        _, told = await sender.sendmail(f"{message.source}@example.cn", ["complaints@bank.example"], raw)
    finally:
        sender.close()
    return read_spoken(told)


def find_matter(address: str) -> str:
    """The matter of who writes from this address."""
    return address.partition("@")[0].replace("-", " ")


def read_spoken(text: str) -> str | None:
    found = _SPOKEN.search(text)
    return found.group().replace(" ", "") if found else None
