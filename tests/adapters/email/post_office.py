"""A complaints mailbox at work: the real channel on a real socket before a real store, and a client that says raw lines."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from adapters.email.channel import EmailChannel, open_channel
from adapters.email.settings import ChannelSettings
from gateway.contract.clock import Millis
from gateway.contract.envelope import Envelope
from gateway.intake.accept import Acceptance
from gateway.intake.scrub.envelope import Scrub
from gateway.store.migrate import migrate
from gateway.store.sqlite import SqliteStore
from tests.contract.house import ManualClock, make_house
from tests.keyring import mark, read_keys

INSTANCE = "mail"
TO = "complaints@bank.example"
FULL_DISK_MB = 10**9
"""More than any disk has: the store refuses to commit."""


def make_mail(text: str = "我的卡被吞了", *, number: int = 1, subject: str = "投诉", **fields: str) -> bytes:
    """CRLF, UTF-8. `fields` by header name with underscores for dashes."""
    header = {
        "From": "王小明 <wang@example.cn>",
        "To": TO,
        "Subject": subject,
        "Message-ID": f"<m{number}@example.cn>",
        "Content-Type": "text/plain; charset=utf-8",
        **{name.replace("_", "-"): value for name, value in fields.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in header.items())
    return f"{head}\r\n{text}\r\n".encode()


@dataclass
class Mailbox:
    channel: EmailChannel
    store: SqliteStore
    clock: ManualClock

    @property
    def port(self) -> int:
        assert self.channel.port
        return self.channel.port

    async def read_kept(self) -> list[Envelope]:
        """Every envelope in the store, oldest first."""
        ids = await self.store.find_kept(INSTANCE, Millis(0), Millis(self.clock.now + 1), "", 1_000)
        items = [await self.store.find_envelope(each) for each in ids]
        return [item.envelope for item in items if item]


def make_channel(folder: Path, clock: ManualClock | None = None, **settings: object) -> EmailChannel:
    return open_channel(INSTANCE, ChannelSettings.model_validate(settings), make_house(folder, clock))


@asynccontextmanager
async def open_mailbox(folder: Path, *, min_free_mb: int = 0, **settings: object) -> AsyncIterator[Mailbox]:
    url, clock = f"sqlite:///{folder / 'huiyin.db'}", ManualClock()
    migrate(url)
    store = SqliteStore(url, read_keys, clock=clock, min_free_mb=min_free_mb)
    await store.open()
    channel = make_channel(folder, clock, port=0, **settings)
    await channel.listen(Acceptance(store, Scrub(mark), lambda: None))
    try:
        yield Mailbox(channel, store, clock)
    finally:
        await channel.close()
        await store.close()


class Line:
    """A client that sends exactly what it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def read(self) -> str:
        """One reply, its lines joined; '' when the server has hung up."""
        lines = []
        # No measure of speed: an answer that never comes must fail the test, not stop all of them.
        async with asyncio.timeout(60):
            while line := (await self.reader.readline()).decode():
                lines.append(line.rstrip("\r\n"))
                if line[3:4] != "-":
                    break
        return "\n".join(lines)

    async def say(self, data: str | bytes) -> str:
        self.writer.write(data if isinstance(data, bytes) else f"{data}\r\n".encode())
        await self.writer.drain()
        return await self.read()

    async def begin(
        self, *recipients: str, sender: str = "<wang@example.cn>", hello: str = "EHLO client.example"
    ) -> None:
        """Up to and with DATA."""
        await self.say(hello)
        await self.say(f"MAIL FROM:{sender}")
        for recipient in recipients or (TO,):
            await self.say(f"RCPT TO:<{recipient}>")
        assert (await self.say("DATA")).startswith("354")


@asynccontextmanager
async def dial(port: int) -> AsyncIterator[Line]:
    line = Line(*await asyncio.open_connection("127.0.0.1", port))
    try:
        yield line
    finally:
        line.writer.close()
