"""The states of the house and the moves between them. Every move is a compare-and-set and leaves one history row.

Leases are two columns, not a state: a worker that died needs no repair, its lease just lapses.
"""

from enum import StrEnum


class EnvelopeState(StrEnum):
    """An accepted envelope. accepted = registered + set_aside + dismissed, once nothing is in flight."""

    ACCEPTED = "accepted"
    REGISTERED = "registered"
    SET_ASIDE = "set_aside"
    DISMISSED = "dismissed"


class DutyState(StrEnum):
    """A duty of the outbox: one step at one system, or one notice. owed = done + waiting + parked + dismissed."""

    WAITING = "waiting"
    DONE = "done"
    PARKED = "parked"
    DISMISSED = "dismissed"


ENVELOPE_MOVES: frozenset[tuple[EnvelopeState, EnvelopeState]] = frozenset(
    {
        (EnvelopeState.ACCEPTED, EnvelopeState.REGISTERED),
        (EnvelopeState.ACCEPTED, EnvelopeState.SET_ASIDE),
        (EnvelopeState.ACCEPTED, EnvelopeState.DISMISSED),
        (EnvelopeState.SET_ASIDE, EnvelopeState.ACCEPTED),  # released: read again
        (EnvelopeState.SET_ASIDE, EnvelopeState.DISMISSED),
        (EnvelopeState.DISMISSED, EnvelopeState.ACCEPTED),  # a person found that it was a complaint after all
    }
)

DUTY_MOVES: frozenset[tuple[DutyState, DutyState]] = frozenset(
    {
        (DutyState.WAITING, DutyState.DONE),
        (DutyState.WAITING, DutyState.PARKED),
        (DutyState.WAITING, DutyState.DISMISSED),
        (DutyState.PARKED, DutyState.WAITING),  # released: tried again
        (DutyState.PARKED, DutyState.DISMISSED),
    }
)

NEWS_MOVES: frozenset[tuple[DutyState, DutyState]] = frozenset(
    {
        (DutyState.DONE, DutyState.DISMISSED),  # a notice the other side took did not arrive: the next way is tried
        (DutyState.DONE, DutyState.PARKED),  # the same, and there is no next way
    }
)
"""Moves that only news from the other side makes, never a person."""
