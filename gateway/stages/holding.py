"""Work that may take longer than its lease stays with its worker."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from gateway.contract.clock import Clock
from gateway.ops.logs import log
from gateway.store.port import Store, StoreUnavailable
from gateway.store.rows import Duty


@asynccontextmanager
async def held(store: Store, duties: Sequence[Duty], clock: Clock, lease_s: float) -> AsyncIterator[None]:
    heart = asyncio.create_task(_beat(store, duties, clock, lease_s))
    try:
        yield
    finally:
        heart.cancel()
        await asyncio.gather(heart, return_exceptions=True)


async def _beat(store: Store, duties: Sequence[Duty], clock: Clock, lease_s: float) -> None:
    while True:
        await asyncio.sleep(lease_s / 3)
        try:
            await store.extend(duties, clock.now_ms(), round(lease_s * 1000))
        except StoreUnavailable as error:
            log.warning("lease.waits_for_store", target=duties[0].target, reason=str(error))
