"""Promises that are kept in tables of their own: by when a complaint must be decided, and which alarms stand."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Integer, bindparam, case, delete, func, select, update

from gateway.contract.clock import Millis
from gateway.store.accepting import WRITE_HISTORY
from gateway.store.plan import Ask, Plan, Row, Statement, ask_for, insert_into, is_in, put
from gateway.store.rows import AlarmCall, Deadlines
from gateway.store.tables import alarm_calls, alarms, complaints, deadlines

DEADLINE_LIMIT = 10_000
"""Deadlines looked at: where nobody ever says that something is decided, they grow without end."""

UNSEEN_MS = 60_000
"""How long nobody must have seen an alarm for it to count as solved: another node may see what this one does not."""

_KEEP_DEADLINE = insert_into(deadlines)
_KNOWN_DEADLINES = Statement(select(deadlines.c.complaint_id).where(is_in(deadlines.c.complaint_id, "ids")), ("ids",))
_near = (
    select(deadlines.c.channel, deadlines.c.decide_ms)
    .where(deadlines.c.decided_ms.is_(None), deadlines.c.decide_ms <= bindparam("until"))
    .order_by(deadlines.c.decide_ms)
    .limit(bindparam("limit", type_=Integer))
    .subquery("near")
)
NEAR_DEADLINES = Statement(
    select(
        _near.c.channel,
        func.count(),
        func.sum(case((_near.c.decide_ms <= bindparam("now"), 1), else_=0)),
        func.min(_near.c.decide_ms),
    ).group_by(_near.c.channel),
    ("until", "limit", "now"),
)
_COMPLAINT = Statement(
    select(complaints.c.id, deadlines.c.decided_ms, deadlines.c.complaint_id)
    .outerjoin(deadlines, deadlines.c.complaint_id == complaints.c.id)
    .where(complaints.c.number == bindparam("number")),
    ("number",),
)
_DECIDE = Statement(
    update(deadlines).where(deadlines.c.complaint_id == bindparam("at_id")).values(decided_ms=bindparam("now")),
    ("now", "at_id"),
)
_ALARMS = Statement(select(*alarms.c), ())
_RAISE = insert_into(alarms)
_SEE = Statement(
    update(alarms).where(alarms.c.key == bindparam("at_key")).values(seen_ms=bindparam("now")), ("now", "at_key")
)
_SOLVE = Statement(delete(alarms).where(alarms.c.key == bindparam("at_key")), ("at_key",))
_CALLS = Statement(select(*alarm_calls.c), ())
_CALL = Statement(
    select(*alarm_calls.c).where(alarm_calls.c.recipient == bindparam("recipient")).with_for_update(), ("recipient",)
)
_OPEN_CALL = insert_into(alarm_calls)
_MOVE_CALL = Statement(
    update(alarm_calls)
    .where(alarm_calls.c.recipient == bindparam("at_recipient"))
    .values(told_ms=bindparam("to_told"), due_ms=bindparam("to_due"), attempts=bindparam("to_attempts")),
    ("to_told", "to_due", "to_attempts", "at_recipient"),
)


# --- deadlines -----------------------------------------------------------------------------------------------------


def note_deadlines(rows: Sequence[Row]) -> Plan[None]:
    """Of a complaint that has one already the first one stays: the clock runs from what came first."""
    known = {row[0] for row in (yield from ask_for(_KNOWN_DEADLINES, [row[0] for row in rows]))}
    fresh = {row[0]: row for row in reversed(rows) if row[0] not in known}
    yield from put(_KEEP_DEADLINE, list(fresh.values()))


def read_deadlines(now: Millis, within_ms: int) -> Plan[list[Deadlines]]:
    """Per channel, what is undecided and must be decided before `now + within_ms`."""
    rows = yield Ask(NEAR_DEADLINES, (now + within_ms, DEADLINE_LIMIT, now))
    return [
        Deadlines(channel=channel, approaching=count - passed, passed=passed, first_ms=first_ms)
        for channel, count, passed, first_ms in rows
    ]


def decide(number: int, by: str, now: Millis) -> Plan[bool]:
    """See Store.decide; `number` is the receipt's."""
    rows = yield Ask(_COMPLAINT, (number,))
    if not rows or rows[0][1] is not None:
        return False
    complaint_id, _, has_deadline = rows[0]
    if has_deadline is None:
        return False
    yield from put(_DECIDE, [(now, complaint_id)])
    yield from put(WRITE_HISTORY, [(now, "complaint", complaint_id, "complaint.closed", "", "closed", f"by {by}")])
    return True


# --- alarms --------------------------------------------------------------------------------------------------------


def has_alarms() -> Plan[bool]:
    return bool((yield Ask(_ALARMS)))


def note_alarms(keys: Collection[str], now: Millis) -> Plan[Mapping[str, int]]:
    """See Store.note_alarms."""
    known = {row[0]: (row[1], row[2]) for row in (yield Ask(_ALARMS))}
    yield from put(_RAISE, [(key, now, now) for key in sorted(keys) if key not in known])
    yield from put(_SEE, [(now, key) for key in sorted(keys) if key in known])
    gone = [key for key, (_, seen_ms) in known.items() if key not in keys and not 0 <= now - seen_ms < UNSEEN_MS]
    yield from put(_SOLVE, [(key,) for key in sorted(gone)])
    # A time still to come is of a clock that ran ahead.
    return {key: min(known[key][0], now) if key in known else now for key in keys}


def read_calls() -> Plan[dict[str, AlarmCall]]:
    return {row[0]: AlarmCall(*row) for row in (yield Ask(_CALLS))}


def move_call(before: AlarmCall, after: AlarmCall) -> Plan[bool]:
    """False, and nothing changed, if somebody else moved it."""
    rows = yield Ask(_CALL, (before.recipient,))
    if (AlarmCall(*rows[0]) if rows else AlarmCall(before.recipient)) != before:
        return False
    if rows:
        yield from put(_MOVE_CALL, [(after.told_ms, after.due_ms, after.attempts, after.recipient)])
    else:
        yield from put(_OPEN_CALL, [(after.recipient, after.told_ms, after.due_ms, after.attempts)])
    return True
