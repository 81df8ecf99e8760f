"""The outbox: claiming duties in order, and committing what became of them."""

from collections.abc import Sequence

import uuid_utils
from sqlalchemy import Integer, and_, bindparam, case, delete, false, or_, select, true, update

from gateway.contract.clock import Millis
from gateway.contract.ports import Event, Purpose
from gateway.contract.receipt import Receipt
from gateway.contract.verdict import Level
from gateway.states import DutyState
from gateway.store.accepting import WRITE_HISTORY
from gateway.store.months import find_time
from gateway.store.plan import Ask, Plan, Row, Statement, ask_for, insert_into, is_in, put, word
from gateway.store.rows import Duty, NewDuty, Settled, Target
from gateway.store.tables import complaint_versions, complaints, duties, tickets
from gateway.store.vault import CLOSED, Erased, Tampered, Vault

WAITING = duties.c.state == word(DutyState.WAITING)
PARKED = duties.c.state == word(DutyState.PARKED)

READY = Statement(
    select(duties.c.due_ms, duties.c.id)
    .where(
        WAITING,
        duties.c.target == bindparam("target"),
        duties.c.instance == bindparam("instance"),
        duties.c.held == false(),
        duties.c.due_ms <= bindparam("now"),
        duties.c.lease_until_ms <= bindparam("now"),
    )
    .order_by(duties.c.due_ms, duties.c.id)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(of=duties, skip_locked=True),
    ("target", "instance", "now", "limit"),
)
_CLAIM = Statement(
    update(duties)
    .where(duties.c.id == bindparam("at_id"))
    .values(
        lease_until_ms=bindparam("until"),
        claim=duties.c.claim + 1,
        attempts=duties.c.attempts + 1,
        # A lease that lapsed unsettled: its worker died, and what it did is unknown.
        uncertain=case((duties.c.lease_until_ms > 0, true()), else_=duties.c.uncertain),
    ),
    ("until", "at_id"),
)
_DUTIES = Statement(
    select(
        duties.c.id,
        duties.c.claim,
        duties.c.target,
        duties.c.instance,
        duties.c.step,
        duties.c.event,
        duties.c.to,
        duties.c.complaint_id,
        duties.c.receipt,
        duties.c.version,
        duties.c.level,
        duties.c.attempts,
        duties.c.uncertain,
        tickets.c.ticket,
        duties.c.created_ms,
        duties.c.address,
    )
    .select_from(
        duties.outerjoin(
            tickets, and_(tickets.c.complaint_id == duties.c.complaint_id, tickets.c.instance == duties.c.instance)
        )
    )
    .where(is_in(duties.c.id, "ids")),
    ("ids",),
)
_DOCUMENTS = Statement(
    select(duties.c.id, complaint_versions.c.document)
    .join_from(
        duties,
        complaint_versions,
        and_(
            complaint_versions.c.complaint_id == duties.c.complaint_id,
            complaint_versions.c.version == duties.c.version,
        ),
    )
    # Known by the duties; said, so that PostgreSQL opens no other partitions.
    .where(
        is_in(duties.c.id, "ids"), complaint_versions.c.complaint_id.between(bindparam("oldest"), bindparam("newest"))
    ),
    ("ids", "oldest", "newest"),
)
_CLAIMS = Statement(
    select(duties.c.id, duties.c.claim, duties.c.code, duties.c.uncertain)
    .where(is_in(duties.c.id, "ids"), WAITING)
    .with_for_update(),
    ("ids",),
)
_SETTLE = Statement(
    update(duties)
    .where(duties.c.id == bindparam("at_id"))
    .values(
        state=bindparam("to_state"),
        since_ms=bindparam("now"),
        due_ms=bindparam("to_due"),
        lease_until_ms=0,
        uncertain=bindparam("to_uncertain"),
        code=bindparam("to_code"),
        detail=bindparam("to_detail"),
        reference=bindparam("to_reference"),
        done_ms=bindparam("to_done"),
    ),
    ("to_state", "now", "to_due", "to_uncertain", "to_code", "to_detail", "to_reference", "to_done", "at_id"),
)
_behind = duties.alias("behind")
LET_NEXT_GO = Statement(
    update(duties)
    .where(
        duties.c.id
        == select(_behind.c.id)
        .where(
            _behind.c.complaint_id == bindparam("of_complaint"),
            _behind.c.target == word(Target.SYSTEM),
            _behind.c.instance == bindparam("of_instance"),
            _behind.c.state.in_([word(DutyState.WAITING), word(DutyState.PARKED)]),
        )
        .order_by(_behind.c.version, _behind.c.id)
        .limit(1)
        .scalar_subquery()
    )
    .values(held=False),
    ("of_complaint", "of_instance"),
)
HOLD_COMPLAINTS = Statement(
    select(complaints.c.id).where(is_in(complaints.c.id, "ids")).order_by(complaints.c.id).with_for_update(), ("ids",)
)
"""Before LET_NEXT_GO: a version that is just being registered may plan a step behind the one that finishes here."""
_FORGET_TICKET = Statement(
    delete(tickets).where(
        tickets.c.complaint_id == bindparam("of_complaint"), tickets.c.instance == bindparam("of_instance")
    ),
    ("of_complaint", "of_instance"),
)
_LEARN_TICKET = insert_into(tickets)
OWE = insert_into(duties)
_EXTEND = Statement(
    update(duties)
    .where(WAITING, duties.c.id == bindparam("at_id"), duties.c.claim == bindparam("at_claim"))
    .values(lease_until_ms=bindparam("until")),
    ("until", "at_id", "at_claim"),
)
_WARNINGS = Statement(
    select(duties.c.id)
    .join_from(duties, complaints, complaints.c.id == duties.c.complaint_id)
    .where(
        complaints.c.number == bindparam("number"),
        WAITING,
        duties.c.target == word(Target.NOTICE),
        or_(duties.c.step == word(Purpose.WARNING), duties.c.step.like(word(f"{Purpose.WARNING}:%"))),
    )
    .with_for_update(of=duties),
    ("number",),
)
DISMISS = Statement(
    update(duties)
    .where(duties.c.id == bindparam("at_id"))
    .values(
        state=DutyState.DISMISSED.value,
        since_ms=bindparam("now"),
        # A worker that still holds it is made powerless.
        claim=duties.c.claim + 1,
        lease_until_ms=0,
        code=bindparam("to_code"),
        detail=bindparam("to_detail"),
        done_ms=bindparam("now"),
    ),
    ("now", "to_code", "to_detail", "at_id"),
)


