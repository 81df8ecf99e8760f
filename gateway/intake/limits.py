"""How often one address may call the pages that anybody may open."""

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from gateway.contract.errors import Refused


class PublicLimit:
    """Per process and in memory on purpose: a limiter that needs a store could stop the intake when that is away."""

    def __init__(self, per_minute: int) -> None:
        self._item = RateLimitItemPerMinute(per_minute)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def check(self, remote: str) -> None:
        """Raises Refused `too_many_calls` (429)."""
        if not self._limiter.hit(self._item, remote):
            raise Refused(
                "too_many_calls", "Too many calls from this address. Please wait a minute.", status=429, after_s=60
            )
