"""Finding the complaints of a person although nothing of a person can be read in the database: by keyed hash.

A mark is of what a complaint was given under: a telephone number, a document, an e-mail address, an openid. It tells equal
from unequal and nothing else, and cannot be computed without the keyring.
"""

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, select

from gateway.contract.clock import Millis
from gateway.contract.complaint import Kind
from gateway.contract.receipt import Receipt
from gateway.contract.verdict import Level
from gateway.store.plan import Ask, Plan, Row, Statement, ask_for, insert_into, is_in, put
from gateway.store.rows import Found
from gateway.store.tables import complaints, marks
from gateway.store.vault import MARKS, Vault, find_key, number_month, read_keys_kept

_KNOWN = Statement(
    select(marks.c.mark, marks.c.number).where(is_in(marks.c.mark, "marks"), marks.c.month == bindparam("month")),
    ("marks", "month"),
)
_NOTED = Statement(
    select(marks.c.mark, marks.c.number).where(
        is_in(marks.c.mark, "marks"),
        marks.c.month == bindparam("month"),
        # Somebody may have complained a thousand times: only what is noted now is of interest, and its numbers are near
        # each other.
        marks.c.number.between(bindparam("first"), bindparam("last")),
    ),
    ("marks", "month", "first", "last"),
)
_KEEP = insert_into(marks)
_DROP = Statement(delete(marks).where(marks.c.month == bindparam("month")), ("month",))
_COMPLAINTS = Statement(
    select(
        complaints.c.receipt,
        complaints.c.channel,
        complaints.c.kind,
        complaints.c.level,
        complaints.c.created_ms,
        complaints.c.changed_ms,
    ).where(is_in(complaints.c.number, "numbers")),
    ("numbers",),
)


def note_marks(vault: Vault, named: Sequence[tuple[int, Sequence[str]]], now: Millis) -> Plan[None]:
    """`named`: the number of a complaint, and what it is to be found by."""
    month = find_key(now)
    wanted: dict[tuple[bytes, int], None] = {
        (_mark(vault, value), number): None for number, values in named for value in values
    }
    numbers = [number for _, number in wanted] or [0]
    values = list({mark for mark, _ in wanted})
    known = {(row[0], row[1]) for row in (yield from ask_for(_NOTED, values, month, min(numbers), max(numbers)))}
    rows: list[Row] = [(month, mark, number) for mark, number in wanted if (mark, number) not in known]
    yield from put(_KEEP, sorted(rows))


def find(vault: Vault, values: Sequence[str]) -> Plan[list[Found]]:
    """Complaints under any of these, the latest first."""
    marked = [_mark(vault, value) for value in values]
    numbers: set[int] = set()
    for month, *_ in (yield from read_keys_kept()):
        if month != MARKS:
            numbers |= {row[1] for row in (yield Ask(_KNOWN, (marked, month)))}
    rows = yield from ask_for(_COMPLAINTS, sorted(numbers))
    found = [
        Found(
            receipt=Receipt(receipt),
            channel=channel,
            kind=Kind(kind),
            level=Level(level),
            created_ms=created,
            changed_ms=changed,
        )
        for receipt, channel, kind, level, created, changed in rows
    ]
    return sorted(found, key=lambda each: each.created_ms, reverse=True)


def drop_marks(month: str) -> Plan[None]:
    """Those made in a month (like 2026-11)."""
    yield Ask(_DROP, (number_month(month),))


def _mark(vault: Vault, value: str) -> bytes:
    return vault.mark(f"person\0{value}".encode())
