"""Keeping envelopes: many callers' envelopes in one transaction, each call whole or not at all.

The costs that matter are fixed: one look-up and four inserts per group, however many callers it holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import uuid_utils
from sqlalchemy import bindparam, delete, func, select, update

from gateway.contract.clock import Millis
from gateway.contract.envelope import LENT_S, Accepted, Envelope, Thread
from gateway.contract.receipt import Receipt
from gateway.contract.value import value
from gateway.states import EnvelopeState
from gateway.store.heads import seal_envelopes
from gateway.store.months import find_time
from gateway.store.numbering import Stock
from gateway.store.plan import Ask, Plan, Put, Row, Statement, ask_for, insert_into, is_in, put, word
from gateway.store.port import KeyConflict
from gateway.store.tables import complaint_versions, complaints, cursors, envelopes, history, inbox, lenders, threads
from gateway.store.vault import Vault, find_key

_ERA, _ERA_BYTES, _RUN_BYTES = 8, 3, 5
CONTENT_BYTES = 32

UNREGISTERED = inbox.c.state != word(EnvelopeState.REGISTERED)

_KNOWN = Statement(
    select(inbox.c.key, inbox.c.id, inbox.c.receipt, inbox.c.part, inbox.c.content).where(is_in(inbox.c.key, "keys")),
    ("keys",),
)
_LAST_UNREGISTERED = Statement(
    select(inbox.c.number, func.max(inbox.c.part))
    .where(is_in(inbox.c.number, "numbers"), UNREGISTERED)
    .group_by(inbox.c.number),
    ("numbers",),
)
_LAST_REGISTERED = Statement(
    select(inbox.c.number, func.max(inbox.c.part))
    .join_from(complaint_versions, inbox, inbox.c.id == complaint_versions.c.envelope_id)
    .where(is_in(complaint_versions.c.complaint_id, "ids"))
    .group_by(inbox.c.number),
    ("ids",),
)
_THREADS = Statement(
    select(threads.c.key, threads.c.receipt, threads.c.number, threads.c.last_ms, threads.c.ended)
    .where(is_in(threads.c.key, "keys"))
    .order_by(threads.c.key)
    .with_for_update(),
    ("keys",),
)
_HOLD_UNREGISTERED = Statement(
    select(inbox.c.id)
    .where(is_in(inbox.c.number, "numbers"), UNREGISTERED)
    .order_by(inbox.c.number, inbox.c.part)
    .with_for_update(),
    ("numbers",),
)
_HOLD_REGISTERED = Statement(
    select(complaints.c.id)
    .where(is_in(complaints.c.number, "numbers"))
    .order_by(complaints.c.number)
    .with_for_update(),
    ("numbers",),
)
_KEEP_ENVELOPE = insert_into(envelopes)
_OPEN_INBOX = insert_into(
    inbox,
    state=EnvelopeState.ACCEPTED.value,
    due_ms=0,
    lease_until_ms=0,
    claim=0,
    attempts=0,
    code="",
    detail="",
)
_NOTE_ACCEPTED = insert_into(
    history, "seq", subject="envelope", event="envelope.accepted", before="", after=EnvelopeState.ACCEPTED.value
)
_LEND = insert_into(lenders)
_OPEN_THREAD = insert_into(threads)
_MOVE_THREAD = Statement(
    update(threads)
    .where(threads.c.key == bindparam("at_key"))
    .values(
        receipt=bindparam("to_receipt"),
        number=bindparam("to_number"),
        last_ms=bindparam("to_ms"),
        ended=bindparam("to_ended"),
    ),
    ("to_receipt", "to_number", "to_ms", "to_ended", "at_key"),
)
_FORGET_CURSOR = Statement(delete(cursors).where(cursors.c.channel == bindparam("channel")), ("channel",))
_KEEP_CURSOR = insert_into(cursors)
WRITE_HISTORY = insert_into(history, "seq")


@value(kw_only=False)
class Call:
    """What one caller wants kept: all of it or nothing. `cursor` is (channel, value)."""

    envelopes: Sequence[Envelope]
    cursor: tuple[str, str] | None = None


@dataclass(slots=True)
class _Matter:
    """What envelopes of one receipt share. A new one's number is taken once all matters of the group are known."""

    receipt: Receipt | None
    number: int | None
    last_part: int


@dataclass(slots=True)
class _Entry:
    """One envelope of the group, or one that is kept already (`envelope` None)."""

    id: str
    key: bytes
    content: bytes
    matter: _Matter | None
    part: int = 0
    envelope: Envelope | None = None


@dataclass(slots=True)
class _OpenThread:
    matter: _Matter
    last_ms: int
    ended: bool
    is_new: bool


Outcome: TypeAlias = Sequence[Accepted] | KeyConflict


