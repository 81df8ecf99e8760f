"""Places where a test may kill the process, to prove that nothing acknowledged is ever lost.

`HUIYIN_KILL_AT="accept.before_commit:3"` in the environment kills the process with SIGKILL at the third pass of that
point (the first, without a number). Read once at import; unset, `point` is an empty function.
"""

import os
import signal
from collections.abc import Callable

POINTS = (
    "accept.before_begin",
    "accept.after_insert",
    "accept.before_commit",
    "accept.after_commit",
    "claim.before_commit",
    "claim.after_commit",
    "register.before_commit",
    "register.after_commit",
    "forward.before_deliver",
    "forward.after_deliver",
    "notify.before_send",
    "notify.after_send",
    "collect.after_keep",
    "settle.before_commit",
    "settle.after_commit",
    "seal.before_commit",
    "seal.after_commit",
)


def _pass(name: str) -> None:
    """Nothing happens here."""


def _arm(order: str) -> Callable[[str], None]:
    target, _, number = order.partition(":")
    if target not in POINTS:
        raise ValueError(f"HUIYIN_KILL_AT names no kill point: {target!r}; there are: {', '.join(POINTS)}")
    remaining = int(number or 1)

    def kill_at(name: str) -> None:
        nonlocal remaining
        if name == target:
            remaining -= 1
            if remaining == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return kill_at


_order = os.environ.get("HUIYIN_KILL_AT", "")
point: Callable[[str], None] = _arm(_order) if _order else _pass
