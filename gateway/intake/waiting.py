"""What is answered while a gateway that was just started waits for its database: alive, not ready, come again."""

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from gateway.contract.call import Reply
from gateway.contract.errors import TryLater
from gateway.intake.server import describe_problem

_JSON = "application/json"


@asynccontextmanager
async def answering(listening: socket.socket, version: str) -> AsyncIterator[None]:
    """On a socket that listens already, and goes on listening afterwards."""
    alive = {"status": "alive", "version": version}
    not_ready = {"status": "not_ready", "checks": {"store": "the database is away; the log says why"}}
    later = TryLater("store_unavailable", "Nothing was kept. Please send it again.")
    pages = {
        "/live": Reply(200, json.dumps(alive).encode(), _JSON),
        "/ready": Reply(503, json.dumps(not_ready).encode(), _JSON),
    }

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        reply = pages.get(request.path) or describe_problem(later)
        headers = {**reply.headers, "Content-Type": reply.content_type}
        return web.Response(body=reply.body, status=reply.status, headers=headers)

    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=1.0)
    await runner.setup()
    try:
        # What it is given is closed at the end.
        await web.SockSite(runner, listening.dup(), backlog=1024).start()
        yield
    finally:
        await runner.cleanup()
