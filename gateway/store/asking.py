"""What people and the sweep ask: the life of one receipt, what waits for a person, and how much stands where."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from operator import itemgetter

from sqlalchemy import Integer, bindparam, func, or_, select

from gateway.contract.clock import Millis
from gateway.contract.ports import Event
from gateway.contract.receipt import Receipt
from gateway.states import DutyState, EnvelopeState
from gateway.store.accepting import UNREGISTERED, mark_key
from gateway.store.heads import FACTS, read_envelope, read_said
from gateway.store.months import find_month_of
from gateway.store.plan import Ask, Plan, Row, Statement, ask_for, is_in, word
from gateway.store.rows import DutyFacts, EnvelopeFacts, HistoryRow, Parked, Standing, Target, Trace
from gateway.store.settling import PARKED, WAITING, unseal_detail, unseal_document
from gateway.store.tables import (
    complaint_versions,
    complaints,
    cursors,
    duties,
    envelopes,
    history,
    inbox,
    source_gaps,
    threads,
    tickets,
)
from gateway.store.vault import Vault

_ACCEPTED = inbox.c.state == word(EnvelopeState.ACCEPTED)
SET_ASIDE = inbox.c.state == word(EnvelopeState.SET_ASIDE)

_CURSOR = Statement(select(cursors.c.cursor).where(cursors.c.channel == bindparam("channel")), ("channel",))
_MATTER = Statement(select(threads.c.receipt).where(threads.c.key == bindparam("key")), ("key",))
_ENVELOPE_FACTS = select(
    inbox.c.part,
    inbox.c.id,
    inbox.c.state,
    inbox.c.code,
    inbox.c.detail,
    *FACTS,
)
UNREGISTERED_ENVELOPES = Statement(
    _ENVELOPE_FACTS.where(inbox.c.number == bindparam("number"), UNREGISTERED), ("number",)
)
REGISTERED_ENVELOPES = Statement(
    _ENVELOPE_FACTS.join(complaint_versions, complaint_versions.c.envelope_id == inbox.c.id).where(
        complaint_versions.c.complaint_id == bindparam("id"), complaint_versions.c.event != word(Event.REREAD)
    ),
    ("id",),
)
_COMPLAINT = Statement(select(complaints.c.id).where(complaints.c.number == bindparam("number")), ("number",))
_VERSIONS = Statement(
    select(
        complaint_versions.c.version,
        complaint_versions.c.event,
        complaint_versions.c.at_ms,
        complaint_versions.c.document,
    )
    .where(complaint_versions.c.complaint_id == bindparam("id"))
    .order_by(complaint_versions.c.version),
    ("id",),
)
_DUTIES = Statement(
    select(
        duties.c.id,
        duties.c.target,
        duties.c.instance,
        duties.c.step,
        duties.c.event,
        duties.c.version,
        duties.c.state,
        duties.c.attempts,
        duties.c.code,
        duties.c.detail,
        duties.c.reference,
        duties.c.created_ms,
        duties.c.due_ms,
        duties.c.done_ms,
    )
    .where(duties.c.complaint_id == bindparam("id"))
    .order_by(duties.c.version, duties.c.id),
    ("id",),
)
_TICKETS = Statement(
    select(tickets.c.instance, tickets.c.ticket).where(tickets.c.complaint_id == bindparam("id")), ("id",)
)
_HISTORY = Statement(
    select(
        history.c.seq,
        history.c.at_ms,
        history.c.subject,
        history.c.subject_id,
        history.c.event,
        history.c.before,
        history.c.after,
        history.c.detail,
    ).where(is_in(history.c.subject_id, "ids")),
    ("ids",),
)
_KEPT = Statement(
    select(inbox.c.id)
    .join_from(inbox, envelopes, envelopes.c.id == inbox.c.id)
    .where(
        inbox.c.id > bindparam("after_id"),
        or_(inbox.c.channel == bindparam("channel"), bindparam("channel") == word("")),
        inbox.c.received_ms >= bindparam("since"),
        inbox.c.received_ms < bindparam("until"),
    )
    .order_by(inbox.c.id)
    .limit(bindparam("limit", type_=Integer)),
    ("after_id", "channel", "since", "until", "limit"),
)
PARKED_ENVELOPES = Statement(
    select(
        inbox.c.id,
        inbox.c.channel,
        inbox.c.code,
        inbox.c.detail,
        inbox.c.receipt,
        inbox.c.since_ms,
        inbox.c.attempts,
    )
    .where(SET_ASIDE, inbox.c.id > bindparam("after_id"))
    .order_by(inbox.c.id)
    .limit(bindparam("limit", type_=Integer))
    .with_hint(inbox, "INDEXED BY ix_inbox_set_aside", "sqlite"),
    ("after_id", "limit"),
)
PARKED_DUTIES = Statement(
    select(
        duties.c.id,
        duties.c.instance,
        duties.c.code,
        duties.c.detail,
        duties.c.receipt,
        duties.c.since_ms,
        duties.c.attempts,
    )
    .where(PARKED, duties.c.id > bindparam("after_id"))
    .order_by(duties.c.id)
    .limit(bindparam("limit", type_=Integer))
    .with_hint(duties, "INDEXED BY ix_duties_parked", "sqlite"),
    ("after_id", "limit"),
)
GAPS = Statement(
    select(
        source_gaps.c.id,
        source_gaps.c.channel,
        source_gaps.c.stream,
        source_gaps.c.first,
        source_gaps.c.last,
        source_gaps.c.since_ms,
    )
    .where(source_gaps.c.id > bindparam("after_id"))
    .order_by(source_gaps.c.id)
    .limit(bindparam("limit", type_=Integer)),
    ("after_id", "limit"),
)
_count = func.count()
STANDINGS = (
    Statement(
        select(word("envelope"), inbox.c.channel, word("accepted"), _count, func.min(inbox.c.since_ms))
        .where(_ACCEPTED)
        .group_by(inbox.c.channel),
        (),
    ),
    Statement(
        select(word("envelope"), inbox.c.channel, word("set_aside"), _count, func.min(inbox.c.since_ms))
        .where(SET_ASIDE)
        .group_by(inbox.c.channel)
        .with_hint(inbox, "INDEXED BY ix_inbox_set_aside", "sqlite"),
        (),
    ),
    Statement(
        select(duties.c.target, duties.c.instance, word("waiting"), _count, func.min(duties.c.owed_ms))
        .where(WAITING)
        .group_by(duties.c.target, duties.c.instance),
        (),
    ),
    Statement(
        select(duties.c.target, duties.c.instance, word("parked"), _count, func.min(duties.c.since_ms))
        .where(PARKED)
        .group_by(duties.c.target, duties.c.instance)
        .with_hint(duties, "INDEXED BY ix_duties_parked", "sqlite"),
        (),
    ),
)
"""Each reads one partial index of unfinished rows."""

_TOTALS = (
    Statement(
        select(word("envelope"), inbox.c.channel, inbox.c.state, _count, func.min(inbox.c.since_ms)).group_by(
            inbox.c.channel, inbox.c.state
        ),
        (),
    ),
    Statement(
        select(duties.c.target, duties.c.instance, duties.c.state, _count, func.min(duties.c.owed_ms)).group_by(
            duties.c.target, duties.c.instance, duties.c.state
        ),
        (),
    ),
)

_STATES = Statement(
    select(inbox.c.state, _count).where(is_in(inbox.c.id, "ids")).group_by(inbox.c.state),
    ("ids",),
)


def read_cursor(channel: str) -> Plan[str | None]:
    rows = yield Ask(_CURSOR, (channel,))
    return rows[0][0] if rows else None


def find_matter(vault: Vault, channel: str, thread: str, *, sequential: bool) -> Plan[Receipt | None]:
    rows = yield Ask(_MATTER, (mark_key(vault, channel, thread, sequential=sequential),))
    return Receipt(rows[0][0]) if rows else None


def trace(vault: Vault, receipt: Receipt, number: int) -> Plan[Trace | None]:
    kept = yield Ask(UNREGISTERED_ENVELOPES, (number,))
    found = yield Ask(_COMPLAINT, (number,))
    complaint_id: str | None = found[0][0] if found else None
    if complaint_id:
        kept += yield Ask(REGISTERED_ENVELOPES, (complaint_id,))
    if not kept and not complaint_id:
        return None
    kept.sort(key=itemgetter(0))
    versions: list[Row] = []
    owed: list[Row] = []
    numbers: list[Row] = []
    if complaint_id:
        versions = yield Ask(_VERSIONS, (complaint_id,))
        owed = yield Ask(_DUTIES, (complaint_id,))
        numbers = yield Ask(_TICKETS, (complaint_id,))
    subjects = [row[1] for row in kept] + [row[0] for row in owed]
    if complaint_id:
        subjects += [complaint_id] if versions else [complaint_id, find_month_of(complaint_id)]
    moves = yield from ask_for(_HISTORY, subjects)
    said = yield from read_said([row[1] for row in kept])
    told = [_describe_envelope(vault, row, said.get(row[1])) for row in kept]
    return Trace(
        receipt=receipt,
        complaint_id=complaint_id,
        envelopes=told,
        versions=[
            (version, Event(event), at_ms, unseal_document(vault, complaint_id or "", version, document))
            for version, event, at_ms, document in versions
        ],
        duties=[_read_duty_facts(vault, row) for row in owed],
        tickets={row[0]: row[1] for row in numbers},
        history=[
            HistoryRow(
                at=row[1], subject=row[2], subject_id=row[3], event=row[4], before=row[5], after=row[6], detail=row[7]
            )
            for row in sorted(moves)
        ],
        forgotten=not versions and (bool(complaint_id) or all(each.forgotten for each in told)),
    )


def _describe_envelope(vault: Vault, row: Row, said: bytes | None) -> EnvelopeFacts:
    _, envelope_id, state, code, detail, *facts = row
    if said is None:
        channel, received_ms = facts
        return EnvelopeFacts(
            id=envelope_id,
            channel=channel,
            adapter="",
            source_key="",
            thread=None,
            media_type="",
            size=0,
            sha256="",
            received_at=Millis(received_ms),
            receipt_wanted=True,
            state=EnvelopeState(state),
            code=code,
            detail=unseal_detail(vault, envelope_id, detail),
            forgotten=True,
        )
    envelope = read_envelope(vault, envelope_id, facts, said)
    return EnvelopeFacts(
        id=envelope_id,
        channel=envelope.channel,
        adapter=envelope.adapter,
        source_key=envelope.source_key,
        thread=envelope.thread.key if envelope.thread else None,
        media_type=envelope.media_type,
        size=len(envelope.raw),
        sha256=hashlib.sha256(envelope.raw).hexdigest(),
        received_at=envelope.received_at,
        receipt_wanted=envelope.receipt_wanted,
        state=EnvelopeState(state),
        code=code,
        detail=unseal_detail(vault, envelope_id, detail),
    )


def _read_duty_facts(vault: Vault, row: Row) -> DutyFacts:
    return DutyFacts(
        id=row[0],
        target=Target(row[1]),
        instance=row[2],
        step=row[3],
        event=Event(row[4]),
        version=row[5],
        state=DutyState(row[6]),
        attempts=row[7],
        code=row[8],
        detail=unseal_detail(vault, row[0], row[9]),
        reference=row[10],
        created_ms=row[11],
        due_ms=row[12],
        done_ms=row[13],
    )


def find_kept(channel: str, since: Millis, until: Millis, after_id: str, limit: int) -> Plan[list[str]]:
    rows = yield Ask(_KEPT, (after_id, channel, since, until, limit))
    return [row[0] for row in rows]


def parked(vault: Vault, limit: int, after_id: str) -> Plan[list[Parked]]:
    envelopes_aside = yield Ask(PARKED_ENVELOPES, (after_id, limit))
    duties_parked = yield Ask(PARKED_DUTIES, (after_id, limit))
    gaps = [
        (gap_id, channel, "gap", f"{stream}{first} to {stream}{last} did not come".encode(), None, since_ms, 0)
        for gap_id, channel, stream, first, last, since_ms in (yield Ask(GAPS, (after_id, limit)))
    ]
    rows = [("envelope", row) for row in envelopes_aside] + [("duty", row) for row in duties_parked]
    rows += [("gap", row) for row in gaps]
    rows.sort(key=lambda pair: str(pair[1][0]))
    return [
        Parked(
            subject=subject,
            id=row[0],
            where=row[1],
            code=row[2],
            detail=row[3].decode() if subject == "gap" else unseal_detail(vault, row[0], row[3]),
            receipt=row[4],
            since_ms=row[5],
            attempts=row[6],
        )
        for subject, row in rows[:limit]
    ]


def standings() -> Plan[list[Standing]]:
    return (yield from _count_all(STANDINGS))


def totals() -> Plan[list[Standing]]:
    return (yield from _count_all(_TOTALS))


def count_states(ids: Sequence[str]) -> Plan[Counter[EnvelopeState]]:
    counted: Counter[EnvelopeState] = Counter()
    for state, count in (yield from ask_for(_STATES, ids)):
        counted[EnvelopeState(state)] += count
    return counted


def _count_all(statements: Sequence[Statement]) -> Plan[list[Standing]]:
    counted = []
    for statement in statements:
        for subject, where, state, count, oldest_ms in (yield Ask(statement)):
            counted.append(Standing(subject=subject, where=where, state=state, count=count, oldest_ms=oldest_ms))
    return counted
