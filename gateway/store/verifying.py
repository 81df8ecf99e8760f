"""Checking the chain from its beginning, or from a daily sum, to its head: in order, a page at a time.

Trusts nothing that it reads: whoever can change a row can change the seals, the sums and the head as well, and only
what is signed with the key, or was exported and kept elsewhere, stands against that.
"""

import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import orjson

from gateway.contract.clock import to_datetime
from gateway.store.chain import (
    BLOCK_ROWS,
    GENESIS,
    LATE_ROWS,
    Counts,
    Days,
    DaySum,
    Head,
    Move,
    Seal,
    Signer,
    count_moves,
    find_digest,
    read_gaps,
    to_json,
    write_checks,
    write_row,
)
from gateway.store.port import Store, StoreUnavailable

T = TypeVar("T")
PAGE = 2_000
LOWEST = -(2**63)
SHOW_EVERY = 50


class Broken(Exception):
    """The first link that does not hold, in plain words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What holds. `unsealed`: rows behind the head, which no block proves yet. `unsummed`: the first day whose sum is
    still to come. `anchored`: the day whose signed sum the check began from; empty: from the first row.
    """

    blocks: int = 0
    rows: int = 0
    late: int = 0
    sums: int = 0
    unsealed: int = 0
    unsummed: str = ""
    anchored: str = ""
    number: int = 0
    digest: bytes = GENESIS


@dataclass(frozen=True, slots=True)
class _Start:
    """Where the walk begins: behind a block, its last row, its digest, and the sum that names them."""

    number: int = 0
    last_seq: int = 0
    digest: bytes = GENESIS
    sums: int = 0
    summed: int = 0
    sum_signature: str = ""
    day: str = ""


async def verify_chain(
    store: Store,
    signer: Signer | None,
    days: Days,
    *,
    since: str = "",
    until: str = "",
    show: Callable[[int, int], None] = lambda _done, _all: None,
) -> Verified:
    """`since` and `until` are days (inclusive) of daily sums; empty: from the first row, to the head.

    Without a `signer` signatures are not looked at. `show` gets the blocks checked and how many there are.
    Raises Broken.
    """
    head = await store.read_head()
    if head is None:
        if await store.read_seals(LOWEST, 1) or await store.read_sums(LOWEST, 1):
            raise Broken("The head of the chain is gone, but there are blocks or sums.")
        return Verified(unsealed=await _count_unsealed(store, 0))
    if signer and (fault := signer.find_fault(head.to_message(), head.signature)):
        raise Broken(f"The head of the chain {fault}.")
    start = await _find_start(store, signer, since)
    walk = _Walk(store, signer, days, head, start, until)
    await walk.go(show)
    verified = walk.verified
    if until:
        return verified
    now = await store.read_head()
    if now == head and await store.read_seals(head.number, 1):
        raise Broken(f"Block {head.number + 1} stands behind the head of the chain, which is block {head.number}.")
    if now == head and await store.read_sums(head.sums, 1):
        raise Broken(f"There are more daily sums than the {head.sums} that the head of the chain knows.")
    return replace(verified, unsealed=await _count_unsealed(store, head.last_seq), unsummed=head.day)


async def _find_start(store: Store, signer: Signer | None, since: str) -> _Start:
    """Behind the last sum of the days before `since`. All sums before it are checked on the way, not their rows."""
    start = _Start()
    if not since:
        return start
    async for day_sum in _read_all(store.read_sums, 0, lambda one: one.number):
        if day_sum.day >= since:
            break
        _check_sum_follows(day_sum, start, signer)
        start = _Start(
            number=day_sum.last_block,
            last_seq=day_sum.last_seq,
            digest=day_sum.digest,
            sums=day_sum.number,
            summed=day_sum.last_block,
            sum_signature=day_sum.signature,
            day=day_sum.day,
        )
    return start


def _check_sum_follows(day_sum: DaySum, before: _Start, signer: Signer | None) -> None:
    if day_sum.number != before.sums + 1:
        raise Broken(f"Daily sum {before.sums + 1} is missing; the next one is {day_sum.number} of {day_sum.day}.")
    name = f"Daily sum {day_sum.number} of {day_sum.day}"
    if signer and (fault := signer.find_fault(day_sum.to_message(before.sum_signature), day_sum.signature)):
        raise Broken(f"{name} {fault}.")
    if day_sum.first_block != before.summed + 1 or day_sum.last_block < day_sum.first_block:
        raise Broken(f"{name} begins with block {day_sum.first_block}, and not with {before.summed + 1}.")


