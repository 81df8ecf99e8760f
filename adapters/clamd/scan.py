"""One connection a file: clamd's INSTREAM command (man clamd, COMMANDS). The file never touches its disk by our doing."""

import asyncio
import re
from collections.abc import Iterator

from adapters.clamd.settings import ScanSettings
from gateway.contract.errors import Misconfigured, Rejected, TryLater
from gateway.contract.ports import House

_CHUNK_BYTES = 65_536
_ANSWER_LIMIT_BYTES = 4_096
_FOUND = re.compile(r"stream: (.+) FOUND")
_NOT_NAMED = re.compile(r"[^A-Za-z0-9._/()-]")
_NAME_LENGTH = 100
_TOO_LARGE = "size limit exceeded"


class Clamd:
    def __init__(self, settings: ScanSettings) -> None:
        self._address = settings.address
        self._limit_bytes = settings.limit_bytes
        self._timeout_s = settings.timeout_s

    async def scan(self, content: bytes) -> str:
        if len(content) > self._limit_bytes:
            raise _refuse_size()
        answer = await self._ask(b"zINSTREAM\0", content)
        if answer == "stream: OK":
            return ""
        if found := _FOUND.fullmatch(answer):
            return _NOT_NAMED.sub("_", found.group(1))[:_NAME_LENGTH]
        if _TOO_LARGE in answer:
            raise _refuse_size()
        raise TryLater("scan_failed", "clamd could not look at the file; its own log says why.")

    async def check(self) -> str:
        answer = await self._ask(b"zVERSION\0")
        if not answer.startswith("ClamAV"):
            raise Misconfigured("scan_no_clamd", "What answers at the address of [scan] is no clamd.")
        return answer

    async def close(self) -> None:
        """Nothing is kept open: attachments are few."""

    async def _ask(self, command: bytes, content: bytes | None = None) -> str:
        try:
            async with asyncio.timeout(self._timeout_s):
                reader, writer = await self._connect()
                try:
                    writer.write(command)
                    for part in () if content is None else _cut(content):
                        writer.write(part)
                        await writer.drain()
                    answer = await reader.read(_ANSWER_LIMIT_BYTES)
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            raise TryLater("scan_unreachable", "clamd did not answer; see whether it runs.") from None
        if not answer:
            raise TryLater("scan_unreachable", "clamd hung up without an answer.")
        return answer.rstrip(b"\0\n").decode("utf-8", "replace")

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        kind, _, place = self._address.partition("://")
        if kind == "unix":
            return await asyncio.open_unix_connection(place)
        host, _, port = place.rpartition(":")
        return await asyncio.open_connection(host.strip("[]"), int(port))


def _refuse_size() -> Rejected:
    return Rejected("scan_too_large", "clamd takes no file of this size; raise its StreamMaxLength and limit_bytes.")


def _cut(content: bytes) -> Iterator[bytes]:
    """Chunks with their length before them, four bytes big-endian; one of length 0 ends the file."""
    for start in range(0, len(content), _CHUNK_BYTES):
        chunk = content[start : start + _CHUNK_BYTES]
        yield len(chunk).to_bytes(4) + chunk
    yield bytes(4)


def open_scan(instance: str, settings: ScanSettings, house: House) -> Clamd:
    del instance, house
    return Clamd(settings)
