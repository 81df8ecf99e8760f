"""A whole gateway with the pages of a bank, in this process, on a store and a ledger of its own."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from config.settings import Settings
from gateway.app import Gateway
from gateway.contract.ports import Posters
from gateway.contract.receipt import Receipt
from gateway.store.rows import Target, Trace

BRANCH = "F0591001"
DUTY_OFFICER = "duty@bank.example"

_SETTINGS: dict[str, Any] = {
    "bank": {"name": "示例银行", "hotline": "95561"},
    "stages": {"processes": 0, "poll_ms": 50},
    "channels": {"branch": {"adapter": "branch_qr"}, "guestbook": {"adapter": "guestbook"}},
    "systems": {"ledger": {"adapter": "ledger"}},
    # Nobody answers on this port: a warning stays a duty until somebody takes over.
    "notices": {
        "duty": {
            "adapter": "email",
            "host": "127.0.0.1",
            "port": 9,
            "tls": "none",
            "from_address": "huiyin@bank.example",
        }
    },
    "escalation": {
        "critical": [{"notice": "duty", "to": DUTY_OFFICER}],
        "high": [{"notice": "duty", "to": DUTY_OFFICER}],
    },
}


class Site:
    """What a test may do besides looking at pages: know the printed address, and look into the store."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.url = gateway.public_url
        channel = gateway.channels["branch"]
        assert isinstance(channel, Posters)
        self.branch_url = channel.find_branch_link(BRANCH)

    async def find(self, receipt: Receipt) -> Trace:
        trace = await self.gateway.store.trace(receipt)
        assert trace is not None, f"{receipt} is nowhere in the store"
        return trace

    async def count_receipts(self) -> int:
        return len(await self.list_kept())

    async def list_kept(self) -> list[str]:
        return list(await self.gateway.store.find_kept("", 0, 10**15, "", 10_000))  # type: ignore[arg-type]

    async def wait_registered(self, receipt: Receipt, version: int = 1, limit_s: float = 30) -> Trace:
        """Until the complaint has this version and every system has it."""
        deadline = time.monotonic() + limit_s
        while True:
            trace = await self.find(receipt)
            systems = [duty for duty in trace.duties if duty.target is Target.SYSTEM]
            if len(trace.versions) >= version and systems and all(duty.done_ms for duty in systems):
                return trace
            assert time.monotonic() < deadline, f"{receipt} is not registered: {trace.duties}"
            await asyncio.sleep(0.05)


@asynccontextmanager
async def open_site(folder: Path, **server: object) -> AsyncIterator[Site]:
    """`server` are settings of `[server]`; by default nobody is limited."""
    branches = folder / "branches.csv"
    branches.write_text(
        f"code,name,region,aliases\n{BRANCH},福州五一支行,福建,五一支行\nF0591002,福州鼓楼支行,福建,\n", "utf-8"
    )
    settings = Settings.model_validate(
        _SETTINGS
        | {
            "data_dir": folder,
            "server": {"port": 0, "public_per_minute": 100_000, "drain_s": 5} | server,
            "bank": {**_SETTINGS["bank"], "branches": branches},
        }
    )
    gateway = Gateway(settings)
    await gateway.start()
    try:
        yield Site(gateway)
    finally:
        await gateway.stop()
