"""What people decide: set-aside envelopes and parked duties go back to work, or are dismissed. Nothing is deleted."""

from collections.abc import Sequence

from sqlalchemy import bindparam, select, update

from gateway.contract.clock import Millis
from gateway.states import DUTY_MOVES, ENVELOPE_MOVES, DutyState, EnvelopeState
from gateway.store.accepting import WRITE_HISTORY
from gateway.store.missing import dismiss_gaps
from gateway.store.numbering import Numbering, reserve
from gateway.store.plan import Plan, Row, Statement, ask_for, is_in, put
from gateway.store.rows import Target
from gateway.store.settling import DISMISS, HOLD_COMPLAINTS, LET_NEXT_GO, seal_detail
from gateway.store.tables import duties, envelopes, inbox
from gateway.store.vault import Vault

_ENVELOPES = Statement(
    select(inbox.c.id, inbox.c.state, inbox.c.receipt)
    # One that is forgotten can be neither released nor read.
    .join_from(inbox, envelopes, envelopes.c.id == inbox.c.id)
    .where(is_in(inbox.c.id, "ids"))
    .with_for_update(of=inbox),
    ("ids",),
)
_DUTIES = Statement(
    select(
        duties.c.id,
        duties.c.state,
        duties.c.lease_until_ms,
        duties.c.complaint_id,
        duties.c.target,
        duties.c.instance,
    )
    .where(is_in(duties.c.id, "ids"))
    .with_for_update(),
    ("ids",),
)
_RELEASE_ENVELOPE = Statement(
    update(inbox)
    .where(inbox.c.id == bindparam("at_id"))
    .values(
        state=EnvelopeState.ACCEPTED.value,
        since_ms=bindparam("now"),
        due_ms=bindparam("now"),
        lease_until_ms=0,
        attempts=0,
        code="",
        detail=b"",
    ),
    ("now", "at_id"),
)
_NUMBER = Statement(
    update(inbox)
    .where(inbox.c.id == bindparam("at_id"))
    .values(receipt=bindparam("to_receipt"), number=bindparam("to_number")),
    ("to_receipt", "to_number", "at_id"),
)
_DISMISS_ENVELOPE = Statement(
    update(inbox)
    .where(inbox.c.id == bindparam("at_id"))
    .values(
        state=EnvelopeState.DISMISSED.value,
        since_ms=bindparam("now"),
        code="dismissed_by_person",
        detail=bindparam("to_detail"),
    ),
    ("now", "to_detail", "at_id"),
)
_RELEASE_DUTY = Statement(
    update(duties)
    .where(duties.c.id == bindparam("at_id"))
    .values(
        state=DutyState.WAITING.value,
        since_ms=bindparam("now"),
        owed_ms=bindparam("now"),
        due_ms=bindparam("now"),
        lease_until_ms=0,
        attempts=0,
    ),
    ("now", "at_id"),
)


def release(ids: Sequence[str], by: str, now: Millis, numbering: Numbering) -> Plan[list[bool]]:
    """Attempts count from 0 again. An envelope that was kept without a receipt gets one."""
    envelope_rows, duty_rows = yield from _find(ids)
    released: dict[str, Row] = {}
    for envelope_id, state, receipt in envelope_rows:
        if (EnvelopeState(state), EnvelopeState.ACCEPTED) in ENVELOPE_MOVES:
            if receipt is None:
                numbers = yield from reserve(1)
                yield from put(_NUMBER, [(*numbering.write(numbers), *numbers, envelope_id)])
            yield from put(_RELEASE_ENVELOPE, [(now, envelope_id)])
            released[envelope_id] = (now, "envelope", envelope_id, "envelope.released", state, "accepted", f"by {by}")
    for duty_id, state, *_ in duty_rows:
        if (DutyState(state), DutyState.WAITING) in DUTY_MOVES:
            yield from put(_RELEASE_DUTY, [(now, duty_id)])
            released[duty_id] = (now, "duty", duty_id, "duty.released", state, "waiting", f"by {by}")
    yield from put(WRITE_HISTORY, list(released.values()))
    return [subject_id in released for subject_id in ids]


def dismiss(vault: Vault, ids: Sequence[str], why: str, by: str, now: Millis) -> Plan[list[bool]]:
    """Set-aside envelopes, duties that are parked or wait unclaimed, and gaps. The reason stays in the history."""
    envelope_rows, duty_rows = yield from _find(ids)
    note = f"by {by}: {why}"
    dismissed: dict[str, Row] = {}
    for envelope_id, state, _ in envelope_rows:
        if state == EnvelopeState.SET_ASIDE:
            yield from put(_DISMISS_ENVELOPE, [(now, seal_detail(vault, envelope_id, why, envelope_id), envelope_id)])
            dismissed[envelope_id] = (now, "envelope", envelope_id, "envelope.dismissed", state, "dismissed", note)
    for duty_id, state, lease_until_ms, complaint_id, target, instance in duty_rows:
        if (DutyState(state), DutyState.DISMISSED) in DUTY_MOVES and lease_until_ms <= now:
            yield from put(
                DISMISS, [(now, "dismissed_by_person", seal_detail(vault, duty_id, why, complaint_id), duty_id)]
            )
            dismissed[duty_id] = (now, "duty", duty_id, "duty.dismissed", state, "dismissed", note)
            if target == Target.SYSTEM:
                yield from ask_for(HOLD_COMPLAINTS, [complaint_id])
                yield from put(LET_NEXT_GO, [(complaint_id, instance)])
    yield from put(WRITE_HISTORY, list(dismissed.values()))
    gaps = yield from dismiss_gaps(ids, note, now)
    return [subject_id in dismissed or subject_id in gaps for subject_id in ids]


def _find(ids: Sequence[str]) -> Plan[tuple[list[Row], list[Row]]]:
    return (yield from ask_for(_ENVELOPES, ids)), (yield from ask_for(_DUTIES, ids))