def keep(
    calls: Sequence[Call], now: Millis, stock: Stock, vault: Vault, *, hopeful: bool = False
) -> Plan[list[Outcome]]:
    """One outcome per call, in order. A conflict takes down its own call only.

    `stock` holds a number for each envelope. `hopeful` does not ask whether a key is known, nor a thread that grows with
    time. Nearly always neither is, and the look-ups cost a tenth of the whole; if one is, the unique index fails the
    statement, and the engine runs the transaction again without hope.
    """
    keys = [
        mark_key(vault, envelope.channel, envelope.source_key, sequential=envelope.sequential)
        for call in calls
        for envelope in call.envelopes
    ]
    rows = [] if hopeful else (yield from ask_for(_KNOWN, keys))
    known = {row[0]: _Entry(row[1], row[0], row[4], _Matter(row[2], None, 0), row[3]) for row in rows}
    fresh: list[_Entry] = []
    found: list[list[tuple[_Entry, bool]] | KeyConflict] = []
    start = 0
    for call in calls:
        end = start + len(call.envelopes)
        found.append(_match(vault, call.envelopes, keys[start:end], known, fresh))
        start = end
    if fresh:
        opened = yield from _assign_matters(fresh, stock, vault, hopeful=hopeful)
        at = _find_moment(fresh, vault, now)
        said = seal_envelopes([(entry.id, entry.envelope) for entry in fresh if entry.envelope], vault, at)
        yield from put(_KEEP_ENVELOPE, [(entry.id, each) for entry, each in zip(fresh, said, strict=True)])
        yield from put(_OPEN_INBOX, [_write_inbox(entry, now) for entry in fresh])
        yield from put(_NOTE_ACCEPTED, [(now, entry.id, "supplement" if entry.part else "") for entry in fresh])
        yield from put(_LEND, _list_lenders(vault, fresh))
        yield from _write_threads(opened)
    reached = [call.cursor for call, outcome in zip(calls, found, strict=True) if not isinstance(outcome, KeyConflict)]
    for channel, cursor in dict(filter(None, reached)).items():
        yield Ask(_FORGET_CURSOR, (channel,))
        yield Put(_KEEP_CURSOR, [(channel, cursor, now)])
    return [
        outcome if isinstance(outcome, KeyConflict) else [_to_accepted(*pair) for pair in outcome] for outcome in found
    ]


def mark_key(vault: Vault, channel: str, key: str, *, sequential: bool = False) -> bytes:
    """The mark of a key inside its channel. That of a key that grows with time begins with marks of what its neighbours in
    time share, so that new ones sit together in the index all the same: of the day or the hour a call id begins with, then
    of all but its last two characters. Such keys read `kind:growing` or `kind:growing:rest`.
    """
    mark = vault.mark(f"{channel}\0{key}".encode())
    if not sequential:
        return mark
    kind, _, rest = key.partition(":")
    growing = rest.partition(":")[0]
    return _mark_begin(vault, kind, growing[:_ERA], growing[:-2]) + mark


# Neighbours share it, and so do the source key and the thread of one call.
@lru_cache(1024)
def _mark_begin(vault: Vault, kind: str, era: str, run: str) -> bytes:
    return vault.mark(f"{kind}:{era}".encode(), _ERA_BYTES) + vault.mark(f"{kind}:{run}".encode(), _RUN_BYTES)


def _match(
    vault: Vault, wanted: Sequence[Envelope], keys: Sequence[bytes], known: dict[bytes, _Entry], fresh: list[_Entry]
) -> list[tuple[_Entry, bool]] | KeyConflict:
    """(entry, is a duplicate) per envelope. New entries join `known` and `fresh` only if the whole call is good."""
    found: list[tuple[_Entry, bool]] = []
    new: dict[bytes, _Entry] = {}
    for envelope, key in zip(wanted, keys, strict=True):
        content = vault.mark(envelope.content_digest(), CONTENT_BYTES)
        entry = known.get(key) or new.get(key)
        if entry is None:
            entry = new[key] = _Entry(uuid_utils.uuid7().hex, key, content, None, 0, envelope)
            found.append((entry, False))
        elif entry.content == content:
            found.append((entry, True))
        else:
            return KeyConflict("a source key came again with other content")
    known.update(new)
    fresh.extend(new.values())
    return found


