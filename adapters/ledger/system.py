"""The ledger as a system of record: one writer thread, one commit a batch."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TextIO, TypeVar, assert_never
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from adapters.ledger.book import Heading, name_document, open_book, write_deliveries
from adapters.ledger.export import export_csv
from adapters.ledger.settings import SystemSettings
from gateway.contract.clock import to_datetime
from gateway.contract.errors import AdapterError, Misconfigured, Rejected, TryLater
from gateway.contract.ports import Change, Delivered, Delivery, Event, House, Step

Result = TypeVar("Result")


class Ledger:
    def __init__(self, path: Path, house: House) -> None:
        self._path = path
        self._house = house
        self._zone = ZoneInfo(house.timezone)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._book: sqlite3.Connection | None = None

    def plan(self, change: Change) -> Sequence[Step]:
        match change.event:
            case Event.REGISTERED:
                return (Step("create"),)
            case Event.SUPPLEMENTED | Event.REREAD:
                return (Step(f"update:{change.version}"),)
            case _ as never:
                assert_never(never)

    async def deliver(self, delivery: Delivery) -> Delivered:
        (outcome,) = await self.deliver_many((delivery,))
        if isinstance(outcome, AdapterError):
            raise outcome
        return outcome

    async def deliver_many(self, deliveries: Sequence[Delivery]) -> Sequence[Delivered | AdapterError]:
        outcomes: dict[int, Delivered | AdapterError] = {}
        readable: list[tuple[Delivery, Heading, bytes]] = []
        places: list[int] = []
        for place, delivery in enumerate(deliveries):
            try:
                readable.append(await self._seal(delivery))
                places.append(place)
            except AdapterError as error:
                outcomes[place] = error
        outcomes |= dict(zip(places, await self._run(lambda: self._write(readable)), strict=True))
        return [outcomes[place] for place in range(len(deliveries))]

    async def _seal(self, delivery: Delivery) -> tuple[Delivery, Heading, bytes]:
        try:
            heading = Heading.model_validate_json(delivery.document)
        except ValidationError:
            raise Rejected("document_invalid", "The complaint does not fit its schema; read it again.") from None
        return delivery, heading, await self._house.seal(delivery.document, name_document(delivery.receipt), heading.id)

    async def export(self, out: TextIO, receipt: str = "") -> int:
        try:
            return await export_csv(self._path, out, self._house.unseal, self._house.timezone, receipt)
        except sqlite3.Error as error:
            raise _name_failure(error) from None

    async def check(self) -> str:
        return await self._run(self._check)

    async def close(self) -> None:
        await self._run(self._close)
        self._writer.shutdown()

    async def _run(self, work: Callable[[], Result]) -> Result:
        # Shielded: a caller that gives up must not leave the outcome of a commit half told to the next one.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._writer, work))

    def _write(self, deliveries: Sequence[tuple[Delivery, Heading, bytes]]) -> Sequence[Delivered | AdapterError]:
        if not deliveries:
            return ()
        now = self._house.clock.now_ms()
        day = f"{to_datetime(now).astimezone(self._zone):%Y%m%d}"
        try:
            return write_deliveries(self._open(), deliveries, now, day)
        except Misconfigured as error:
            return [error] * len(deliveries)
        except (sqlite3.Error, OSError) as error:
            self._close()
            return [_name_failure(error)] * len(deliveries)

    def _open(self) -> sqlite3.Connection:
        if self._book is None:
            self._book = open_book(self._path)
        return self._book

    def _close(self) -> None:
        book, self._book = self._book, None
        if book is not None:
            book.close()

    def _check(self) -> str:
        if not self._path.exists():
            return f"{self._path} will be made with the first complaint"
        try:
            book = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True)
            try:
                count = book.execute("SELECT count(*) FROM entries").fetchone()[0]
            finally:
                book.close()
        except sqlite3.Error as error:
            raise _name_failure(error) from None
        return f"{count} entries in {self._path}"


def open_system(instance: str, settings: SystemSettings, house: House) -> Ledger:  # noqa: ARG001 - the port's shape
    return Ledger(settings.file or house.data_dir / "ledger.db", house)


_WAIT = {
    sqlite3.SQLITE_BUSY: "ledger_busy",
    sqlite3.SQLITE_LOCKED: "ledger_busy",
    sqlite3.SQLITE_FULL: "ledger_disk_full",
}


def _name_failure(error: sqlite3.Error | OSError) -> AdapterError:
    """Uncertain is never needed: the delivery id tells at the next attempt whether the commit took place."""
    # The extended code carries the primary one in its low byte.
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return Misconfigured(
            "ledger_unusable", "The ledger's file cannot be written or is none; check its path and rights."
        )
    if isinstance(error, PermissionError | NotADirectoryError):
        return Misconfigured("ledger_unusable", "The ledger's folder cannot be made; check its path and rights.")
    return TryLater(
        _WAIT.get(code, "ledger_unavailable"), "The ledger could not be written; look at disk and file.", after_s=2
    )