class _Walk:
    def __init__(self, store: Store, signer: Signer | None, days: Days, head: Head, start: _Start, until: str) -> None:
        self._store = store
        self._signer = signer
        self._days = days
        self._head = head
        self._last = start
        self._until = until
        # From the very first row where nothing vouches for what is before.
        self._moves = _Peek(_read_moves(store, start.last_seq if start.number else LOWEST, head.last_seq))
        self._sums = _Peek(_read_all(store.read_sums, start.sums, lambda one: one.number))
        self._counts: Counts = {}
        self._rows = 0
        # Rows passed by that a later block must have sealed: block -> numbers.
        self._owed: dict[int, list[int]] = {}
        self.verified = Verified(anchored=start.day, number=start.number, digest=start.digest)

    async def go(self, show: Callable[[int, int], None]) -> None:
        head = self._head
        async for seal in _read_all(self._store.read_seals, self._last.number, lambda one: one.number):
            if seal.number > head.number:
                break
            day_sum = await self._look_at_sum()
            if self._until and (day_sum.day if day_sum else head.day) > self._until:
                return
            await self._check_block(seal)
            if day_sum is not None and seal.number >= day_sum.last_block:
                await self._sums.take()
                self._check_sum(day_sum, seal)
            if seal.number % SHOW_EVERY == 0:
                show(seal.number, head.number)
        if self._last.number != head.number:
            raise Broken(
                f"The blocks from {self._last.number + 1} on are missing: the head of the chain is block {head.number}."
            )
        if self._last.digest != head.digest or self._last.last_seq != head.last_seq:
            raise Broken(f"The head of the chain is not what block {head.number} says.")
        if self._owed:
            row = min(map(min, self._owed.values()))
            raise Broken(f"Row {row} is said to have been sealed late, by a block that does not name it.")
        day_sum = await self._look_at_sum()
        if day_sum is not None:
            raise Broken(f"Daily sum {day_sum.number} of {day_sum.day} goes beyond the head of the chain.")
        self._check_head_sums()

    async def _look_at_sum(self) -> DaySum | None:
        """The next one, of those the head knows: a gateway at work may have made another meanwhile."""
        day_sum = await self._sums.look()
        return day_sum if day_sum is not None and day_sum.number <= self._head.sums else None

    def _check_head_sums(self) -> None:
        head = self._head
        last = self._last
        if (last.sums, last.summed, last.sum_signature) != (head.sums, head.summed, head.sum_signature):
            raise Broken(f"The last daily sum is {self._last.sums}, but the head of the chain says {head.sums}.")
        if self._rows != head.rows or to_json(self._counts, sort=True).decode() != head.counts:
            raise Broken("The counts since the last daily sum are not those of the rows.")

    async def _check_block(self, seal: Seal) -> None:
        name = f"Block {seal.number}"
        before = self._last
        if seal.number != before.number + 1:
            raise Broken(f"Block {before.number + 1} is missing; the next one is {seal.number}.")
        if not (0 <= seal.rows <= BLOCK_ROWS and 0 <= seal.late <= LATE_ROWS) or seal.last_seq < before.last_seq:
            raise Broken(f"The seal of block {seal.number} was changed: no block is like that.")
        rows = await self._take_rows(seal)
        late = await self._take_late(seal)
        lines = [write_row(move) for move in (*rows, *late)]
        sealed = to_datetime(seal.sealed_ms).strftime("%Y-%m-%d %H:%M:%SZ") if 0 < seal.sealed_ms < 2**47 else "?"
        if fault := _find_wrong_number(seal, before.last_seq, [move.seq for move in rows]):
            raise Broken(f"{fault} ({name.lower()} was sealed {sealed})")
        if find_digest(seal, before.digest, lines) != seal.digest:
            raise Broken(_name_change(seal, [move.seq for move in (*rows, *late)], lines, sealed))
        if write_checks(lines) != seal.checks:
            raise Broken(f"The seal of block {seal.number} was changed: its checks are not those of its rows.")
        count_moves(self._counts, [*rows, *late], self._days)
        self._rows += len(lines)
        self._last = replace(before, number=seal.number, last_seq=seal.last_seq, digest=seal.digest)
        done = self.verified
        self.verified = replace(
            done,
            blocks=done.blocks + 1,
            rows=done.rows + len(lines),
            late=done.late + len(late),
            number=seal.number,
            digest=seal.digest,
        )

    async def _take_rows(self, seal: Seal) -> list[Move]:
        rows: list[Move] = []
        while (move := await self._moves.look()) is not None and move.seq <= seal.last_seq:
            await self._moves.take()
            if move.late_block is not None and seal.number < move.late_block:
                if move.late_block <= self._head.number:
                    self._owed.setdefault(move.late_block, []).append(move.seq)
                    continue
                if await self._is_sealed_since(move.late_block):
                    continue
            rows.append(move)
            if len(rows) > BLOCK_ROWS:
                raise Broken(f"Rows were put in behind row {rows[0].seq}: block {seal.number} sealed {seal.rows}.")
        return rows

    async def _is_sealed_since(self, block: int) -> bool:
        """Whether a gateway at work has sealed this block since the walk began."""
        head = await self._store.read_head()
        return head is not None and block <= head.number

    async def _take_late(self, seal: Seal) -> Sequence[Move]:
        owed = self._owed.pop(seal.number, [])
        late = await self._store.read_late(seal.number) if seal.late or owed else []
        if len(late) != seal.late or not set(owed) <= {move.seq for move in late}:
            raise Broken(f"Block {seal.number} sealed {seal.late} rows late, and there are {len(late)}.")
        return late

    def _check_sum(self, day_sum: DaySum, seal: Seal) -> None:
        name = f"Daily sum {day_sum.number} of {day_sum.day}"
        _check_sum_follows(day_sum, self._last, self._signer)
        if seal.number != day_sum.last_block:
            raise Broken(f"{name} ends with block {day_sum.last_block}, which is not where it ended.")
        if day_sum.digest != seal.digest or day_sum.last_seq != seal.last_seq:
            raise Broken(f"{name} says another chain: block {seal.number} and what is before it was made anew.")
        if day_sum.rows != self._rows:
            raise Broken(f"{name} counts {day_sum.rows} rows, and there are {self._rows}.")
        if difference := _find_difference(day_sum.counts, self._counts):
            raise Broken(f"{name} {difference}.")
        self._last = replace(
            self._last, sums=day_sum.number, summed=day_sum.last_block, sum_signature=day_sum.signature
        )
        self._counts, self._rows = {}, 0
        self.verified = replace(self.verified, sums=self.verified.sums + 1)


