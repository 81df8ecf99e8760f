"""Group commit on PostgreSQL: all callers of a turn of the event loop, and all who wait meanwhile, share a transaction.

One group is under way at a time, as that measured best; a second joins it when a whole group waits, or when the first
takes unusually long (it waits for a row that another node holds). Under load the next group is on its way before the
callers of the last one are told, so that the database works while the event loop tells them and reads what they send next.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Protocol

from gateway.ops.logs import log
from gateway.store.accepting import Call, Outcome
from gateway.store.port import StoreUnavailable, Tell, Told
from gateway.store.postgres_connection import ServerAway

GROUP_LIMIT = 256
"""Calls in one transaction: bounds how long the first of them waits for the last."""
GROUP_BYTES = 16 * 1024 * 1024
ENOUGH = 32
"""Calls that are not kept waiting for more to share their commit: what a commit costs by itself is a tenth of what they do."""
FLIGHTS = 2
PATIENCE_S = 0.05
CAREFUL_GROUPS = 16
"""Groups that look every key up after one in which a known key came again."""


class _Job:
    __slots__ = ("call", "outcome", "size", "tell")

    def __init__(self, call: Call, tell: Tell) -> None:
        self.call = call
        self.tell = tell
        self.size = sum([len(envelope.raw) for envelope in call.envelopes])
        self.outcome: Told | None = None


class Keep(Protocol):
    """Keeps calls in one transaction, in hope or without (see accepting.keep); without, it is run again where it
    collided. `hurried`: gives up soon (StoreUnavailable) where it would have to wait for a row.
    """

    def __call__(self, calls: Sequence[Call], *, hopeful: bool, hurried: bool) -> Awaitable[Sequence[Outcome]]: ...


class GroupCommit:
    def __init__(self, keep: Keep, queue_limit: int) -> None:
        self._keep = keep
        self._queue_limit = queue_limit
        self._waiting: list[_Job] = []
        self._accepting = 0
        self._groups_without_hope = 0
        self._flights: set[asyncio.Task[None]] = set()
        self._launched_at = 0.0
        self._turn_is_marked = False
        self._last_count = 0
        self._open = False

    def start(self) -> None:
        self._open = True

    async def stop(self) -> None:
        """Commits what is queued."""
        self._open = False
        while self._flights or self._waiting:
            self._launch()
            await asyncio.wait(self._flights)
        await asyncio.sleep(0)  # until the last are told

    def accept(self, call: Call, tell: Tell) -> None:
        if not self._open:
            tell(StoreUnavailable("the store is not open"))
            return
        if self._accepting >= self._queue_limit:
            tell(StoreUnavailable("too many are waiting for their commit", after_s=1))
            return
        self._accepting += 1
        self._waiting.append(_Job(call, tell))
        self._launch_soon()

    def _launch_soon(self) -> None:
        if not self._turn_is_marked:
            self._turn_is_marked = True
            asyncio.get_running_loop().call_soon(self._end_turn, 0)

    def _end_turn(self, seen: int) -> None:
        """With enough, or in a turn of the loop in which nobody came: who comes in the next turn had better share the commit
        than wait for it. A caller who was alone the last time is not kept.
        """
        count = len(self._waiting)
        if not self._flights and self._last_count > 1 and seen < count < ENOUGH:
            asyncio.get_running_loop().call_soon(self._end_turn, count)
            return
        self._turn_is_marked = False
        self._launch()

    def _launch(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting and self._may_fly(loop.time()):
            self._launched_at = loop.time()
            flight = loop.create_task(self._fly(self._take_group()), name="store.group")
            self._flights.add(flight)
            flight.add_done_callback(self._land)

    def _may_fly(self, now: float) -> bool:
        if not self._flights:
            return True
        late = now - self._launched_at >= PATIENCE_S
        return len(self._flights) < FLIGHTS and (late or len(self._waiting) >= GROUP_LIMIT)

    def _take_group(self) -> list[_Job]:
        count = size = 0
        for job in self._waiting[:GROUP_LIMIT]:
            size += job.size
            if count and size > GROUP_BYTES:
                break
            count += 1
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        self._last_count = count
        return group

    def _land(self, flight: asyncio.Task[None]) -> None:
        self._flights.discard(flight)
        if self._waiting:
            self._launch_soon()

    async def _fly(self, group: Sequence[_Job]) -> None:
        """This group, and as long as enough wait when one is committed, the next."""
        loop = asyncio.get_running_loop()
        while group:
            self._launched_at = loop.time()
            loop.call_later(PATIENCE_S, self._launch)
            try:
                await self._commit(group)
            finally:
                # In the next turn of the loop: until then the next group is on its way.
                loop.call_soon(self._tell, group)
            # Half of it is here already; the rest comes while these are on their way.
            goes_on = len(self._flights) == 1 and len(self._waiting) >= ENOUGH // 2
            group = self._take_group() if goes_on else ()

    def _tell(self, group: Sequence[_Job]) -> None:
        for job in group:
            self._accepting -= 1
            try:
                job.tell(StoreUnavailable("the store was stopped") if job.outcome is None else job.outcome)
            except Exception:  # a bug of one caller's must not leave the others waiting
                log.exception("store.told_in_vain", kind="accept")

    async def _commit(self, group: Sequence[_Job]) -> None:
        hurried = False
        if self._groups_without_hope:
            self._groups_without_hope -= 1
        else:
            try:
                await self._attempt(group, hopeful=True)
            except ServerAway as error:
                _fail(group, error)
                return
            except Exception as error:
                # A sender that repeats itself rarely does so once.
                self._groups_without_hope = CAREFUL_GROUPS
                hurried = isinstance(error, StoreUnavailable)
            else:
                return
        await self._commit_carefully(group, hurried=hurried)

    async def _commit_carefully(self, group: Sequence[_Job], *, hurried: bool = False) -> None:
        try:
            await self._attempt(group, hurried=hurried)
        except ServerAway as error:
            _fail(group, error)
        except Exception as error:
            if len(group) == 1:
                _fail(group, error)
                return
            # One of them cannot be done, or waits for a row that somebody holds: halve until it is alone, so that its
            # neighbours do not suffer.
            half = len(group) // 2
            hurried = hurried or isinstance(error, StoreUnavailable)
            await self._commit_carefully(group[:half], hurried=hurried)
            await self._commit_carefully(group[half:], hurried=hurried)

    async def _attempt(self, group: Sequence[_Job], *, hopeful: bool = False, hurried: bool = False) -> None:
        outcomes = await self._keep([job.call for job in group], hopeful=hopeful, hurried=hurried)
        for job, outcome in zip(group, outcomes, strict=True):
            job.outcome = outcome


def _fail(group: Sequence[_Job], error: Exception) -> None:
    for job in group:
        job.outcome = error
