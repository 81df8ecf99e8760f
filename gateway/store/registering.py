"""The inbox: claiming envelopes fairly, and turning them into complaint versions with all their duties."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from sqlalchemy import Integer, bindparam, exists, func, or_, select, update

from gateway.contract.clock import Millis
from gateway.contract.envelope import LENT_LIMIT_S, Envelope
from gateway.contract.ports import Event
from gateway.states import DutyState, EnvelopeState
from gateway.store.accepting import WRITE_HISTORY, mark_key
from gateway.store.finding import note_marks
from gateway.store.heads import FACTS, read_envelope, read_said
from gateway.store.plan import Ask, Plan, Row, Statement, ask_for, insert_into, is_in, put, word
from gateway.store.promising import note_deadlines
from gateway.store.rows import InboxItem, Lender, Moved, Registered, Target
from gateway.store.settling import OWE, make_duty_row, note_birth, seal_detail, seal_document
from gateway.store.tables import complaint_versions, complaints, duties, inbox, lenders
from gateway.store.vault import CLOSED, Erased, Tampered, Vault

_ACCEPTED = inbox.c.state == word(EnvelopeState.ACCEPTED)
_older = inbox.alias("older")
_walk = select(func.min(inbox.c.channel).label("channel")).where(_ACCEPTED).cte("walk", recursive=True)
_next = select(func.min(inbox.c.channel)).where(_ACCEPTED, inbox.c.channel > _walk.c.channel).scalar_subquery()
_channels = _walk.union_all(select(_next).where(_walk.c.channel.is_not(None)))

CHANNELS_AT_WORK = Statement(select(_channels.c.channel).where(_channels.c.channel.is_not(None)), ())
"""The channels with accepted envelopes, hopping from one to the next: DISTINCT would read the whole backlog."""

READY = Statement(
    select(inbox.c.since_ms, inbox.c.id)
    .where(
        _ACCEPTED,
        inbox.c.channel == bindparam("channel"),
        inbox.c.due_ms <= bindparam("now"),
        inbox.c.lease_until_ms <= bindparam("now"),
        or_(
            inbox.c.part == 0,
            ~exists().where(
                _older.c.state == word(EnvelopeState.ACCEPTED),
                # Said again in the words of the index, or it would not be used.
                _older.c.state != word(EnvelopeState.REGISTERED),
                _older.c.number == inbox.c.number,
                _older.c.part < inbox.c.part,
            ),
        ),
    )
    .order_by(inbox.c.since_ms, inbox.c.id)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(of=inbox, skip_locked=True),
    ("channel", "now", "limit"),
)
_CLAIM = Statement(
    update(inbox)
    .where(inbox.c.id == bindparam("at_id"))
    .values(lease_until_ms=bindparam("until"), claim=inbox.c.claim + 1, attempts=inbox.c.attempts + 1),
    ("until", "at_id"),
)
_ITEMS = Statement(
    select(
        inbox.c.id,
        inbox.c.claim,
        inbox.c.attempts,
        inbox.c.receipt,
        inbox.c.number,
        inbox.c.state,
        inbox.c.code,
        *FACTS,
    ).where(is_in(inbox.c.id, "ids")),
    ("ids",),
)
_EARLIER = Statement(
    select(inbox.c.number, inbox.c.id, *FACTS)
    .join_from(complaint_versions, inbox, inbox.c.id == complaint_versions.c.envelope_id)
    .where(is_in(complaint_versions.c.complaint_id, "ids"), complaint_versions.c.event != word(Event.REREAD))
    .order_by(inbox.c.number, inbox.c.part),
    ("ids",),
)
LENDERS = Statement(
    select(inbox.c.id, *FACTS)
    .join_from(lenders, inbox, inbox.c.id == lenders.c.envelope_id)
    .where(is_in(lenders.c.key, "threads"), lenders.c.received_ms >= bindparam("since"))
    .order_by(lenders.c.received_ms, lenders.c.envelope_id),
    ("threads", "since"),
)
_found_complaints = select(complaints.c.number, complaints.c.id, complaints.c.version).where(
    is_in(complaints.c.number, "numbers")
)
_COMPLAINTS = Statement(_found_complaints, ("numbers",))
_HOLD_COMPLAINTS = Statement(_found_complaints.order_by(complaints.c.number).with_for_update(), ("numbers",))
"""Held before their duties are looked at, as `settle` does: a step is never planned behind one that is just finishing."""
_CLAIMS = Statement(
    select(inbox.c.id, inbox.c.claim, inbox.c.code).where(is_in(inbox.c.id, "ids"), _ACCEPTED).with_for_update(),
    ("ids",),
)
_MOVE = Statement(
    update(inbox)
    .where(inbox.c.id == bindparam("at_id"))
    .values(
        state=bindparam("to_state"),
        since_ms=bindparam("now"),
        lease_until_ms=0,
        code=bindparam("to_code"),
        detail=bindparam("to_detail"),
    ),
    ("to_state", "now", "to_code", "to_detail", "at_id"),
)
_GIVE_BACK = Statement(
    update(inbox)
    .where(inbox.c.id == bindparam("at_id"))
    .values(due_ms=bindparam("to_due"), lease_until_ms=0, code=bindparam("to_code"), detail=bindparam("to_detail")),
    ("to_due", "to_code", "to_detail", "at_id"),
)
_DROP_LEASE = Statement(update(inbox).where(inbox.c.id == bindparam("at_id")).values(lease_until_ms=0), ("at_id",))
_OPEN_COMPLAINT = insert_into(complaints)
_NEXT_VERSION = Statement(
    update(complaints)
    .where(complaints.c.id == bindparam("at_id"))
    .values(
        version=bindparam("to_version"),
        kind=bindparam("to_kind"),
        level=bindparam("to_level"),
        language=bindparam("to_language"),
        branch=bindparam("to_branch"),
        changed_ms=bindparam("now"),
    ),
    ("to_version", "to_kind", "to_level", "to_language", "to_branch", "now", "at_id"),
)
_KEEP_VERSION = insert_into(complaint_versions)
_UNFINISHED = Statement(
    select(duties.c.complaint_id, duties.c.instance)
    .where(
        is_in(duties.c.complaint_id, "ids"),
        duties.c.target == word(Target.SYSTEM),
        duties.c.state.in_([word(DutyState.WAITING), word(DutyState.PARKED)]),
    )
    .distinct(),
    ("ids",),
)
_EVENTS = {
    Event.REGISTERED: "complaint.registered",
    Event.SUPPLEMENTED: "complaint.supplemented",
    Event.REREAD: "complaint.reread",
}


# --- claim ---------------------------------------------------------------------------------------------------------


def claim_inbox(vault: Vault, limit: int, now: Millis, lease_ms: int) -> Plan[list[InboxItem]]:
    """An equal share for every channel at work; what one leaves over goes to the others. What does not open is set aside."""
    channels = [row[0] for row in (yield Ask(CHANNELS_AT_WORK))]
    if not channels:
        return []
    share = -(-limit // len(channels))
    taken: dict[str, list[Row]] = {}
    for channel in channels:
        taken[channel] = yield Ask(READY, (channel, now, share))
    spare = limit - sum(map(len, taken.values()))
    for channel in channels:
        if spare > 0 and len(taken[channel]) == share:
            taken[channel] = yield Ask(READY, (channel, now, share + spare))
    in_turn = sorted((turn, *row) for rows in taken.values() for turn, row in enumerate(rows))[:limit]
    ready = sorted(row[1:] for row in in_turn)
    ids = [row[1] for row in ready]
    yield from put(_CLAIM, [(now + lease_ms, envelope_id) for envelope_id in ids])
    items, closed = yield from _read_items(vault, ids)
    yield from _set_closed_aside(vault, closed, now)
    return items


def read_item(vault: Vault, envelope_id: str) -> Plan[InboxItem | None]:
    """One envelope with its context, claim 0. Raises as Vault.unseal does."""
    items, closed = yield from _read_items(vault, [envelope_id])
    for error in closed.values():
        raise error
    return replace(items[0], claim=0) if items else None


def _read_items(vault: Vault, ids: Sequence[str]) -> Plan[tuple[list[InboxItem], dict[str, Exception]]]:
    """Envelopes with their context, in the order of `ids`, and those that do not open; what is unknown or forgotten is
    left out.
    """
    rows = {row[0]: row for row in (yield from ask_for(_ITEMS, ids))}
    numbers = [row[4] for row in rows.values() if row[4] is not None]
    known = {row[0]: row[1:] for row in (yield from ask_for(_COMPLAINTS, numbers))}
    before = yield from ask_for(_EARLIER, [complaint_id for complaint_id, _ in known.values()])
    said = yield from read_said({*rows, *(row[1] for row in before)})
    kept: dict[int, list[Row]] = {}
    for number, *facts in before:
        kept.setdefault(number, []).append(tuple(facts))
    closed: dict[str, Exception] = {}
    opened: dict[str, tuple[Envelope, list[Envelope]]] = {}
    for envelope_id, row in rows.items():
        if envelope_id not in said:
            continue
        others = [each for each in kept.get(row[4], ()) if each[0] != envelope_id and each[0] in said]
        try:
            opened[envelope_id] = (
                read_envelope(vault, envelope_id, row[7:], said[envelope_id]),
                [read_envelope(vault, each, facts, said[each]) for each, *facts in others],
            )
        except (Erased, Tampered) as error:
            closed[envelope_id] = error
    lending = yield from _find_lenders(vault, [each for own, others in opened.values() for each in (own, *others)])
    items = []
    for envelope_id, claim, attempts, receipt, number, state, code, *_ in (rows[i] for i in ids if i in opened):
        complaint_id, version = known.get(number, (None, 0))
        envelope, earlier = opened[envelope_id]
        places = {(one.channel, one.thread.key) for one in (envelope, *earlier) if one.thread}
        items.append(
            InboxItem(
                id=envelope_id,
                claim=claim,
                attempts=attempts,
                receipt=receipt,
                number=number,
                envelope=envelope,
                complaint_id=complaint_id,
                version=version,
                earlier=earlier,
                lenders=[lender for lender in lending if (lender.channel, lender.thread) in places],
                state=EnvelopeState(state),
                code=code,
            )
        )
    return items, closed


def _set_closed_aside(vault: Vault, closed: Mapping[str, Exception], now: Millis) -> Plan[None]:
    """A row that was tampered with must not hold up its neighbours."""
    moves = [
        (EnvelopeState.SET_ASIDE.value, now, CLOSED, seal_detail(vault, each, str(error), each), each)
        for each, error in closed.items()
    ]
    yield from put(_MOVE, moves)
    notes = [(now, "envelope", each, "envelope.set_aside", "accepted", "set_aside", CLOSED) for each in closed]
    yield from put(WRITE_HISTORY, notes)


def _find_lenders(vault: Vault, reading: Sequence[Envelope]) -> Plan[list[Lender]]:
    """Those that may lend to one of these; a few more, where another of them is much older."""
    threads = {mark_key(vault, envelope.channel, envelope.thread.key) for envelope in reading if envelope.thread}
    since = min((envelope.received_at for envelope in reading), default=0) - LENT_LIMIT_S * 1000
    rows = yield from ask_for(LENDERS, list(threads), since)
    said = yield from read_said([row[0] for row in rows])
    kept = []
    for envelope_id, *facts in rows:
        with suppress(Erased, Tampered):  # its hints are lost; what they were lent to is not
            if envelope_id in said:
                kept.append(read_envelope(vault, envelope_id, facts, said[envelope_id]))
    return [Lender(one.channel, one.thread.key, one.received_at, one.hints) for one in kept if one.thread]


# --- register ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Changes:
    """The rows of one batch, gathered so that each statement runs once for all of them."""

    vault: Vault
    now: Millis
    found_by: list[tuple[int, Sequence[str]]] = field(default_factory=list)
    moves: list[Row] = field(default_factory=list)
    given_back: list[Row] = field(default_factory=list)
    dropped: list[Row] = field(default_factory=list)
    opened: list[Row] = field(default_factory=list)
    changed: list[Row] = field(default_factory=list)
    versions: list[Row] = field(default_factory=list)
    duties: list[Row] = field(default_factory=list)
    deadlines: list[Row] = field(default_factory=list)
    history: list[Row] = field(default_factory=list)

    def note(self, subject: str, subject_id: str, event: str, before: str, after: str, detail: str) -> None:
        self.history.append((self.now, subject, subject_id, event, before, after, detail))


_Current = dict[int, tuple[str, int]]
"""Number of the receipt -> (complaint id, version)."""


def register(vault: Vault, results: Sequence[Registered | Moved], now: Millis) -> Plan[list[bool]]:
    """See Store.register. What was claimed and lost only its version becomes claimable again at once."""
    held_claims = {row[0]: row[1:] for row in (yield from ask_for(_CLAIMS, [result.item.id for result in results]))}
    registered = [result for result in results if isinstance(result, Registered)]
    current, busy = yield from _read_current(registered)
    changes = _Changes(vault, now)
    kept = []
    for result in results:
        claim, code = held_claims.pop(result.item.id, (None, ""))
        if claim is None or claim != result.item.claim:
            kept.append(False)
        elif isinstance(result, Moved):
            _move(changes, result.item, result.state, result.code, result.detail, result.due_ms, code)
            kept.append(True)
        elif result.item.number is None:
            # Nothing can be forwarded or answered without a number. Released by a person, it gets one.
            detail = "This was kept without a receipt number but reads as a complaint. Release it to give it one."
            _move(changes, result.item, EnvelopeState.SET_ASIDE, "receipt_missing", detail, 0, code)
            kept.append(True)
        elif _add_version(changes, result, current, busy):
            _move(changes, result.item, EnvelopeState.REGISTERED, "", "", 0, code)
            kept.append(True)
        else:
            changes.dropped.append((result.item.id,))
            kept.append(False)
    yield from _write(changes)
    return kept


def reread(vault: Vault, result: Registered, now: Millis) -> Plan[bool]:
    """See Store.reread: the envelope stays where it is."""
    current, busy = yield from _read_current([result])
    changes = _Changes(vault, now)
    if result.item.number not in current:
        return False
    if not _add_version(changes, result, current, busy):
        return False
    yield from _write(changes)
    return True


def _read_current(results: Sequence[Registered]) -> Plan[tuple[_Current, set[tuple[str, str]]]]:
    """The complaints there are, and at which systems they have unfinished steps."""
    numbers = [result.item.number for result in results if result.item.number is not None]
    current: _Current = {row[0]: (row[1], row[2]) for row in (yield from ask_for(_HOLD_COMPLAINTS, numbers))}
    busy = yield from ask_for(_UNFINISHED, [complaint_id for complaint_id, _ in current.values()])
    return current, {(row[0], row[1]) for row in busy}


def _add_version(changes: _Changes, result: Registered, current: _Current, busy: set[tuple[str, str]]) -> bool:
    """False, and nothing gathered, if the complaint has moved on since the item was claimed."""
    receipt, number = result.item.receipt, result.item.number
    if receipt is None or number is None:
        return False
    complaint_id, version = current.get(number, (result.complaint_id, 0))
    if complaint_id != result.complaint_id or version + 1 != result.version:
        return False
    now = changes.now
    facts = (result.kind.value, result.level.value, result.language, result.branch)
    if version == 0:
        changes.opened.append(
            (complaint_id, receipt, number, result.version, result.item.envelope.channel, *facts, now, now)
        )
    else:
        changes.changed.append((result.version, *facts, now, complaint_id))
    document = seal_document(changes.vault, complaint_id, result.version, result.document)
    changes.versions.append((complaint_id, result.version, result.event.value, now, result.item.id, document))
    before, after = str(version) if version else "", str(result.version)
    changes.note("complaint", complaint_id, _EVENTS[result.event], before, after, result.item.id)
    owed = list(_owe(changes.vault, result, receipt, now, busy))
    changes.duties += owed
    if result.decide_ms is not None and result.event is not Event.REREAD:
        changes.deadlines.append((complaint_id, result.item.envelope.channel, result.decide_ms, None))
    changes.history += [note_birth(row, now) for row in owed]
    changes.found_by.append((number, result.found_by))
    current[number] = (complaint_id, result.version)
    return True


def _owe(vault: Vault, result: Registered, receipt: str, now: Millis, busy: set[tuple[str, str]]) -> Iterable[Row]:
    for duty in result.duties:
        held = False
        if duty.target is Target.SYSTEM:
            at = (result.complaint_id, duty.instance)
            held = at in busy
            busy.add(at)
        yield make_duty_row(
            vault,
            duty,
            complaint_id=result.complaint_id,
            receipt=receipt,
            version=result.version,
            level=result.level,
            held=held,
            now=now,
        )


def _move(
    changes: _Changes, item: InboxItem, state: EnvelopeState, code: str, detail: str, due_ms: int, last_code: str
) -> None:
    sealed = seal_detail(changes.vault, item.id, detail, item.id)
    if state is EnvelopeState.ACCEPTED:
        changes.given_back.append((due_ms, code, sealed, item.id))
        if code != last_code:
            # Not one row per attempt: an envelope may be given back for days.
            changes.note("envelope", item.id, "envelope.later", "accepted", "accepted", code)
        return
    changes.moves.append((state.value, changes.now, code, sealed, item.id))
    changes.note("envelope", item.id, f"envelope.{state.value}", "accepted", state.value, code)


def _write(changes: _Changes) -> Plan[None]:
    yield from put(_MOVE, changes.moves)
    yield from put(_GIVE_BACK, changes.given_back)
    yield from put(_DROP_LEASE, changes.dropped)
    yield from put(_OPEN_COMPLAINT, changes.opened)
    yield from put(_NEXT_VERSION, changes.changed)
    yield from put(_KEEP_VERSION, changes.versions)
    yield from put(OWE, changes.duties)
    yield from note_deadlines(changes.deadlines)
    yield from note_marks(changes.vault, changes.found_by, changes.now)
    yield from put(WRITE_HISTORY, changes.history)
