"""WeCom's side of the line: messages that wait to be asked for, callbacks that nudge, and customers who are written to."""

import itertools
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from adapters._tencent.crypto import encrypt, make_signature, read_aes_key
from gateway.contract.call import Call
from gateway.contract.clock import Millis

CORPID = "ww12345678910"
SECRET = "the-secret-of-the-simulated-account"  # noqa: S105  opens nothing but this simulator
TOKENS = ("gateway-test-token", "gateway-test-token-before")
AES_KEYS = ("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", "GFEDCBA9876543210zyxwvutsrqponmlkjihgfedcba")
OPEN_KFID = "wkAJ2GCAAASSm4_FhToWMFea0xAFfd3Q"
PERSON = "wmAJ2GCAAAme1XQRC-NI-q0_ZM9ukoAw"
RECEIVED_AT = 1_790_000_001_000
WINDOW_S, WINDOW_MESSAGES = 48 * 3600, 5
KEPT_S = 3 * 86_400

SETTINGS: dict[str, object] = {
    "corpid": CORPID,
    "secret": SECRET,
    "open_kfids": [OPEN_KFID],
    "tokens": list(TOKENS),
    "aes_keys": list(AES_KEYS),
}


def make_nudge(
    *,
    secret: str = "right",  # noqa: S107  a choice of secret, not one
    instance: str = "kf",
    received_at: int = RECEIVED_AT,
    open_kfid: str = OPEN_KFID,
    token: str = "ENCApHxnGDNAVNY4AaSJKj4Tb5mwsEMzxhFmHVGcra996NR",  # noqa: S107
    echo: str = "",
) -> Call:
    """The callback as a Call; with `echo`, the console's verification of the URL."""
    words = (
        f"<xml><ToUserName><![CDATA[{CORPID}]]></ToUserName><CreateTime>{received_at // 1000}</CreateTime>"
        f"<MsgType><![CDATA[event]]></MsgType><Event><![CDATA[kf_msg_or_event]]></Event>"
        f"<Token><![CDATA[{token}]]></Token><OpenKfId><![CDATA[{open_kfid}]]></OpenKfId></xml>"
    )
    number = 1 if secret == "rotated" else 0  # noqa: S105
    signer = "a-stranger's-guess" if secret == "wrong" else TOKENS[number]  # noqa: S105
    sealed = encrypt((echo or words).encode(), read_aes_key(AES_KEYS[number]), CORPID)
    timestamp, nonce = str(received_at // 1000), str(secrets.randbelow(10**10))
    query = {
        "msg_signature": make_signature(signer, timestamp, nonce, sealed),
        "timestamp": timestamp,
        "nonce": nonce,
        **({"echostr": sealed} if echo else {}),
    }
    if secret == "missing":  # noqa: S105
        query.pop("msg_signature")
    body = f"<xml><ToUserName><![CDATA[{CORPID}]]></ToUserName><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>"
    return Call(
        method="GET" if echo else "POST",
        path=f"/wecom/{instance}",
        url=f"https://gateway.example/wecom/{instance}",
        query=query,
        headers={"content-type": "text/xml"},
        body=b"" if echo else body.encode(),
        remote="203.0.113.8",
        received_at=Millis(received_at),
    )


async def nudge(session: aiohttp.ClientSession, url: str, **options: Any) -> int:
    """Calls a gateway; returns the status."""
    call = make_nudge(**options)
    async with session.post(url, params=dict(call.query), data=call.body) as response:
        return response.status


class WeCom:
    """`faults[path]` are errcodes answered in turn; `telephone` is what the customers read; `calls` what was asked.
    Pages hold `page` messages. Without a token of a callback an account may be asked `bare_calls` times.
    """

    def __init__(self, now_ms: Callable[[], int], *, page: int = 1000) -> None:
        self.url = ""
        self.page = page
        self.bare_calls = 3
        self.faults: dict[str, list[int]] = {}
        self.calls: list[tuple[str, Mapping[str, Any]]] = []
        self.telephone: dict[str, list[str]] = {}
        self.media: dict[str, tuple[bytes, str]] = {}
        self._now_ms = now_ms
        self._waiting: dict[str, list[dict[str, Any]]] = {}
        self._wrote_ms: dict[str, int] = {}
        self._sent_since: dict[str, int] = {}
        self._sent_ids: set[str] = set()
        self._token = ""
        self._numbers = itertools.count(4622416642169452483)

    def say(self, text: str, *, person: str = PERSON, open_kfid: str = OPEN_KFID) -> str:
        return self.put({"msgtype": "text", "text": {"content": text}}, person=person, open_kfid=open_kfid)

    def send(self, kind: str, content: bytes, media_type: str, *, person: str = PERSON) -> str:
        media_id = secrets.token_urlsafe(32)
        self.media[media_id] = (content, media_type)
        return self.put({"msgtype": kind, kind: {"media_id": media_id}}, person=person)

    def put(
        self, fields: Mapping[str, Any], *, person: str = PERSON, open_kfid: str = OPEN_KFID, origin: int = 3
    ) -> str:
        """A message waits for being asked for; returns its msgid."""
        message_id = f"from_msgid_{next(self._numbers)}"
        now = self._now_ms()
        outer = {"msgid": message_id, "open_kfid": open_kfid, "external_userid": person, "send_time": now // 1000}
        self._waiting.setdefault(open_kfid, []).append({**outer, "origin": origin, **fields})
        if origin == 3:
            self._wrote_ms[person], self._sent_since[person] = now, 0
        return message_id

    def build(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/cgi-bin/gettoken", self._give_token)
        app.router.add_get("/cgi-bin/media/get", self._give_media)
        app.router.add_post("/cgi-bin/kf/sync_msg", self._sync)
        app.router.add_post("/cgi-bin/kf/send_msg", self._send)
        return app

    async def _give_token(self, request: web.Request) -> web.Response:
        if (request.query.get("corpid"), request.query.get("corpsecret")) != (CORPID, SECRET):
            return _say(40001)
        self._token = self._token or secrets.token_urlsafe(64)
        return web.json_response({"errcode": 0, "errmsg": "ok", "access_token": self._token, "expires_in": 7200})

    async def _sync(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.calls.append((request.path, body))
        if code := self._check(request):
            return _say(code)
        if not body.get("token"):
            self.bare_calls -= 1
            if self.bare_calls < 0:
                return _say(45009)
        waiting = self._waiting.get(body.get("open_kfid", ""), [])
        start = int(body.get("cursor") or 0)
        page = waiting[start : start + min(self.page, body["limit"])]
        end = start + len(page)
        oldest = self._now_ms() // 1000 - KEPT_S
        return web.json_response(
            {
                "errcode": 0,
                "errmsg": "ok",
                "next_cursor": str(end),
                "has_more": int(end < len(waiting)),
                "msg_list": [message for message in page if message["send_time"] >= oldest],
            }
        )

    async def _send(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.calls.append((request.path, body))
        if code := self._check(request):
            return _say(code)
        person, message_id = body["touser"], body.get("msgid", "")
        wrote_ms = self._wrote_ms.get(person)
        if wrote_ms is None:
            return _say(40003)
        used = self._sent_since[person] >= WINDOW_MESSAGES
        if used or self._now_ms() - wrote_ms > WINDOW_S * 1000 or message_id in self._sent_ids:
            return _say(95001)
        self._sent_ids.add(message_id)
        self._sent_since[person] += 1
        self.telephone.setdefault(person, []).append(body["text"]["content"])
        return web.json_response({"errcode": 0, "errmsg": "ok", "msgid": message_id})

    async def _give_media(self, request: web.Request) -> web.Response:
        if code := self._check(request):
            return _say(code)
        found = self.media.get(request.query.get("media_id", ""))
        return web.Response(body=found[0], content_type=found[1]) if found else _say(40007)

    def _check(self, request: web.Request) -> int:
        if waiting := self.faults.get(request.path):
            return waiting.pop(0)
        return 0 if self._token and request.query.get("access_token") == self._token else 40014


@asynccontextmanager
async def open_wecom(now_ms: Callable[[], int], *, page: int = 1000) -> AsyncIterator[WeCom]:
    wecom = WeCom(now_ms, page=page)
    runner = web.AppRunner(wecom.build(), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        wecom.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield wecom
    finally:
        await runner.cleanup()


def _say(code: int) -> web.Response:
    return web.json_response({"errcode": code, "errmsg": "see the list of return codes"})