def _find_wrong_number(seal: Seal, after: int, seqs: Sequence[int]) -> str:
    """Which row is missing or too many; empty: none is."""
    try:
        gaps = list(read_gaps(seal.gaps))
    except ValueError:
        return f"The seal of block {seal.number} was changed: its gaps cannot be read"
    expected = after + 1
    for seq in seqs:
        while gaps and expected == gaps[0][0] and seq > gaps[0][1]:
            expected = gaps.pop(0)[1] + 1
        in_gap = bool(gaps) and gaps[0][0] <= seq <= gaps[0][1]
        if seq > expected and not in_gap:
            return f"Row {expected} is missing"
        if seq != expected or in_gap:
            return f"Row {seq} was put in later"
        expected += 1
    if expected <= seal.last_seq:
        return f"Row {expected} is missing"
    if len(seqs) != seal.rows:
        return f"The seal of block {seal.number} was changed: it says {seal.rows} rows"
    return ""


def _name_change(seal: Seal, seqs: Sequence[int], lines: Sequence[bytes], sealed: str) -> str:
    if len(seal.checks) == 4 * len(lines):
        checks = struct.unpack(f">{len(lines)}I", seal.checks)
        for seq, line, check in zip(seqs, lines, checks, strict=True):
            if zlib.crc32(line) != check:
                return f"Row {seq} was changed (block {seal.number} was sealed {sealed})"
    return f"Block {seal.number} does not follow from block {seal.number - 1}: one of the two seals was changed."


def _find_difference(said: str, found: Counts) -> str:
    """How the counts of a sum differ from those of the rows, as the end of a sentence; empty: not at all."""
    if to_json(found, sort=True).decode() == said:
        return ""
    try:
        told: Counts = orjson.loads(said)
        for day, channel, event in sorted(_list_places(told) | _list_places(found)):
            before = told.get(day, {}).get(channel, {}).get(event, 0)
            after = found.get(day, {}).get(channel, {}).get(event, 0)
            if before != after:
                return f"counts {before} of {event} on channel {channel} on {day}, and there are {after}"
    except (ValueError, AttributeError, TypeError):
        pass
    return "has counts that cannot be read"


def _list_places(counts: Counts) -> set[tuple[str, str, str]]:
    return {(day, channel, event) for day, of in counts.items() for channel, events in of.items() for event in events}


