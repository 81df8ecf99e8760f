"""The real intake over a real store and a real socket; the only double is the party that owns the test's addresses."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.contract.call import Call, Reply, Route
from gateway.contract.complaint import Authenticity
from gateway.contract.draft import Draft
from gateway.contract.envelope import Accepted, Envelope
from gateway.contract.errors import AdapterError
from gateway.intake.accept import Acceptance
from gateway.intake.health import Health
from gateway.intake.scrub.envelope import Scrub
from gateway.intake.server import Intake
from gateway.ops.time import SystemClock
from gateway.store.migrate import migrate
from gateway.store.sqlite import SqliteStore
from tests.keyring import mark, read_keys
from tests.store.conftest import bench, store

__all__ = ["bench", "store"]

LIMIT = 10_000


@dataclass
class Party:
    """Keeps every body under its hash, and remembers the calls it was given."""

    name: str = "party"
    paths: Sequence[str] = ("/intake/party",)
    methods: Sequence[str] = ("POST",)
    public: bool = False
    calls: list[Call] = field(default_factory=list)

    def routes(self) -> Sequence[Route]:
        return [
            Route(method=method, path=path, limit_bytes=LIMIT, public=self.public)
            for path in self.paths
            for method in self.methods
        ]

    def receive(self, call: Call) -> Sequence[Envelope] | Reply:
        self.calls.append(call)
        if call.method == "GET":
            return Reply(200, b"page of " + self.name.encode(), "text/plain; charset=utf-8")
        if call.body == b"bug":
            raise ZeroDivisionError("13800138000")
        return [
            Envelope(
                channel=self.name,
                adapter="hotline",
                source_key=call.headers.get("idempotency-key") or call.body.hex()[:200],
                media_type="text/plain",
                raw=call.body,
                received_at=call.received_at,
                authenticity=Authenticity(verified=True, method="none"),
            )
        ]

    def reply(self, call: Call, accepted: Sequence[Accepted]) -> Reply:
        if call.body == b"unwritable":
            return Reply(201, b"", headers={"X-Name": "\ud800"})
        return Reply(201, json.dumps({"receipt": accepted[0].receipt, "duplicate": accepted[0].duplicate}).encode())

    def refuse(self, call: Call, error: AdapterError) -> Reply | None:
        return None

    def draft(self, envelope: Envelope) -> Draft:
        return Draft(text=envelope.raw.decode())


@dataclass
class Site:
    url: str
    port: int
    store: SqliteStore
    health: Health
    intake: Intake
    session: aiohttp.ClientSession

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any, bytes]:
        async with self.session.request(method, self.url + path, data=body, headers=headers) as answer:
            return answer.status, answer.headers, await answer.read()

    async def talk(self, sent: bytes, *, limit_s: float = 20) -> bytes:
        """Raw bytes out, all that comes back until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(sent)
        await writer.drain()
        try:
            async with asyncio.timeout(limit_s):
                return await reader.read()
        finally:
            writer.close()


Open = Callable[..., Awaitable[Site]]


@pytest.fixture
async def open_site(tmp_path: Path) -> AsyncIterator[Open]:
    """`open_site(*parties, min_free_mb=..., **options of Intake)`."""
    closing: list[Callable[[], Awaitable[object]]] = []

    async def start(*parties: Party, min_free_mb: int = 0, **options: Any) -> Site:
        url = f"sqlite:///{tmp_path / 'huiyin.db'}"
        migrate(url)
        store = SqliteStore(url, read_keys, clock=SystemClock(), min_free_mb=min_free_mb)
        await store.open()
        closing.append(store.close)
        settings = {"public_url": "https://echo.bank.example", "trusted_proxies": (), "per_minute": 1000, **options}
        intake = Intake(
            keep_soon=Acceptance(store, Scrub(mark), lambda: None).keep_soon, clock=SystemClock(), **settings
        )
        health = Health(store, "1.2.3")
        health.add_to(intake)
        for party in parties:
            intake.add_channel(party.name, party)
        runner = web.ServerRunner(intake.build_server())
        await runner.setup()
        closing.append(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))
        closing.append(session.close)
        return Site(f"http://127.0.0.1:{port}", port, store, health, intake, session)

    yield start
    for close in reversed(closing):
        await close()
