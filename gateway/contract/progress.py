"""How far a matter is, asked by the customer in the channel itself (查询): what a channel asks, and what it is told.

Only the person's own matters are told: the one of the asking thread, or one under a number that this thread wrote to.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from gateway.contract.call import Reply
from gateway.contract.clock import Millis
from gateway.contract.receipt import Receipt


class Untold(StrEnum):
    """Why there is nothing to tell: no such matter of this person, or the store could not be asked in time."""

    UNKNOWN = "unknown"
    AWAY = "away"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Nothing personal in it. `steps` are (name, when) in the order they happened, at least one; the names are
    `received`, `supplemented`, `registered`, `forwarded`, `closed`, `withdrawn`, the keys of `[status]` in the texts of
    the pages. `deadline` is the last day of an answer, in the bank's time; None where there is none. `link` opens the
    status page without a question.
    """

    receipt: Receipt
    steps: Sequence[tuple[str, Millis]]
    deadline: date | None
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a channel's `reply` gives where the words hang on how far a matter is. The intake asks the store and calls
    `write`, which must not fail.

    `thread` and `sequential` are those of whoever asks, as in the envelope that is being answered. `receipt` is the number that
    was asked for; None: the latest matter of the thread.
    """

    thread: str
    sequential: bool = False
    receipt: Receipt | None = None
    write: Callable[[Progress | Untold], Reply]
