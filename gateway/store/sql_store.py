"""The Store port over Plans: what every SQL engine shares. An Engine brings transactions; this says what is in them."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Protocol, TypeVar

from config.load import SettingsError
from gateway.contract.clock import Clock, Millis
from gateway.contract.envelope import Accepted, Envelope
from gateway.contract.receipt import Receipt
from gateway.states import EnvelopeState
from gateway.store import (
    asking,
    conserving,
    deciding,
    finding,
    forgetting,
    missing,
    promising,
    redating,
    registering,
    sealing,
    settling,
    telling,
)
from gateway.store.accepting import Call
from gateway.store.chain import Days, DaySum, Head, Move, Seal, Sealed, Sealing, Signer, Tally
from gateway.store.months import find_time
from gateway.store.numbering import SKIPPED, Numbering, reserve
from gateway.store.plan import Plan, Put, Statement, insert_into
from gateway.store.port import StoreUnavailable, Tell
from gateway.store.rows import (
    FILE,
    AlarmCall,
    Balance,
    Deadlines,
    Duty,
    Found,
    InboxItem,
    KeptMonth,
    Missing,
    MonthKey,
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
from gateway.store.vault import MARKS, KeyringLacks, KeyUnknown, Tampered, Vault, name_month, read_keys_kept

T = TypeVar("T")

UNKNOWN_MONTHS = 8
"""Whose keys one batch may lack; each is made, and the batch run again."""
FILE_MARK_BYTES = 32
KEYS_EVERY_S = 300.0
"""How long a key that was destroyed may stay in the memory of another process."""


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

    async def make_months(self, now: Millis) -> list[str]: ...

    async def drop_month(self, month: str) -> dict[str, int]:
        """What can be dropped of it as a whole, unless something holds it (then that is returned)."""


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

    def __init__(self, engine: Engine, vault: Vault, *, clock: Clock) -> None:
        self._engine = engine
        self._vault = vault
        self._clock = clock
        self._keys_read_at = 0.0
        self._later: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        await self._engine.open()
        if self._vault.is_closed:
            return
        try:
            await self._fetch_keyring()
            await self._read_keys()
        except BaseException:
            await self._engine.close()
            raise

    async def close(self) -> None:
        await self._engine.close()

    async def _read_keys(self, *wanted: int) -> None:
        """Raises StoreUnavailable. Keys that this moment lacks are made, and those of `wanted` months, in a commit of their
        own.
        """
        now = self._clock.now_ms()
        self._keys_read_at = time.monotonic()
        await self._load_keys()
        if wanted or self._vault.lacks(now):
            # A new key is sealed with the newest master key there is.
            await self._fetch_keyring()
            await self._engine.write("key", lambda: self._vault.plan_make(now, *wanted))
            await self._load_keys()

    async def _fetch_keyring(self) -> None:
        """Raises StoreUnavailable: a running gateway whose key file is gone tells its callers to come again."""
        try:
            await asyncio.to_thread(self._vault.fetch_keyring)
        except SettingsError as error:
            raise StoreUnavailable(str(error)) from None

    async def _load_keys(self) -> None:
        try:
            await self._engine.read(self._vault.plan_load)
        except KeyringLacks:
            # The master key was renewed; this machine may have been given the new one meanwhile.
            await self._fetch_keyring()
            await self._engine.read(self._vault.plan_load)

    async def look_after_keys(self) -> None:
        if not self._vault.is_closed and time.monotonic() - self._keys_read_at > KEYS_EVERY_S:
            await self._read_keys()

    async def _write(self, kind: str, plan: Callable[[], Plan[T]]) -> T:
        await self.look_after_keys()
        for _ in range(UNKNOWN_MONTHS):
            try:
                return await self._engine.write(kind, plan)
            except KeyUnknown as error:
                await self._read_keys(error.month)
        return await self._engine.write(kind, plan)

    async def _read(self, plan: Callable[[], Plan[T]]) -> T:
        await self.look_after_keys()
        try:
            return await self._engine.read(plan)
        except KeyUnknown:
            await self._read_keys()
            return await self._engine.read(plan)

    async def _accept_later(self, call: Call, tell: Tell) -> None:
        try:
            await self._read_keys()
        except Exception as error:
            tell(error)
        else:
            self._engine.accept(call, tell)

    async def wrap(self, value: bytes, about: str, matter: str) -> bytes:
        await self.look_after_keys()
        try:
            return self._vault.seal(value, about, find_time(matter))
        except KeyUnknown as error:
            await self._read_keys(error.month)
        return self._vault.seal(value, about, find_time(matter))

    async def unwrap(self, sealed: bytes, about: str) -> bytes:
        await self.look_after_keys()
        try:
            return self._vault.unseal(sealed, about)
        except KeyUnknown:
            await self._read_keys()
        try:
            return self._vault.unseal(sealed, about)
        except KeyUnknown:
            raise Tampered(f"{about} is sealed with a key that this store never had") from None

    def mark(self, value: bytes) -> bytes:
        return self._vault.mark(value, FILE_MARK_BYTES)

    async def probe(self) -> None:
        now = self._clock.now_ms()
        await self._write("probe", lambda: _probe(now))

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
                self._accept(Call(envelopes), tell)
            else:
                tell([])
            return
        channels = {envelope.channel for envelope in envelopes} | ({channel} if channel else set())
        if len(channels) != 1:
            raise ValueError("a cursor is committed for one channel: name it, or give envelopes of one channel")
        self._accept(Call(envelopes, (channels.pop(), cursor)), tell)

    def _accept(self, call: Call, tell: Tell) -> None:
        if self._vault.can_seal(self._clock.now_ms()):
            self._engine.accept(call, tell)
            return
        # The first of a month that nobody made ready for: the clock was moved, or this process slept for months.
        task = asyncio.create_task(self._accept_later(call, tell))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def cursor(self, channel: str) -> str | None:
        return await self._read(lambda: asking.read_cursor(channel))

    async def claim_inbox(self, limit: int, now: Millis, lease_ms: int) -> Sequence[InboxItem]:
        return await self._write("claim", lambda: registering.claim_inbox(self._vault, limit, now, lease_ms))

    async def register(self, results: Sequence[Registered | Moved], now: Millis) -> Sequence[bool]:
        return await self._write("register", lambda: registering.register(self._vault, results, now))

    async def claim_duties(
        self, target: Target, instance: str, limit: int, now: Millis, lease_ms: int
    ) -> Sequence[Duty]:
        return await self._write(
            "claim", lambda: settling.claim_duties(self._vault, target, instance, limit, now, lease_ms)
        )

    async def settle(self, outcomes: Sequence[Settled], now: Millis) -> Sequence[bool]:
        return await self._write("settle", lambda: settling.settle(self._vault, outcomes, now))

    async def extend(self, duties: Sequence[Duty], now: Millis, lease_ms: int) -> None:
        await self._write("extend", lambda: settling.extend(duties, now, lease_ms))

    async def cancel_warnings(self, receipt: Receipt, by: str, now: Millis) -> int:
        number = self._engine.numbering.read(receipt)
        return await self._write("cancel", lambda: settling.cancel_warnings(number, by, now))

    async def heard(self, channel: str, thread_key: str) -> Millis | None:
        return await self._read(lambda: telling.heard(self._vault, channel, thread_key))

    async def count_sent(self, address: bytes, instance: str, since: Millis) -> int:
        return await self._read(lambda: telling.count_sent(address, instance, since))

    async def find_sent(self, reference: str) -> Duty | None:
        return await self._read(lambda: telling.find_sent(self._vault, reference))

    async def delivered(self, duty: Duty, now: Millis) -> None:
        await self._write("settle", lambda: telling.delivered(duty, now))

    async def undelivered(self, duty: Duty, code: str, then: NewDuty | None, now: Millis) -> bool:
        return await self._write("settle", lambda: telling.undelivered(self._vault, duty, code, then, now))

    async def owe(self, receipt: Receipt, owed: Sequence[NewDuty], now: Millis) -> bool:
        number = self._engine.numbering.read(receipt)
        return await self._write("owe", lambda: telling.owe(self._vault, receipt, number, owed, now))

    async def trace(self, receipt: Receipt) -> Trace | None:
        number = self._engine.numbering.read(receipt)
        return await self._read(lambda: asking.trace(self._vault, receipt, number))

    async def find_matter(self, channel: str, thread: str, *, sequential: bool = False) -> Receipt | None:
        return await self._read(lambda: asking.find_matter(self._vault, channel, thread, sequential=sequential))

    async def find_envelope(self, envelope_id: str) -> InboxItem | None:
        return await self._read(lambda: registering.read_item(self._vault, envelope_id))

    async def find_kept(self, channel: str, since: Millis, until: Millis, after_id: str, limit: int) -> Sequence[str]:
        return await self._read(lambda: asking.find_kept(channel, since, until, after_id, limit))

    async def count_states(self, ids: Sequence[str]) -> Mapping[EnvelopeState, int]:
        return await self._read(lambda: asking.count_states(ids))

    async def parked(self, limit: int, after_id: str = "") -> Sequence[Parked]:
        return await self._read(lambda: asking.parked(self._vault, limit, after_id))

    async def find(self, values: Sequence[str]) -> Sequence[Found]:
        return await self._read(lambda: finding.find(self._vault, values))

    async def release(self, ids: Sequence[str], by: str, now: Millis) -> Sequence[bool]:
        return await self._write("release", lambda: deciding.release(ids, by, now, self._engine.numbering))

    async def dismiss(self, ids: Sequence[str], why: str, by: str, now: Millis) -> Sequence[bool]:
        return await self._write("dismiss", lambda: deciding.dismiss(self._vault, ids, why, by, now))

    async def reread(self, result: Registered, now: Millis) -> bool:
        return await self._write("register", lambda: registering.reread(self._vault, result, now))

    async def skip_numbers(self) -> None:
        await self._write("skip", lambda: reserve(SKIPPED))

    async def read_month_keys(self) -> Sequence[MonthKey]:
        rows = await self._engine.read(read_keys_kept)
        return [
            MonthKey(month="" if m == MARKS else name_month(m), version=v, made_ms=at, destroyed_ms=gone)
            for m, v, at, gone in rows
        ]

    async def rewrap_keys(self) -> int:
        await self._fetch_keyring()
        return await self._engine.write("key", self._vault.plan_rewrap)

    async def sign_again(self, signer: Signer) -> str:
        return await self._engine.write("seal", lambda: sealing.sign_again(signer))

    async def standings(self) -> Sequence[Standing]:
        return await self._read(asking.standings)

    async def totals(self) -> Sequence[Standing]:
        return await self._read(asking.totals)

    async def make_months(self, now: Millis) -> Sequence[str]:
        return await self._engine.make_months(now)

    async def find_months(self, before: str) -> Sequence[str]:
        return await self._engine.read(lambda: forgetting.find_months(before))

    async def look_at_month(self, month: str) -> KeptMonth:
        return await self._engine.read(lambda: forgetting.look_at_month(month))

    async def find_files(self, month: str, after: str, limit: int) -> Sequence[str]:
        found = await self._engine.read(lambda: forgetting.find_files(month, f"{FILE}{after}", limit))
        return [reference.removeprefix(FILE) for reference in found]

    async def forget(self, month: KeptMonth, by: str, now: Millis) -> Mapping[str, int]:
        holds = await self._engine.drop_month(month.name)
        for step in (forgetting.forget_complaints, forgetting.forget_envelopes):
            after, is_over = "", False
            while not holds and not is_over:
                holds, after = await self._engine.write("forget", partial(step, month.name, after))
                is_over = not after
        if not holds:
            await self._engine.write("forget", lambda: forgetting.note_forgotten(month, by, now))
        return holds

    async def newest_move(self) -> int:
        return await self._read(sealing.read_newest)

    async def seal(self, upto: int, how: Sealing, now: Millis) -> Sealed:
        prepared = await self._read(lambda: sealing.prepare(self._vault, upto, how, now))
        if isinstance(prepared, Sealed):
            return prepared
        if not await self._write("seal", lambda: sealing.append(prepared, how, now)):
            return Sealed(lost=True)
        return Sealed(
            rows=len(prepared.moves),
            late=[move.seq for move in prepared.late],
            day=prepared.day_sum.day if prepared.day_sum else "",
            number=prepared.after.number,
        )

    async def read_head(self) -> Head | None:
        return await self._read(sealing.read_head)

    async def read_seals(self, after: int, limit: int) -> Sequence[Seal]:
        return await self._read(lambda: sealing.read_seals(after, limit))

    async def read_sums(self, after: int, limit: int) -> Sequence[DaySum]:
        return await self._read(lambda: sealing.read_sums(after, limit))

    async def read_moves(self, after: int, upto: int, limit: int) -> Sequence[Move]:
        return await self._read(lambda: sealing.read_moves(after, upto, limit))

    async def read_late(self, block: int) -> Sequence[Move]:
        return await self._read(lambda: sealing.read_late(block))

    async def check_balance(self, days: Days, *, recount: bool = False) -> Balance:
        return await self._read(lambda: conserving.check_balance(days, recount=recount))

    async def read_books(self, days: Days, since: str, until: str) -> Counter[Tally]:
        return await self._read(lambda: conserving.read_books(days, since, until))

    async def read_deadlines(self, now: Millis, within_ms: int) -> Sequence[Deadlines]:
        return await self._read(lambda: promising.read_deadlines(now, within_ms))

    async def read_missing(self, now: Millis, for_ms: int) -> Sequence[Missing]:
        return await self._read(lambda: missing.read_missing(now, for_ms))

    async def decide(self, receipt: Receipt, by: str, now: Millis) -> bool:
        number = self._engine.numbering.read(receipt)
        return await self._write("decide", lambda: promising.decide(number, by, now))

    async def redate(self, now: Millis, lease_ms: int) -> int:
        if not await self._read(lambda: redating.has_misdated(now, lease_ms)):
            return 0
        return await self._write("redate", lambda: redating.redate(now, lease_ms))

    async def note_alarms(self, keys: Collection[str], now: Millis) -> Mapping[str, int]:
        if not keys and not await self._read(promising.has_alarms):
            return {}  # nearly always: nothing is written
        return await self._write("alarm", lambda: promising.note_alarms(keys, now))

    async def read_calls(self) -> Mapping[str, AlarmCall]:
        return await self._read(promising.read_calls)

    async def move_call(self, before: AlarmCall, after: AlarmCall) -> bool:
        return await self._write("alarm", lambda: promising.move_call(before, after))