def _assign_matters(
    fresh: Sequence[_Entry], stock: Stock, vault: Vault, *, hopeful: bool
) -> Plan[dict[bytes, _OpenThread]]:
    """Gives every entry its matter and its part in it. Returns the threads that were touched."""
    open_threads: dict[bytes, _OpenThread] = {}
    touched: dict[bytes, _OpenThread] = {}
    keyed = [
        (entry, envelope, _mark_thread(vault, entry.key, envelope)) for entry in fresh if (envelope := entry.envelope)
    ]
    # A thread that grows with time is a call, and most calls come once.
    asked = {key for _, each, key in keyed if key and not (hopeful and each.thread and each.thread.sequential)}
    rows = yield from ask_for(_THREADS, list(asked))
    joined = {Receipt(envelope.joins) for _, envelope, _ in keyed if envelope.joins}
    numbers = {row[2]: Receipt(row[1]) for row in rows} | {stock.numbering.read(receipt): receipt for receipt in joined}
    last_parts = yield from _find_last_parts(list(numbers))
    matters = {receipt: _Matter(receipt, n, last_parts[n]) for n, receipt in numbers.items() if n in last_parts}
    for key, receipt, _, last_ms, ended in rows:
        # A matter that is forgotten cannot be added to: what comes now begins a new one.
        matter = matters.get(receipt)
        open_threads[key] = _OpenThread(
            matter or _Matter(None, None, 0), last_ms, bool(ended or not matter), is_new=False
        )

    opened: list[_Matter] = []
    for entry, envelope, key in keyed:
        thread = open_threads.get(key) if key else None
        matter = matters.get(Receipt(envelope.joins)) if envelope.joins else None
        if matter is None and thread and envelope.thread and _is_open(thread, envelope.thread, envelope.received_at):
            matter = thread.matter
        if matter is not None:
            matter.last_part += 1
        elif envelope.receipt_wanted:
            matter = _Matter(None, None, 0)
            opened.append(matter)
        else:
            continue
        entry.matter, entry.part = matter, matter.last_part
        if key and envelope.thread:
            last_ms = max(envelope.received_at, thread.last_ms if thread else 0)
            is_new = thread is None or thread.is_new
            open_threads[key] = touched[key] = _OpenThread(matter, last_ms, envelope.thread.ends, is_new)
    for matter, (number, receipt) in zip(opened, stock.take(len(opened)), strict=True):
        matter.number, matter.receipt = number, receipt
    return touched


def _mark_thread(vault: Vault, source_key: bytes, envelope: Envelope) -> bytes | None:
    thread = envelope.thread
    if thread and (thread.key, thread.sequential) == (envelope.source_key, envelope.sequential):
        return source_key  # a call is told by its id, and so is its thread
    return mark_key(vault, envelope.channel, thread.key, sequential=thread.sequential) if thread else None


def _is_open(found: _OpenThread, thread: Thread, received_at: Millis) -> bool:
    return not found.ended and (thread.window_ms is None or received_at - found.last_ms <= thread.window_ms)


def _find_last_parts(numbers: Sequence[int]) -> Plan[dict[int, int]]:
    """The numbers among these that were given and are not forgotten, with the place of the last envelope under each. They
    are held first, so that no other node adds to them or registers what was added before this transaction has ended.
    """
    yield from ask_for(_HOLD_UNREGISTERED, numbers)
    registered = [row[0] for row in (yield from ask_for(_HOLD_REGISTERED, numbers))]
    found = {row[0]: row[1] for row in (yield from ask_for(_LAST_REGISTERED, registered))}
    for number, part in (yield from ask_for(_LAST_UNREGISTERED, numbers)):
        found[number] = max(part, found.get(number, 0))
    return found


class _Ahead:
    """By how much ids are put back, where they are ahead of the clock by months: as long as one distance serves, so that
    they keep their order. Ids are the process's, and so is this.
    """

    ms = 0


def _find_moment(fresh: Sequence[_Entry], vault: Vault, now: Millis) -> Millis:
    """A moment of the month that all their ids are of: a month is forgotten by its ids, so its key seals just these. Ids
    grow, so only the first and the last are looked at.
    """
    first, last = find_time(fresh[0].id), find_time(fresh[-1].id)
    if find_key(first) == find_key(last) and vault.can_seal(last):
        return last
    # A month has turned among them; or ids are ahead, as they do not go back with a clock that had run ahead for months.
    month = find_key(now)
    if not month == find_key(Millis(first - _Ahead.ms)) == find_key(Millis(last - _Ahead.ms)):
        _Ahead.ms = last - now
    for entry in fresh:
        put_back = find_time(entry.id) - _Ahead.ms
        entry.id = f"{put_back if find_key(Millis(put_back)) == month else now:012x}{entry.id[12:]}"
    return now


def _write_inbox(entry: _Entry, now: Millis) -> Row:
    envelope = entry.envelope
    if envelope is None:
        raise ValueError("a kept envelope is not written again")
    receipt, number = (entry.matter.receipt, entry.matter.number) if entry.matter else (None, None)
    return (
        entry.id,
        entry.key,
        entry.content,
        envelope.channel,
        envelope.received_at,
        receipt,
        number,
        entry.part,
        now,
    )


def _list_lenders(vault: Vault, fresh: Sequence[_Entry]) -> list[Row]:
    lending = [(e, e.envelope) for e in fresh if e.envelope and e.envelope.hints and LENT_S in e.envelope.hints]
    return [(mark_key(vault, one.channel, one.thread.key), one.received_at, e.id) for e, one in lending if one.thread]


def _write_threads(opened: dict[bytes, _OpenThread]) -> Plan[None]:
    yield from put(
        _OPEN_THREAD,
        [(key, t.matter.receipt, t.matter.number, t.last_ms, t.ended) for key, t in opened.items() if t.is_new],
    )
    yield from put(
        _MOVE_THREAD,
        [(t.matter.receipt, t.matter.number, t.last_ms, t.ended, key) for key, t in opened.items() if not t.is_new],
    )


def _to_accepted(entry: _Entry, duplicate: bool) -> Accepted:
    receipt = entry.matter.receipt if entry.matter else None
    return Accepted(envelope_id=entry.id, receipt=receipt, duplicate=duplicate, supplement=entry.part > 0)