def claim_duties(
    vault: Vault, target: Target, instance: str, limit: int, now: Millis, lease_ms: int
) -> Plan[list[Duty]]:
    """What does not open is parked: a row that was tampered with must not hold up its neighbours."""
    ids = [row[1] for row in (yield Ask(READY, (target.value, instance, now, limit)))]
    yield from put(_CLAIM, [(now + lease_ms, duty_id) for duty_id in ids])
    found = yield from _read_duties(vault, ids)
    closed = {duty_id: error for duty_id, error in found.items() if not isinstance(error, Duty)}
    state = DutyState.PARKED.value
    details = {duty_id: seal_detail(vault, duty_id, str(error), duty_id) for duty_id, error in closed.items()}
    yield from put(_SETTLE, [(state, now, now, False, CLOSED, details[each], "", None, each) for each in closed])
    yield from put(WRITE_HISTORY, [(now, "duty", each, "duty.parked", "waiting", state, CLOSED) for each in closed])
    return [duty for duty in found.values() if isinstance(duty, Duty)]


def read_duty(vault: Vault, duty_id: str) -> Plan[Duty | None]:
    """None where it is forgotten. Raises as Vault.unseal does."""
    found = (yield from _read_duties(vault, [duty_id])).get(duty_id)
    if isinstance(found, Exception):
        raise found
    return found


def _read_duties(vault: Vault, ids: Sequence[str]) -> Plan[dict[str, Duty | Exception]]:
    """In the order of `ids`; what is forgotten is left out."""
    rows = {row[0]: row for row in (yield from ask_for(_DUTIES, ids))}
    complaint_ids = sorted(row[7] for row in rows.values()) or [""]
    documents: dict[str, bytes] = dict((yield from ask_for(_DOCUMENTS, ids, complaint_ids[0], complaint_ids[-1])))
    found: dict[str, Duty | Exception] = {}
    for duty_id in ids:
        if duty_id in documents:
            try:
                found[duty_id] = _read_duty(vault, rows[duty_id], documents[duty_id])
            except (Erased, Tampered) as error:
                found[duty_id] = error
    return found


def _read_duty(vault: Vault, row: Row, document: bytes) -> Duty:
    return Duty(
        id=row[0],
        claim=row[1],
        target=Target(row[2]),
        instance=row[3],
        step=row[4],
        event=Event(row[5]),
        to=vault.unseal_text(row[6], f"to/{row[0]}"),
        complaint_id=row[7],
        receipt=Receipt(row[8]),
        version=row[9],
        level=Level(row[10]),
        attempts=row[11],
        uncertain=bool(row[12]),
        ticket=row[13],
        created_ms=row[14],
        address=row[15],
        document=unseal_document(vault, row[7], row[9], document),
    )


