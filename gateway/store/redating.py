"""Work that waits for a moment which only a wrong clock could have named.

A machine whose clock ran hours ahead for a while dates retries and leases in those hours; once it is right again, that
work would wait for them. Nothing comes into its state in the future, and no lease is longer than the setting: what says
so is due now.
"""

from sqlalchemy import Integer, Table, bindparam, case, or_, select, true, update

from gateway.contract.clock import Millis
from gateway.states import DutyState, EnvelopeState
from gateway.store.plan import Ask, Plan, Statement, put, word
from gateway.store.tables import duties, inbox

AHEAD_MS = 60_000
"""So far the clocks of two nodes may differ before this is taken for a mistake."""
LIMIT = 1_000
"""Rows at once; the next sweep takes the others."""


def _find(table: Table, state: str, *, hold: bool) -> Statement:
    found = (
        select(table.c.id)
        .where(
            table.c.state == word(state),
            or_(table.c.since_ms > bindparam("latest"), table.c.lease_until_ms > bindparam("latest_lease")),
        )
        .limit(bindparam("limit", type_=Integer))
    )
    return Statement(
        found.with_for_update(of=table, skip_locked=True) if hold else found, ("latest", "latest_lease", "limit")
    )


# A lapsed lease stays one: what its worker did is unknown.
_LAPSE = {table: case((table.c.lease_until_ms > 0, 1), else_=0) for table in (inbox, duties)}
_ENVELOPES = {hold: _find(inbox, EnvelopeState.ACCEPTED, hold=hold) for hold in (False, True)}
_DUTIES = {hold: _find(duties, DutyState.WAITING, hold=hold) for hold in (False, True)}
_REDATE_ENVELOPE = Statement(
    update(inbox)
    .where(inbox.c.id == bindparam("at_id"))
    .values(since_ms=bindparam("now"), due_ms=bindparam("now"), lease_until_ms=_LAPSE[inbox]),
    ("now", "at_id"),
)
_REDATE_DUTY = Statement(
    update(duties)
    .where(duties.c.id == bindparam("at_id"))
    .values(
        since_ms=bindparam("now"),
        due_ms=bindparam("now"),
        owed_ms=case((duties.c.owed_ms > bindparam("now"), bindparam("now")), else_=duties.c.owed_ms),
        lease_until_ms=_LAPSE[duties],
        uncertain=case((duties.c.lease_until_ms > 0, true()), else_=duties.c.uncertain),
    ),
    ("now", "at_id"),
)


def redate(now: Millis, lease_ms: int) -> Plan[int]:
    """Returns how many rows were due later than anything can be."""
    values = (now + AHEAD_MS, now + lease_ms + AHEAD_MS, LIMIT)
    envelopes_found = yield Ask(_ENVELOPES[True], values)
    duties_found = yield Ask(_DUTIES[True], values)
    yield from put(_REDATE_ENVELOPE, [(now, row[0]) for row in envelopes_found])
    yield from put(_REDATE_DUTY, [(now, row[0]) for row in duties_found])
    return len(envelopes_found) + len(duties_found)


def has_misdated(now: Millis, lease_ms: int) -> Plan[bool]:
    """The same question, for a reader: nearly always there is nothing to write."""
    values = (now + AHEAD_MS, now + lease_ms + AHEAD_MS, 1)
    return bool((yield Ask(_ENVELOPES[False], values)) or (yield Ask(_DUTIES[False], values)))
