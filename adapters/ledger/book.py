"""The book itself: one SQLite file, one row a complaint, one row a delivery.

Exactly once: the delivery id is a primary key and its row is written in the transaction that changes the entry. What a
complaint says and who says it is sealed (`document`); the columns beside it hold nothing that tells of a person.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from config.durable import make_file
from gateway.contract.clock import to_datetime
from gateway.contract.complaint import Kind
from gateway.contract.errors import AdapterError, AlreadyThere, Misconfigured
from gateway.contract.ports import Delivered, Delivery
from gateway.contract.verdict import Level

EDITION = 2
UNSEALED = 1
"""The edition that held everything in clear; it was never released."""
_SCHEMA = """
CREATE TABLE entries (
    receipt TEXT PRIMARY KEY, ticket TEXT NOT NULL UNIQUE, complaint_id TEXT NOT NULL, version INTEGER NOT NULL,
    kind TEXT NOT NULL, level TEXT NOT NULL, channel TEXT NOT NULL, branch TEXT NOT NULL,
    document BLOB NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL
) STRICT;
CREATE TABLE entry_events (
    delivery TEXT PRIMARY KEY, receipt TEXT NOT NULL REFERENCES entries, step TEXT NOT NULL,
    version INTEGER NOT NULL, at INTEGER NOT NULL
) STRICT;
CREATE TABLE day_numbers (day TEXT PRIMARY KEY, last INTEGER NOT NULL) STRICT;
"""
_WRITE = """
INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (receipt) DO UPDATE SET
    version = excluded.version, kind = excluded.kind, level = excluded.level, branch = excluded.branch,
    document = excluded.document, updated = excluded.updated
WHERE excluded.version > entries.version
"""


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Channel(_Part):
    instance: str


class _Branch(_Part):
    code: str


class _Verdict(_Part):
    level: Level


class Heading(_Part):
    """What the book's columns need of a complaint: reading the whole would cost most of a delivery's time."""

    id: str
    kind: Kind
    channel: _Channel
    branch: _Branch | None = None
    verdict: _Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """`document` is sealed; `name_document` says as what."""

    receipt: str
    ticket: str
    complaint_id: str
    version: int
    kind: str
    level: str
    channel: str
    branch: str
    document: bytes
    created: datetime
    updated: datetime


def name_document(receipt: str) -> str:
    """What a document is sealed as: in the row of another receipt it does not open."""
    return f"ledger:{receipt}"


def open_book(path: Path) -> sqlite3.Connection:
    """Makes the book where there is none. Raises Misconfigured for one of another edition, sqlite3.Error for what is no
    book, OSError where none can be made.
    """
    make_file(path)
    book = sqlite3.connect(path, isolation_level=None, timeout=5)
    try:
        _prepare(book)
    except BaseException:
        book.close()
        raise
    return book


def _prepare(book: sqlite3.Connection) -> None:
    book.execute("PRAGMA journal_mode = WAL")
    book.execute("PRAGMA synchronous = FULL")
    book.execute("PRAGMA foreign_keys = ON")
    book.execute("BEGIN IMMEDIATE")
    edition = book.execute("PRAGMA user_version").fetchone()[0]
    if edition > EDITION:
        raise Misconfigured("ledger_newer", "The ledger was written by a newer version of the gateway; run that one.")
    if edition == UNSEALED:
        raise Misconfigured(
            "ledger_unsealed",
            "The ledger holds names and words in clear, as no version does any more; move its file away, and a new one is made.",
        )
    if edition == 0:
        for statement in _SCHEMA.split(";"):
            book.execute(statement)
        book.execute(f"PRAGMA user_version = {EDITION}")
    book.execute("COMMIT")


def write_deliveries(
    book: sqlite3.Connection, deliveries: Sequence[tuple[Delivery, Heading, bytes]], now_ms: int, day: str
) -> Sequence[Delivered | AdapterError]:
    """All in one commit; one outcome each. The bytes are the sealed document. `day` (YYYYMMDD) goes into the numbers of
    new entries.
    """
    book.execute("BEGIN IMMEDIATE")
    try:
        found = book.execute("SELECT last FROM day_numbers WHERE day = ?", (day,)).fetchone()
        first = found[0] + 1 if found else 1
        numbers = count(first)
        outcomes = [_write(book, *delivery, now_ms, day, numbers) for delivery in deliveries]
        if (last := next(numbers) - 1) >= first:
            book.execute("INSERT OR REPLACE INTO day_numbers VALUES (?, ?)", (day, last))
        book.execute("COMMIT")
    except BaseException:
        if book.in_transaction:
            book.execute("ROLLBACK")
        raise
    return outcomes


def _write(
    book: sqlite3.Connection,
    delivery: Delivery,
    heading: Heading,
    sealed: bytes,
    now_ms: int,
    day: str,
    numbers: Iterator[int],
) -> Delivered | AdapterError:
    found = book.execute("SELECT ticket FROM entries WHERE receipt = ?", (delivery.receipt,)).fetchone()
    if found and book.execute("SELECT 1 FROM entry_events WHERE delivery = ?", (delivery.id,)).fetchone():
        return AlreadyThere("already_entered", "This delivery is in the ledger.", ticket=found[0])
    ticket: str = found[0] if found else f"TZ-{day}-{next(numbers):06}"
    branch = heading.branch.code if heading.branch else ""
    book.execute(
        _WRITE,
        (delivery.receipt, ticket, heading.id, delivery.version, heading.kind.value, heading.verdict.level.value,
         heading.channel.instance, branch, sealed, now_ms, now_ms),
    )  # fmt: skip
    event = (delivery.id, delivery.receipt, delivery.step, delivery.version, now_ms)
    book.execute("INSERT INTO entry_events VALUES (?, ?, ?, ?, ?)", event)
    return Delivered(ticket=ticket, reference=ticket)


def read_entries(path: Path) -> list[Entry]:
    """All entries in the order of their tickets. Raises sqlite3.Error where there is no book."""
    return list(iterate_entries(path))


def iterate_entries(path: Path, receipt: str = "") -> Iterator[Entry]:
    """As above, one at a time; with a `receipt` that entry alone."""
    book = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        wanted = "SELECT * FROM entries WHERE ? IN ('', receipt) ORDER BY created, ticket"
        for row in book.execute(wanted, (receipt,)):
            names = Entry.__dataclass_fields__
            fields = dict(zip(names, row, strict=True))
            yield Entry(
                **fields | {"created": to_datetime(fields["created"]), "updated": to_datetime(fields["updated"])}
            )
    finally:
        book.close()
