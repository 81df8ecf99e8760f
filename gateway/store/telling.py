"""Notices to customers: what went where, what became of it, and owing one more."""

from collections.abc import Sequence

from sqlalchemy import and_, bindparam, func, select, update

from gateway.contract.clock import Millis
from gateway.contract.receipt import Receipt
from gateway.contract.verdict import Level
from gateway.states import DutyState
from gateway.store.accepting import WRITE_HISTORY, mark_key
from gateway.store.plan import Ask, Plan, Statement, put, word
from gateway.store.rows import Duty, NewDuty, Target
from gateway.store.settling import OWE, make_duty_row, note_birth, read_duty
from gateway.store.tables import complaint_versions, complaints, duties, threads
from gateway.store.vault import Vault

# In the words of the indexes, or they would not be used.
_SENT = (duties.c.address.is_not(None), duties.c.state == word(DutyState.DONE))

_HEARD = Statement(select(threads.c.last_ms).where(threads.c.key == bindparam("key")), ("key",))
_COUNT = Statement(
    select(func.count()).where(
        *_SENT,
        duties.c.address == bindparam("address"),
        duties.c.instance == bindparam("instance"),
        duties.c.done_ms >= bindparam("since"),
    ),
    ("address", "instance", "since"),
)
_FIND = Statement(
    select(duties.c.id).where(*_SENT, duties.c.reference == bindparam("reference")).order_by(duties.c.id).limit(1),
    ("reference",),
)
_LOCK = Statement(
    select(duties.c.id)
    .where(duties.c.id == bindparam("at_id"), duties.c.state == word(DutyState.DONE))
    .with_for_update(),
    ("at_id",),
)
_MOVE = Statement(
    update(duties)
    .where(duties.c.id == bindparam("at_id"))
    .values(state=bindparam("to_state"), since_ms=bindparam("now"), code=bindparam("to_code")),
    ("to_state", "now", "to_code", "at_id"),
)
_COMPLAINT = Statement(
    select(complaints.c.id, complaints.c.version, complaints.c.level)
    # One that is forgotten has none.
    .join_from(
        complaints,
        complaint_versions,
        and_(
            complaint_versions.c.complaint_id == complaints.c.id, complaint_versions.c.version == complaints.c.version
        ),
    )
    .where(complaints.c.number == bindparam("number"))
    .with_for_update(of=complaints),
    ("number",),
)


def heard(vault: Vault, channel: str, thread_key: str) -> Plan[Millis | None]:
    rows = yield Ask(_HEARD, (mark_key(vault, channel, thread_key),))
    return rows[0][0] if rows else None


def count_sent(address: bytes, instance: str, since: Millis) -> Plan[int]:
    rows = yield Ask(_COUNT, (address, instance, since))
    return int(rows[0][0])


def find_sent(vault: Vault, reference: str) -> Plan[Duty | None]:
    rows = yield Ask(_FIND, (reference,))
    return (yield from read_duty(vault, rows[0][0])) if rows else None


def delivered(duty: Duty, now: Millis) -> Plan[None]:
    if (yield Ask(_LOCK, (duty.id,))):
        yield from put(WRITE_HISTORY, [(now, "duty", duty.id, "duty.delivered", "done", "done", "")])


def undelivered(vault: Vault, duty: Duty, code: str, then: NewDuty | None, now: Millis) -> Plan[bool]:
    if not (yield Ask(_LOCK, (duty.id,))):
        return False
    state = DutyState.DISMISSED if then else DutyState.PARKED
    yield from put(_MOVE, [(state.value, now, code, duty.id)])
    yield from put(WRITE_HISTORY, [(now, "duty", duty.id, "duty.undelivered", "done", state.value, code)])
    if then is not None:
        row = make_duty_row(
            vault,
            then,
            complaint_id=duty.complaint_id,
            receipt=duty.receipt,
            version=duty.version,
            level=duty.level,
            held=False,
            now=now,
        )
        yield from put(OWE, [row])
        yield from put(WRITE_HISTORY, [note_birth(row, now)])
    return True


def owe(vault: Vault, receipt: Receipt, number: int, owed: Sequence[NewDuty], now: Millis) -> Plan[bool]:
    found = yield Ask(_COMPLAINT, (number,))
    if not found:
        return False
    complaint_id, version, level = found[0]
    rows = [
        make_duty_row(
            vault,
            duty,
            complaint_id=complaint_id,
            receipt=receipt,
            version=version,
            level=Level(level),
            held=False,
            now=now,
        )
        for duty in owed
        if duty.target is not Target.SYSTEM
    ]
    yield from put(OWE, rows)
    yield from put(WRITE_HISTORY, [note_birth(row, now) for row in rows])
    return True
