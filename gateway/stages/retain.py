"""Room for the months to come."""

from gateway.contract.clock import Clock
from gateway.ops.logs import log
from gateway.store.port import Store

EVERY_S = 3600.0


class Retain:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def work(self) -> int:
        for month in await self._store.make_months(self._clock.now_ms()):
            log.info("month.made", month=month)
        return 0
