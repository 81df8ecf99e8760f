"""The receiving party: verifies the signature, takes each webhook-id once, and misbehaves when told to."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from aiohttp import web
from standardwebhooks import Webhook as Signer

CURRENT = "whsec_Y3VycmVudC13ZWJob29rLXNlY3JldC0wMDAx"
PREVIOUS = "whsec_cHJldmlvdXMtd2ViaG9vay1zZWNyZXQtMDAx"
SETTINGS: dict[str, object] = {
    "url": "http://127.0.0.1:9/",
    "secrets": [CURRENT, PREVIOUS],
    "allow_loopback": True,
}

Behaviour = int | Literal["slow", "half", "drop", "drop_after_commit", "endless", "redirect"]
"""A status to answer without taking it; or never answer, break off the answer, hang up before or after taking it,
answer without end, send elsewhere."""


class Receiver:
    """`taken` holds what was taken, by webhook-id; `seen` every attempt, `faults` what was wrong with those refused."""

    def __init__(self, secrets: Sequence[str] = (CURRENT,)) -> None:
        self._signers = [Signer(secret) for secret in secrets]
        self._runner: web.AppRunner | None = None
        self.behaviour: list[Behaviour] = []
        self.headers: dict[str, str] = {}
        self.taken: dict[str, dict[str, object]] = {}
        self.seen: list[tuple[str, str, bytes]] = []
        self.url = ""

    async def open(self) -> None:
        app = web.Application(client_max_size=64_000_000)
        app.router.add_route("*", "/{rest:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/complaints"

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.method != "POST":
            return web.Response(status=204)
        body = await request.read()
        identifier = request.headers.get("webhook-id", "")
        self.seen.append((identifier, request.headers.get("webhook-timestamp", ""), body))
        behaviour = self.behaviour.pop(0) if self.behaviour else None
        if isinstance(behaviour, int):
            return web.Response(status=behaviour, headers=self.headers)
        if behaviour == "slow":
            await asyncio.sleep(60)
        if behaviour == "redirect":
            return web.Response(status=307, headers={"Location": "http://127.0.0.1:9/elsewhere"})
        if behaviour == "drop":
            return _hang_up(request)
        if not self._verify(request, body):
            return web.Response(status=401)
        already = identifier in self.taken
        self.taken.setdefault(identifier, json.loads(body))
        if behaviour == "drop_after_commit":
            return _hang_up(request)
        ticket = f"W-{list(self.taken).index(identifier) + 1}"
        if behaviour in ("half", "endless"):
            return await _answer_badly(request, endless=behaviour == "endless")
        return web.json_response({"ticket": ticket}, status=409 if already else 201)

    def _verify(self, request: web.Request, body: bytes) -> bool:
        given = request.headers.get("webhook-signature", "").split(" ")
        try:
            moment = datetime.fromtimestamp(int(request.headers["webhook-timestamp"]), UTC)
        except (KeyError, ValueError):
            return False
        return any(
            signer.sign(request.headers["webhook-id"], moment, body.decode()) in given for signer in self._signers
        )


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _answer_badly(request: web.Request, *, endless: bool) -> web.StreamResponse:
    response = web.StreamResponse(headers={} if endless else {"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"ticket":')
    try:
        while endless:
            await response.write(b" " * 65_536)
    except ConnectionError:
        return response
    if request.transport is not None:
        request.transport.close()
    return response
