"""Pushing as WeChat does: five seconds for an answer, three times in all, each time encrypted afresh."""

import asyncio
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp

from adapters._tencent.crypto import decrypt, encrypt, make_signature, read_aes_key
from adapters._tencent.messages import Form, Malformed, read_message
from adapters.wechat.replies import render
from adapters.wechat.simulation.account import Account
from adapters.wechat.simulator import Mode

ANSWER_LIMIT_S = 5.0
TRIES = 3
UNAVAILABLE = "该公众号暂时无法提供服务，请稍后再试"
"""What the customer reads after an answer that is none."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """How one push went. `seconds` is how long each try took; `words` what the customer reads (empty: nothing)."""

    tries: int
    answered: bool
    seconds: tuple[float, ...]
    words: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


class Pusher:
    """Pushes of one account to one address. `limit_s` and `tries` are WeChat's; close it after use."""

    def __init__(
        self,
        account: Account,
        url: str,
        *,
        mode: Mode = "safe",
        form: Form = "xml",
        limit_s: float = ANSWER_LIMIT_S,
        tries: int = TRIES,
        connections: int = 100,
    ) -> None:
        self._account = account
        self._url = url
        self._mode = mode
        self._form = form
        self._tries = tries
        self._key = read_aes_key(account.encoding_aes_key)
        self._limit_s = limit_s
        self._timeout = aiohttp.ClientTimeout(total=limit_s)
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections))

    async def close(self) -> None:
        await self._session.close()

    async def push(self, message: Mapping[str, str | int]) -> Pushed:
        seconds: list[float] = []
        for _ in range(self._tries):
            began = time.perf_counter()
            raw = await self._try(message)
            seconds.append(time.perf_counter() - began)
            # An answer that came after the limit is none, even if this busy process saw it only then.
            if raw is not None and seconds[-1] <= self._limit_s:
                words, fields = self._read(raw)
                return Pushed(len(seconds), True, tuple(seconds), words, fields)
        return Pushed(len(seconds), False, tuple(seconds), UNAVAILABLE)

    async def _try(self, message: Mapping[str, str | int]) -> bytes | None:
        """The answer; None where there was none in time, or it was no 200."""
        query, body = self._seal(message)
        content_type = "text/xml" if self._form == "xml" else "application/json"
        try:
            async with self._session.post(
                self._url, params=query, data=body, headers={"Content-Type": content_type}, timeout=self._timeout
            ) as response:
                raw = await response.read()
                return raw if response.status == 200 else None
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None

    def _seal(self, message: Mapping[str, str | int]) -> tuple[dict[str, str], bytes]:
        plain = _write(self._form, message)
        timestamp, nonce = str(self._account.now_ms() // 1000), str(secrets.randbelow(10**10))
        token = self._account.callback_token
        query = {
            "signature": make_signature(token, timestamp, nonce),
            "timestamp": timestamp,
            "nonce": nonce,
            "openid": str(message.get("FromUserName", "")),
        }
        if self._mode == "plain":
            return query, plain
        encrypted = encrypt(plain, self._key, self._account.appid)
        query["encrypt_type"] = "aes"
        query["msg_signature"] = make_signature(token, timestamp, nonce, encrypted)
        outer = dict(message) if self._mode == "compatible" else {"ToUserName": self._account.original_id}
        return query, _write(self._form, {**outer, "Encrypt": encrypted})

    def _read(self, raw: bytes) -> tuple[str, Mapping[str, str]]:
        """What the customer reads, and the fields of the reply."""
        if raw in (b"", b"success"):
            return "", {}
        try:
            reply = read_message(raw)
            if reply.encrypted:
                fields = reply.fields
                signature = make_signature(
                    self._account.callback_token, fields["TimeStamp"], fields["Nonce"], reply.encrypted
                )
                if signature != fields["MsgSignature"]:
                    return UNAVAILABLE, {}
                reply = read_message(decrypt(reply.encrypted, (self._key,), self._account.appid)[0])
        except (Malformed, ValueError, KeyError):
            return UNAVAILABLE, {}
        return reply.fields.get("Content", UNAVAILABLE), reply.fields


def _write(form: Form, message: Mapping[str, str | int]) -> bytes:
    if form == "json":
        return json.dumps(dict(message), ensure_ascii=False).encode()
    return render("xml", message)


async def pause_until(moment: float) -> None:
    """`moment` of the running loop's clock."""
    await asyncio.sleep(max(0.0, moment - asyncio.get_running_loop().time()))