# --- against what was exported -------------------------------------------------------------------------------------


def write_export(day_sum: DaySum, previous: str) -> dict[str, Any]:
    """A daily sum as it is kept elsewhere. `previous` is the signature of the sum before."""
    return {
        "form": "huiyin.sum/1",
        "number": day_sum.number,
        "day": day_sum.day,
        "first_block": day_sum.first_block,
        "last_block": day_sum.last_block,
        "last_seq": day_sum.last_seq,
        "rows": day_sum.rows,
        "counts": orjson.loads(day_sum.counts),
        "digest": day_sum.digest.hex(),
        "made_ms": day_sum.made_ms,
        "previous": previous,
        "signature": day_sum.signature,
    }


def write_head_export(head: Head) -> dict[str, Any]:
    return {
        "form": "huiyin.head/1",
        "number": head.number,
        "digest": head.digest.hex(),
        "last_seq": head.last_seq,
        "sums": head.sums,
        "summed": head.summed,
        "day": head.day,
        "rows": head.rows,
        "counts": orjson.loads(head.counts),
        "sum_signature": head.sum_signature,
        "signature": head.signature,
    }


async def verify_export(store: Store, signer: Signer | None, lines: Iterable[bytes]) -> int:
    """Whether the chain still holds all that was exported; returns how many lines did. Raises Broken."""
    checked = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            told = orjson.loads(line)
            sum_, previous = _read_export(told)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Broken(f"Line {number} of the file is no export of a chain.") from None
        message = sum_.to_message(previous) if isinstance(sum_, DaySum) else sum_.to_message()
        if signer and (fault := signer.find_fault(message, sum_.signature)):
            raise Broken(f"Line {number} of the file {fault}.")
        block = sum_.last_block if isinstance(sum_, DaySum) else sum_.number
        when = f"of {sum_.day}" if sum_.day else f"at block {block}"
        if isinstance(sum_, DaySum):
            kept = await store.read_sums(sum_.number - 1, 1)
            if not kept or kept[0].number != sum_.number:
                raise Broken(f"The daily sum {when} was exported, and is not there any more.")
            if kept[0] != sum_:
                raise Broken(f"The daily sum {when} is not the one that was exported.")
        seals = await store.read_seals(block - 1, 1) if block else []
        if block and (not seals or seals[0].number != block):
            raise Broken(f"Block {block} {when} was exported, and is not there any more: the end was cut off.")
        if block and seals[0].digest != sum_.digest:
            raise Broken(f"Block {block} {when} is not the one that was exported: the chain was made anew.")
        checked += 1
    return checked


def _read_export(told: dict[str, Any]) -> tuple[DaySum | Head, str]:
    values = {name: value for name, value in told.items() if name not in ("form", "previous")}
    values["counts"] = to_json(told["counts"], sort=True).decode()
    values["digest"] = bytes.fromhex(told["digest"])
    if told["form"] == "huiyin.sum/1":
        return DaySum(**values), str(told["previous"])
    if told["form"] == "huiyin.head/1":
        return Head(**values), ""
    raise ValueError("unknown form")


# --- reading in pages ----------------------------------------------------------------------------------------------


class _Peek(Generic[T]):
    """An iterator whose next value can be looked at before it is taken."""

    def __init__(self, values: AsyncIterator[T]) -> None:
        self._values = values
        self._next: T | None = None

    async def look(self) -> T | None:
        if self._next is None:
            self._next = await anext(self._values, None)
        return self._next

    async def take(self) -> None:
        self._next = None


async def _read_all(
    read: Callable[[int, int], Awaitable[Sequence[T]]], after: int, find_number: Callable[[T], int]
) -> AsyncIterator[T]:
    while page := await read(after, PAGE):
        for one in page:
            yield one
        after = find_number(page[-1])


async def _read_moves(store: Store, after: int, upto: int) -> AsyncIterator[Move]:
    limit = PAGE
    while True:
        try:
            page = await store.read_moves(after, upto, limit)
        except StoreUnavailable:
            raise
        except Exception as error:
            # A value that is no text any more stops the whole page: find the row.
            if limit == 1:
                raise Broken(f"The row behind {after} cannot be read ({type(error).__name__}).") from None
            limit = 1
            continue
        for move in page:
            yield move
        if not page:
            return
        after = page[-1].seq


async def _count_unsealed(store: Store, after: int) -> int:
    """Rows behind the head; as many as there are numbers, which is more only where numbers were given up."""
    return max(0, await store.newest_move() - after)
