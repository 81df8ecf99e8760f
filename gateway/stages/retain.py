"""Room for the months to come, and an end for those that were kept long enough."""

from collections.abc import AsyncIterator

from gateway.contract.clock import Clock
from gateway.ops.logs import log
from gateway.store.blobs import Blobs
from gateway.store.months import count_back, find_month
from gateway.store.port import Store
from gateway.store.rows import KeptMonth

EVERY_S = 3600.0
_PAGE = 500


def say_holds(month: KeptMonth) -> str:
    return ", ".join(f"{count} {name}" for name, count in month.holds.items())


class Retain:
    """`keep_months`: how long a month is kept after its end; 0: for ever. `by`: who forgets, for the history."""

    def __init__(self, store: Store, clock: Clock, blobs: Blobs, *, keep_months: int, by: str = "sweep") -> None:
        self._store = store
        self._clock = clock
        self._blobs = blobs
        self._keep_months = keep_months
        self._by = by

    async def work(self) -> int:
        for name in await self._store.make_months(self._clock.now_ms()):
            log.info("month.made", month=name)
        async for due in self.find_due():
            month = await self.forget(due)
            if month.holds:
                log.warning("month.held", month=month.name, holds=say_holds(month))
            else:
                log.info("month.forgotten", month=month.name, envelopes=month.envelopes, complaints=month.complaints)
        return 0

    async def find_due(self) -> AsyncIterator[KeptMonth]:
        """Months that were kept long enough, oldest first, with what holds them now."""
        if self._keep_months:
            before = count_back(find_month(self._clock.now_ms()), self._keep_months)
            for name in await self._store.find_months(before):
                yield await self._store.look_at_month(name)

    async def forget(self, month: KeptMonth) -> KeptMonth:
        """The month as it is then: held, or forgotten. Its files go first: if this is broken off, the month is still
        there and tells which they were.
        """
        if month.holds:
            return month
        last = ""
        while files := await self._store.find_files(month.name, last, _PAGE):
            for name in files:
                await self._blobs.remove(name)
            last = files[-1]
        holds = await self._store.forget(month, self._by, self._clock.now_ms())
        return KeptMonth(name=month.name, envelopes=month.envelopes, complaints=month.complaints, holds=holds)
