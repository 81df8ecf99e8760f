"""Forgetting a month: what customers said in it goes, what was done with it stays.

A matter belongs to the month of its complaint's id, which is that of its first envelope. Gone are the month's envelopes,
its complaints' versions, and the addresses in its duties. What stays holds no personal data: source keys, numbers,
states, tickets, and the history; so the same push is still known, the books still balance and the chain still holds.

A month is held while something of it is unfinished. Every transaction asks again, as a supplement may have come.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, Integer, and_, bindparam, case, delete, func, or_, select, update

from gateway.contract.clock import Millis
from gateway.states import DutyState, EnvelopeState
from gateway.store.finding import drop_marks
from gateway.store.months import bounds, find_month_of
from gateway.store.plan import Ask, Plan, Statement, ask_for, insert_into, is_in, put, word
from gateway.store.rows import KeptMonth, Target
from gateway.store.settling import PARKED, WAITING
from gateway.store.tables import complaint_versions, complaints, deadlines, duties, envelopes, history, inbox, numbering
from gateway.store.vault import destroy_key

BITE = 500
"""Envelopes or complaints forgotten in one transaction: some milliseconds in which nobody else writes."""
FORGOTTEN = "month.forgotten"

_RANGE = ("first", "end")
_IN_HAND = (
    # Each in the words of a partial index.
    inbox.c.state == word(EnvelopeState.ACCEPTED),
    inbox.c.state == word(EnvelopeState.SET_ASIDE),
)


def _in_month(column: ColumnElement[str]) -> ColumnElement[bool]:
    return and_(column >= bindparam("first"), column < bindparam("end"))


_FIRST_FROM = Statement(select(func.min(inbox.c.id)).where(inbox.c.id >= bindparam("first")), ("first",))
_FORGOTTEN = Statement(
    select(history.c.subject_id).where(is_in(history.c.subject_id, "months"), history.c.event == word(FORGOTTEN)),
    ("months",),
)
_COUNT_ENVELOPES = Statement(select(func.count()).where(_in_month(inbox.c.id)), _RANGE)
_COUNT_COMPLAINTS = Statement(select(func.count()).where(_in_month(complaints.c.id)), _RANGE)

HOLDS: Mapping[str, Sequence[Statement]] = {
    "envelopes not finished": [
        Statement(select(func.count()).where(state, _in_month(inbox.c.id)), _RANGE) for state in _IN_HAND
    ],
    # What is registered next is read together with all that came before it.
    "supplements not registered": [
        Statement(
            select(func.count(inbox.c.id.distinct()))
            .join_from(inbox, complaints, complaints.c.number == inbox.c.number)
            .join(complaint_versions, complaint_versions.c.complaint_id == complaints.c.id)
            .where(
                state,
                or_(_in_month(complaint_versions.c.complaint_id), _in_month(complaint_versions.c.envelope_id)),
            ),
            _RANGE,
        )
        for state in _IN_HAND
    ],
    "duties not done": [
        Statement(select(func.count()).where(state, _in_month(duties.c.complaint_id)), _RANGE)
        for state in (WAITING, PARKED)
    ],
    "decisions not told": [
        Statement(
            select(func.count()).where(deadlines.c.decided_ms.is_(None), _in_month(deadlines.c.complaint_id)), _RANGE
        )
    ],
    # Of older months that are held themselves; the others have no versions any more.
    "supplements of older complaints still kept": [
        Statement(
            select(func.count()).where(
                complaint_versions.c.complaint_id < bindparam("first"), _in_month(complaint_versions.c.envelope_id)
            ),
            _RANGE,
        )
    ],
}
"""What holds a month, in words, and how much there is of it."""

_bite = bindparam("limit", type_=Integer)
_NEXT_COMPLAINTS = Statement(
    select(complaints.c.id)
    .where(_in_month(complaints.c.id), complaints.c.id > bindparam("after"))
    .order_by(complaints.c.id)
    .limit(_bite),
    (*_RANGE, "after", "limit"),
)
_NEXT_ENVELOPES = Statement(
    select(inbox.c.id).where(_in_month(inbox.c.id), inbox.c.id > bindparam("after")).order_by(inbox.c.id).limit(_bite),
    (*_RANGE, "after", "limit"),
)
_DROP_VERSIONS = Statement(delete(complaint_versions).where(is_in(complaint_versions.c.complaint_id, "ids")), ("ids",))
_DROP_ENVELOPES = Statement(delete(envelopes).where(is_in(envelopes.c.id, "ids")), ("ids",))
_collected = duties.c.target == word(Target.COLLECT)
_CLEAR_DUTIES = Statement(
    update(duties)
    .where(
        is_in(duties.c.complaint_id, "ids"),
        or_(
            duties.c.to != b"",
            duties.c.detail != b"",
            duties.c.address.is_not(None),
            and_(_collected, duties.c.reference != ""),
        ),
    )
    .values(to=b"", detail=b"", address=None, reference=case((_collected, ""), else_=duties.c.reference)),
    ("ids",),
)
# In the words of the index.
_KEPT_FILE = and_(_collected, duties.c.state == word(DutyState.DONE))
_other = duties.alias("other")
FILES = Statement(
    select(duties.c.reference)
    .where(
        _KEPT_FILE,
        duties.c.reference > bindparam("after"),
        _in_month(duties.c.complaint_id),
        ~select(_other.c.id)
        .where(
            _other.c.target == word(Target.COLLECT),
            _other.c.state == word(DutyState.DONE),
            _other.c.reference == duties.c.reference,
            or_(_other.c.complaint_id < bindparam("first"), _other.c.complaint_id >= bindparam("end")),
        )
        .exists(),
    )
    .distinct()
    .order_by(duties.c.reference)
    .limit(_bite),
    (*_RANGE, "after", "limit"),
)
_TAKE_TURNS = Statement(select(numbering.c.id).with_for_update(), ())
_NOTE = insert_into(history, "seq", subject="month", event=FORGOTTEN, before="kept", after="forgotten")


def find_months(before: str) -> Plan[list[str]]:
    """The months before this one of which something is kept, oldest first."""
    found: list[str] = []
    first = ""
    while (oldest := (yield Ask(_FIRST_FROM, (first,)))[0][0]) is not None:
        month = find_month_of(oldest)
        if month >= before:
            break
        found.append(month)
        _, first = bounds(month)
    forgotten = {row[0] for row in (yield from ask_for(_FORGOTTEN, found))}
    return [month for month in found if month not in forgotten]


def look_at_month(month: str) -> Plan[KeptMonth]:
    within = bounds(month)
    envelopes_there = (yield Ask(_COUNT_ENVELOPES, within))[0][0]
    complaints_there = (yield Ask(_COUNT_COMPLAINTS, within))[0][0]
    holds = yield from find_holds(month)
    return KeptMonth(name=month, envelopes=envelopes_there, complaints=complaints_there, holds=holds)


def find_holds(month: str) -> Plan[dict[str, int]]:
    """What holds a month; nothing if it may be forgotten."""
    found: dict[str, int] = {}
    for name, statements in HOLDS.items():
        for statement in statements:
            count = (yield Ask(statement, bounds(month)))[0][0]
            if count:
                found[name] = found.get(name, 0) + count
    return found


def find_files(month: str, after: str, limit: int) -> Plan[list[str]]:
    """References of collected files that no complaint of another month has, in order, page by page."""
    return [row[0] for row in (yield Ask(FILES, (*bounds(month), after, limit)))]


def forget_complaints(month: str, after: str) -> Plan[tuple[dict[str, int], str]]:
    """(what holds the month, the last complaint of this bite). Both empty: all are forgotten."""
    holds = yield from find_holds(month)
    if holds:
        return holds, ""
    ids = [row[0] for row in (yield Ask(_NEXT_COMPLAINTS, (*bounds(month), after, BITE)))]
    if ids:
        yield Ask(_DROP_VERSIONS, (ids,))
        yield Ask(_CLEAR_DUTIES, (ids,))
    return {}, ids[-1] if ids else ""


def forget_envelopes(month: str, after: str) -> Plan[tuple[dict[str, int], str]]:
    """As above."""
    holds = yield from find_holds(month)
    if holds:
        return holds, ""
    ids = [row[0] for row in (yield Ask(_NEXT_ENVELOPES, (*bounds(month), after, BITE)))]
    if ids:
        yield Ask(_DROP_ENVELOPES, (ids,))
    return {}, ids[-1] if ids else ""


def note_forgotten(month: KeptMonth, by: str, now: Millis) -> Plan[None]:
    """Once, however many nodes come to it. What was sealed in this month opens nowhere any more, in a backup neither if that
    has no copy of its key.
    """
    yield Ask(_TAKE_TURNS)
    if not (yield from ask_for(_FORGOTTEN, [month.name])):
        yield from destroy_key(month.name, now)
        yield from drop_marks(month.name)
        detail = f"{month.envelopes} envelopes, {month.complaints} complaints, by {by}"
        yield from put(_NOTE, [(now, month.name, detail)])