def make_duty_row(
    vault: Vault, duty: NewDuty, *, complaint_id: str, receipt: str, version: int, level: Level, held: bool, now: Millis
) -> Row:
    """A new row of `duties`, in the order of its columns."""
    duty_id = uuid_utils.uuid7().hex
    return (
        duty_id,
        complaint_id,
        receipt,
        version,
        level.value,
        duty.target.value,
        duty.instance,
        duty.step,
        duty.event.value,
        vault.seal_text(duty.to, f"to/{duty_id}", find_time(complaint_id)),
        DutyState.WAITING.value,
        held,
        now,
        duty.due_ms,
        duty.due_ms,
        0,
        0,
        0,
        False,
        "",
        b"",
        "",
        now,
        None,
        vault.mark(duty.address) if duty.address else None,
    )


def seal_detail(vault: Vault, subject_id: str, detail: str, matter_id: str) -> bytes:
    """Of an envelope or a duty. It is forgotten with its matter, so it is sealed with the key of the matter's month."""
    return vault.seal_text(detail, f"detail/{subject_id}", find_time(matter_id))


def unseal_detail(vault: Vault, subject_id: str, sealed: bytes) -> str:
    return vault.unseal_text(sealed, f"detail/{subject_id}")


def seal_document(vault: Vault, complaint_id: str, version: int, document: bytes) -> bytes:
    return vault.seal(document, f"document/{complaint_id}/{version}", find_time(complaint_id))


def unseal_document(vault: Vault, complaint_id: str, version: int, sealed: bytes) -> bytes:
    return vault.unseal(sealed, f"document/{complaint_id}/{version}")


def note_birth(row: Row, now: Millis) -> Row:
    """The history of a row made by `make_duty_row`: what is owed can be counted from the history alone."""
    return (now, "duty", row[0], "duty.owed", "", DutyState.WAITING.value, "")


def settle(vault: Vault, outcomes: Sequence[Settled], now: Millis) -> Plan[list[bool]]:
    claims = {row[0]: row[1:] for row in (yield from ask_for(_CLAIMS, [outcome.duty.id for outcome in outcomes]))}
    settled: list[Row] = []
    moves: list[Row] = []
    learnt: dict[tuple[str, str], str] = {}
    finished: set[tuple[str, str]] = set()
    born: list[Row] = []
    kept = []
    for outcome in outcomes:
        duty = outcome.duty
        claim, last_code, uncertain = claims.pop(duty.id, (None, "", False))
        good = claim is not None and claim == duty.claim
        kept.append(good)
        if not good:
            continue
        later = outcome.state is DutyState.WAITING
        done = outcome.state in (DutyState.DONE, DutyState.DISMISSED)
        settled.append(
            (
                outcome.state.value,
                now,
                outcome.due_ms,
                not done and bool(uncertain or outcome.uncertain),
                outcome.code,
                seal_detail(vault, duty.id, outcome.detail, duty.complaint_id),
                outcome.reference,
                now if done else None,
                duty.id,
            )
        )
        # Not one row per attempt: a system may be down for days.
        if not later or outcome.code != last_code:
            event = "duty.later" if later else f"duty.{outcome.state.value}"
            moves.append((now, "duty", duty.id, event, "waiting", outcome.state.value, outcome.code))
        at = (duty.complaint_id, duty.instance)
        if outcome.ticket is not None:
            learnt[at] = outcome.ticket
        if done and duty.target is Target.SYSTEM:
            finished.add(at)
        if outcome.then is not None:
            born.append(
                make_duty_row(
                    vault,
                    outcome.then,
                    complaint_id=duty.complaint_id,
                    receipt=duty.receipt,
                    version=duty.version,
                    level=duty.level,
                    held=False,
                    now=now,
                )
            )
    yield from put(_SETTLE, settled)
    yield from put(_FORGET_TICKET, list(learnt))
    yield from put(_LEARN_TICKET, [(*at, ticket, now) for at, ticket in learnt.items()])
    yield from ask_for(HOLD_COMPLAINTS, sorted({complaint_id for complaint_id, _ in finished}))
    yield from put(LET_NEXT_GO, list(finished))
    yield from put(OWE, born)
    yield from put(WRITE_HISTORY, [*moves, *(note_birth(row, now) for row in born)])
    return kept


def extend(held: Sequence[Duty], now: Millis, lease_ms: int) -> Plan[None]:
    yield from put(_EXTEND, [(now + lease_ms, duty.id, duty.claim) for duty in held])


def cancel_warnings(number: int, by: str, now: Millis) -> Plan[int]:
    ids: list[str] = [row[0] for row in (yield Ask(_WARNINGS, (number,)))]
    # Asked again until nothing is new: one that was just being told may have left the next of its ladder.
    while len(again := (yield Ask(_WARNINGS, (number,)))) > len(ids):
        ids = [row[0] for row in again]
    yield from put(DISMISS, [(now, "acknowledged", b"", duty_id) for duty_id in ids])
    yield from put(
        WRITE_HISTORY,
        [(now, "duty", duty_id, "duty.dismissed", "waiting", "dismissed", f"acknowledged by {by}") for duty_id in ids],
    )
    return len(ids)
