"""The Store port over Plans: what every SQL engine shares. An Engine brings transactions; this says what is in them."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Protocol, TypeVar

from gateway.contract.clock import Clock, Millis
from gateway.contract.envelope import Accepted, Envelope
from gateway.contract.receipt import Receipt
from gateway.states import EnvelopeState
from gateway.store import (
    asking,
    conserving,
    deciding,
    missing,
    promising,
    redating,
    registering,
    sealing,
    settling,
    telling,
)
from gateway.store.accepting import Call
from gateway.store.chain import Days, DaySum, Head, Move, Seal, Sealed, Sealing, Tally
from gateway.store.numbering import SKIPPED, Numbering, reserve
from gateway.store.plan import Plan, Put, Statement, insert_into
from gateway.store.port import Tell
from gateway.store.rows import (
    AlarmCall,
    Balance,
    Deadlines,
    Duty,
    InboxItem,
    Missing,
    Moved,
    NewDuty,
    Parked,
    Registered,
    Settled,
    Standing,
    Target,
    Trace,
)
from gateway.store.tables import probes

T = TypeVar("T")


class Engine(Protocol):
    """`kind` names the work for kill points. A Plan factory may be called again when a transaction is run again.

    `numbering` is there once it is open.
    """

    numbering: Numbering

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    def accept(self, call: Call, tell: Tell) -> None: ...

    def write(self, kind: str, plan: Callable[[], Plan[T]]) -> Awaitable[T]: ...

    def read(self, plan: Callable[[], Plan[T]]) -> Awaitable[T]:
        """All that a Plan reads is of one moment (on PostgreSQL: REPEATABLE READ), or the books would seem not to
        balance whenever something moves between two statements.
        """


def tell_future(future: "asyncio.Future[T]", outcome: T | Exception) -> None:
    """Nothing, if whoever waited has gone; the commit stands."""
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


_FORGET_PROBE = Statement(probes.delete(), ())
_PROBE = insert_into(probes)


def _probe(now: Millis) -> Plan[None]:
    yield Put(_FORGET_PROBE, [()])
    yield Put(_PROBE, [(1, now)])


class SqlStore:
    """Implements `gateway.store.port.Store`."""

    settle_s: float = 60.0
    """Longer than any transaction may take. An engine with one writer at a time needs none."""

    def __init__(self, engine: Engine, *, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def open(self) -> None:
        await self._engine.open()

    async def close(self) -> None:
        await self._engine.close()

    async def probe(self) -> None:
        now = self._clock.now_ms()
        await self._engine.write("probe", lambda: _probe(now))

    async def accept(
        self, envelopes: Sequence[Envelope], *, cursor: str | None = None, channel: str = ""
    ) -> Sequence[Accepted]:
        future: asyncio.Future[Sequence[Accepted]] = asyncio.get_running_loop().create_future()
        self.accept_soon(envelopes, partial(tell_future, future), cursor=cursor, channel=channel)
        return await future

    def accept_soon(
        self, envelopes: Sequence[Envelope], tell: Tell, *, cursor: str | None = None, channel: str = ""
    ) -> None:
        if cursor is None:
            if envelopes:
                self._engine.accept(Call(envelopes), tell)
            else:
                tell([])
            return
        channels = {envelope.channel for envelope in envelopes} | ({channel} if channel else set())
        if len(channels) != 1:
            raise ValueError("a cursor is committed for one channel: name it, or give envelopes of one channel")
        self._engine.accept(Call(envelopes, (channels.pop(), cursor)), tell)

    async def cursor(self, channel: str) -> str | None:
        return await self._engine.read(lambda: asking.read_cursor(channel))

    async def claim_inbox(self, limit: int, now: Millis, lease_ms: int) -> Sequence[InboxItem]:
        return await self._engine.write("claim", lambda: registering.claim_inbox(limit, now, lease_ms))

    async def register(self, results: Sequence[Registered | Moved], now: Millis) -> Sequence[bool]:
        return await self._engine.write("register", lambda: registering.register(results, now))

    async def claim_duties(
        self, target: Target, instance: str, limit: int, now: Millis, lease_ms: int
    ) -> Sequence[Duty]:
        return await self._engine.write("claim", lambda: settling.claim_duties(target, instance, limit, now, lease_ms))

    async def settle(self, outcomes: Sequence[Settled], now: Millis) -> Sequence[bool]:
        return await self._engine.write("settle", lambda: settling.settle(outcomes, now))

    async def extend(self, duties: Sequence[Duty], now: Millis, lease_ms: int) -> None:
        await self._engine.write("extend", lambda: settling.extend(duties, now, lease_ms))

    async def cancel_warnings(self, receipt: Receipt, by: str, now: Millis) -> int:
        number = self._engine.numbering.read(receipt)
        return await self._engine.write("cancel", lambda: settling.cancel_warnings(number, by, now))

    async def heard(self, channel: str, thread_key: str) -> Millis | None:
        return await self._engine.read(lambda: telling.heard(channel, thread_key))

    async def count_sent(self, address: bytes, instance: str, since: Millis) -> int:
        return await self._engine.read(lambda: telling.count_sent(address, instance, since))

    async def find_sent(self, reference: str) -> Duty | None:
        return await self._engine.read(lambda: telling.find_sent(reference))

    async def delivered(self, duty: Duty, now: Millis) -> None:
        await self._engine.write("settle", lambda: telling.delivered(duty, now))

    async def undelivered(self, duty: Duty, code: str, then: NewDuty | None, now: Millis) -> bool:
        return await self._engine.write("settle", lambda: telling.undelivered(duty, code, then, now))

    async def owe(self, receipt: Receipt, owed: Sequence[NewDuty], now: Millis) -> bool:
        number = self._engine.numbering.read(receipt)
        return await self._engine.write("owe", lambda: telling.owe(receipt, number, owed, now))

    async def trace(self, receipt: Receipt) -> Trace | None:
        number = self._engine.numbering.read(receipt)
        return await self._engine.read(lambda: asking.trace(receipt, number))

    async def find_matter(self, channel: str, thread: str, *, sequential: bool = False) -> Receipt | None:
        return await self._engine.read(lambda: asking.find_matter(channel, thread, sequential=sequential))

    async def find_envelope(self, envelope_id: str) -> InboxItem | None:
        items = await self._engine.read(lambda: registering.read_items([envelope_id], claimed=False))
        return items[0] if items else None

    async def find_kept(self, channel: str, since: Millis, until: Millis, after_id: str, limit: int) -> Sequence[str]:
        return await self._engine.read(lambda: asking.find_kept(channel, since, until, after_id, limit))

    async def count_states(self, ids: Sequence[str]) -> Mapping[EnvelopeState, int]:
        return await self._engine.read(lambda: asking.count_states(ids))

    async def parked(self, limit: int, after_id: str = "") -> Sequence[Parked]:
        return await self._engine.read(lambda: asking.parked(limit, after_id))

    async def release(self, ids: Sequence[str], by: str, now: Millis) -> Sequence[bool]:
        return await self._engine.write("release", lambda: deciding.release(ids, by, now, self._engine.numbering))

    async def dismiss(self, ids: Sequence[str], why: str, by: str, now: Millis) -> Sequence[bool]:
        return await self._engine.write("dismiss", lambda: deciding.dismiss(ids, why, by, now))

    async def reread(self, result: Registered, now: Millis) -> bool:
        return await self._engine.write("register", lambda: registering.reread(result, now))

    async def skip_numbers(self) -> None:
        await self._engine.write("skip", lambda: reserve(SKIPPED))

    async def standings(self) -> Sequence[Standing]:
        return await self._engine.read(asking.standings)

    async def totals(self) -> Sequence[Standing]:
        return await self._engine.read(asking.totals)

    async def newest_move(self) -> int:
        return await self._engine.read(sealing.read_newest)

    async def seal(self, upto: int, how: Sealing, now: Millis) -> Sealed:
        prepared = await self._engine.read(lambda: sealing.prepare(upto, how, now))
        if isinstance(prepared, Sealed):
            return prepared
        if not await self._engine.write("seal", lambda: sealing.append(prepared, how, now)):
            return Sealed(lost=True)
        return Sealed(
            rows=len(prepared.moves),
            late=[move.seq for move in prepared.late],
            day=prepared.day_sum.day if prepared.day_sum else "",
            number=prepared.after.number,
        )

    async def read_head(self) -> Head | None:
        return await self._engine.read(sealing.read_head)

    async def read_seals(self, after: int, limit: int) -> Sequence[Seal]:
        return await self._engine.read(lambda: sealing.read_seals(after, limit))

    async def read_sums(self, after: int, limit: int) -> Sequence[DaySum]:
        return await self._engine.read(lambda: sealing.read_sums(after, limit))

    async def read_moves(self, after: int, upto: int, limit: int) -> Sequence[Move]:
        return await self._engine.read(lambda: sealing.read_moves(after, upto, limit))

    async def read_late(self, block: int) -> Sequence[Move]:
        return await self._engine.read(lambda: sealing.read_late(block))

    async def check_balance(self, days: Days, *, recount: bool = False) -> Balance:
        return await self._engine.read(lambda: conserving.check_balance(days, recount=recount))

    async def read_books(self, days: Days, since: str, until: str) -> Counter[Tally]:
        return await self._engine.read(lambda: conserving.read_books(days, since, until))

    async def read_deadlines(self, now: Millis, within_ms: int) -> Sequence[Deadlines]:
        return await self._engine.read(lambda: promising.read_deadlines(now, within_ms))

    async def read_missing(self, now: Millis, for_ms: int) -> Sequence[Missing]:
        return await self._engine.read(lambda: missing.read_missing(now, for_ms))

    async def decide(self, receipt: Receipt, by: str, now: Millis) -> bool:
        number = self._engine.numbering.read(receipt)
        return await self._engine.write("decide", lambda: promising.decide(number, by, now))

    async def redate(self, now: Millis, lease_ms: int) -> int:
        if not await self._engine.read(lambda: redating.has_misdated(now, lease_ms)):
            return 0
        return await self._engine.write("redate", lambda: redating.redate(now, lease_ms))

    async def note_alarms(self, keys: Collection[str], now: Millis) -> Mapping[str, int]:
        if not keys and not await self._engine.read(promising.has_alarms):
            return {}  # nearly always: nothing is written
        return await self._engine.write("alarm", lambda: promising.note_alarms(keys, now))

    async def read_calls(self) -> Mapping[str, AlarmCall]:
        return await self._engine.read(promising.read_calls)

    async def move_call(self, before: AlarmCall, after: AlarmCall) -> bool:
        return await self._engine.write("alarm", lambda: promising.move_call(before, after))
