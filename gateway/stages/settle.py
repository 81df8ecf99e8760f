"""What becomes of an attempt: done, later or parked; and how long later is.

A system of record is never given up. Parked is only what would fail again with the same input, or a bug after many
attempts: both wait for a person and are never deleted.
"""

import random

from gateway.contract.clock import Millis
from gateway.contract.errors import AdapterError, AlreadyThere, Misconfigured, Rejected, TryLater, Unreadable
from gateway.contract.ports import Delivered
from gateway.states import DutyState
from gateway.store.rows import Duty, Settled
from normalizers.secret import remove_secrets

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 300.0
MISCONFIGURED_PAUSE_S = 60.0
BUG_CEILING = 12
"""Attempts after which a failure without a name is parked (about half an hour)."""


def settle(duty: Duty, outcome: Delivered | Exception, now: Millis) -> Settled:
    """An outcome of an attempt -> the move to commit. Anything that is no AdapterError counts as a bug."""
    match outcome:
        case Delivered():
            return Settled(duty=duty, state=DutyState.DONE, ticket=outcome.ticket, reference=outcome.reference)
        case AlreadyThere():
            return Settled(duty=duty, state=DutyState.DONE, code=outcome.code, ticket=outcome.ticket)
        case Rejected() | Unreadable():
            return Settled(duty=duty, state=DutyState.PARKED, code=outcome.code, detail=_clean(outcome))
        case TryLater():
            pause = max(find_pause(duty.attempts), outcome.after_s)
            return _later(duty, outcome, pause, now, uncertain=duty.uncertain or outcome.uncertain)
        case Misconfigured():
            pause = max(find_pause(duty.attempts), MISCONFIGURED_PAUSE_S)
            return _later(duty, outcome, pause, now, uncertain=duty.uncertain)
        case AdapterError():
            return Settled(duty=duty, state=DutyState.PARKED, code=outcome.code, detail=_clean(outcome))
        case _:
            code = f"bug_{type(outcome).__name__}"
            if duty.attempts >= BUG_CEILING:
                return Settled(duty=duty, state=DutyState.PARKED, code=code)
            return _later(duty, TryLater(code), find_pause(duty.attempts), now, uncertain=True)


def find_pause(attempts: int) -> float:
    """Seconds before the next attempt: doubling from one second to five minutes, half of it random."""
    full = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(attempts, 20))
    return full / 2 + random.uniform(0, full / 2)  # noqa: S311 - spreading load, not secrecy


def _later(duty: Duty, error: AdapterError, pause_s: float, now: Millis, *, uncertain: bool) -> Settled:
    return Settled(
        duty=duty,
        state=DutyState.WAITING,
        code=error.code,
        detail=_clean(error),
        uncertain=uncertain,
        due_ms=now + round(pause_s * 1000),
    )


def _clean(error: AdapterError) -> str:
    """A detail says what to do and holds nothing personal; that of a careless adapter must not hold a secret at least."""
    return remove_secrets(error.detail).text
