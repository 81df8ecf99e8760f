"""Time at the edges of the house: aware datetimes outside, integer milliseconds UTC in the store."""

from datetime import UTC, datetime
from typing import NewType, Protocol

Millis = NewType("Millis", int)
"""Milliseconds since the Unix epoch, UTC."""


class Clock(Protocol):
    """Where every stage takes the time from, so that a test can move it."""

    def now_ms(self) -> Millis: ...


def to_millis(moment: datetime) -> Millis:
    """Aware datetime -> milliseconds. Naive values are refused: a time without zone is a guess."""
    if moment.tzinfo is None:
        raise ValueError("a time needs its zone")
    return Millis(int(moment.timestamp() * 1000))


def to_datetime(millis: int) -> datetime:
    return datetime.fromtimestamp(millis / 1000, UTC)
