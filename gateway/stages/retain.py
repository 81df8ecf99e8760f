"""Room for the months to come; and what can never be read again takes none any longer."""

import asyncio

from gateway.contract.clock import Clock
from gateway.ops.logs import log
from gateway.store.blobs import Blobs
from gateway.store.port import Store

EVERY_S = 3600.0


class Retain:
    def __init__(self, store: Store, blobs: Blobs, clock: Clock) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock

    async def work(self) -> int:
        for month in await self._store.make_months(self._clock.now_ms()):
            log.info("month.made", month=month)
        for key in await self._store.read_month_keys():
            if key.destroyed_ms is not None and await asyncio.to_thread(self._blobs.forget, key.month):
                log.info("month.files_removed", month=key.month)
        return 0
