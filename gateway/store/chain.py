"""The chain over the history: how a row is written for hashing, what a block seals, what a daily sum says. Pure.

A block covers every number behind the last block up to its own last one: a number in between is either a row of the
block or named in its gaps. So a row that is changed, taken away, put in or moved shows. The exact bytes stand in
docs/audit.md, so that somebody else's program can check the chain.
"""

import hashlib
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import orjson

from gateway.contract.ports import SourceNumber
from gateway.contract.signing import sign, verify

BLOCK_ROWS = 512
"""Hashing them takes about a millisecond: nobody at the door waits longer for the interpreter."""
LATE_ROWS = 512
GENESIS = bytes(32)
_COLUMNS = 8
_MARK = "hmac-sha256"

Counts = dict[str, dict[str, dict[str, int]]]
"""Day -> channel -> event -> number of rows."""


class Move(NamedTuple):
    """A row of the history, then what is known of its subject: `born_ms` is when the envelope came or the duty was
    born; None where there is no such subject. `late_block`: the block that sealed it belatedly.
    """

    seq: int
    at_ms: int
    subject: str
    subject_id: str
    event: str
    before: str
    after: str
    detail: str
    channel: str | None
    born_ms: int | None
    target: str | None
    instance: str | None
    late_block: int | None


@dataclass(frozen=True, slots=True)
class Seal:
    """In the order of the table's columns, as the two below."""

    number: int
    first_seq: int
    last_seq: int
    rows: int
    late: int
    gaps: str
    sealed_ms: int
    digest: bytes
    checks: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """Where the chain stands. `summed` is the last block of the last daily sum; `day`, `rows` and `counts` are of the
    blocks since.
    """

    number: int = 0
    digest: bytes = GENESIS
    last_seq: int = 0
    sums: int = 0
    summed: int = 0
    day: str = ""
    rows: int = 0
    counts: str = "{}"
    sum_signature: str = ""
    signature: str = ""

    def to_message(self) -> bytes:
        return to_json(
            [
                "huiyin.head/1",
                self.number,
                self.digest.hex(),
                self.last_seq,
                self.sums,
                self.summed,
                self.day,
                self.rows,
                self.counts,
                self.sum_signature,
            ]
        )


@dataclass(frozen=True, slots=True)
class DaySum:
    """The rows of `first_block` to `last_block`, which were written on `day` (the bank's own): counts, and where the
    chain stood then. Signed, so that nobody without the key can write it anew over another chain.
    """

    number: int
    day: str
    first_block: int
    last_block: int
    last_seq: int
    rows: int
    counts: str
    digest: bytes
    made_ms: int
    signature: str = ""

    def to_message(self, previous: str) -> bytes:
        """`previous` is the signature of the sum before, empty for the first: a sum cannot be taken out."""
        return to_json(
            [
                "huiyin.sum/1",
                self.number,
                self.day,
                self.first_block,
                self.last_block,
                self.last_seq,
                self.rows,
                self.counts,
                self.digest.hex(),
                self.made_ms,
                previous,
            ]
        )


class Signer:
    """Signs with the first key and recognises all. Signatures name their key, so that a wrong key can be told from a
    wrong signature.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = {_name_key(key): key for key in keys}
        self._current = _name_key(keys[0])

    def sign(self, message: bytes) -> str:
        return f"{_MARK}:{self._current}:{sign(self._keys[self._current], message, size=32)}"

    def find_fault(self, message: bytes, signature: str) -> str:
        """Empty if the signature is right, else what is wrong with it, as the end of a sentence."""
        mark, _, rest = signature.partition(":")
        name, _, value = rest.partition(":")
        if mark != _MARK or not value:
            return "has no signature"
        key = self._keys.get(name)
        if key is None:
            return f"is signed with the key {name}, which is not at hand ({', '.join(self._keys)} is)"
        return "" if verify((key,), message, value, size=32) else "does not bear out its signature"


def _name_key(key: bytes) -> str:
    return hashlib.sha256(b"huiyin.audit key name\0" + key).hexdigest()[:8]


# --- blocks --------------------------------------------------------------------------------------------------------


def write_row(move: Move) -> bytes:
    """The row as compact JSON: `[seq, at_ms, subject, subject_id, event, before, after, detail]`."""
    return to_json(move[:_COLUMNS])


def make_seal(
    before: Head, rows: Sequence[Move], late: Sequence[Move], gaps: str, last_seq: int, sealed_ms: int
) -> Seal:
    lines = [write_row(move) for move in (*rows, *late)]
    first_seq = rows[0].seq if rows else last_seq + 1
    seal = Seal(
        number=before.number + 1,
        first_seq=first_seq,
        last_seq=last_seq,
        rows=len(rows),
        late=len(late),
        gaps=gaps,
        sealed_ms=sealed_ms,
        digest=b"",
        checks=write_checks(lines),
    )
    return replace(seal, digest=find_digest(seal, before.digest, lines))


def find_digest(seal: Seal, previous: bytes, lines: Sequence[bytes]) -> bytes:
    """SHA-256 over the digest of the block before, the block's own facts, and its rows, each on a line."""
    facts = [
        "huiyin.block/1",
        seal.number,
        seal.first_seq,
        seal.last_seq,
        seal.rows,
        seal.late,
        seal.gaps,
        seal.sealed_ms,
    ]
    return hashlib.sha256(b"\n".join([previous.hex().encode(), to_json(facts), *lines])).digest()


def write_checks(lines: Sequence[bytes]) -> bytes:
    """Four bytes per row, in order."""
    return struct.pack(f">{len(lines)}I", *map(zlib.crc32, lines))


def find_gaps(after_seq: int, seqs: Sequence[int]) -> str:
    """The numbers between `after_seq` and the last of `seqs` that are not in it."""
    gaps = []
    expected = after_seq + 1
    for seq in seqs:
        if seq > expected:
            gaps.append(str(expected) if seq == expected + 1 else f"{expected}-{seq - 1}")
        expected = seq + 1
    return ",".join(gaps)


def read_gaps(gaps: str) -> Iterator[tuple[int, int]]:
    """First and last number of each gap. Raises ValueError."""
    for part in gaps.split(",") if gaps else ():
        first, _, last = part.partition("-")
        yield int(first), int(last or first)


# --- days ----------------------------------------------------------------------------------------------------------


class Days:
    """The bank's days."""

    def __init__(self, timezone: str) -> None:
        zone = ZoneInfo(timezone)

        @lru_cache(4096)
        def find(quarter: int) -> str:
            return datetime.fromtimestamp(quarter * 900, zone).date().isoformat()

        self._find: Callable[[int], str] = find

    def find(self, at_ms: int) -> str:
        """`2026-11-26`."""
        return self.find_of_quarter(find_quarter(at_ms))

    def find_of_quarter(self, quarter: int) -> str:
        try:
            return self._find(quarter)
        except (OverflowError, ValueError, OSError):  # a row somebody changed, or a clock gone mad
            return "0000-00-00"


def find_quarter(at_ms: int) -> int:
    """Which quarter of an hour since 1970 it is. Zones move by no less, so what is of one quarter is of one day."""
    return at_ms // 900_000 if isinstance(at_ms, int) else _NO_QUARTER


_NO_QUARTER = 2**62
"""Of what somebody wrote into a row in place of a time."""


def count_moves(counts: Counts, moves: Sequence[Move], days: Days) -> None:
    kinds = Counter((find_quarter(move.at_ms), move.channel, move.event) for move in moves)
    for (quarter, channel, event), count in kinds.items():
        of_channel = counts.setdefault(days.find_of_quarter(quarter), {}).setdefault(channel or "-", {})
        of_channel[event] = of_channel.get(event, 0) + count


# --- a sealer's round ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sealing:
    """What a sealer needs to know of the bank."""

    signer: Signer
    days: Days
    find_number: Mapping[str, Callable[[str], SourceNumber | None]] = field(default_factory=dict)
    """For the channels whose source counts: source key -> number."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What one round did. `late`: rows that became visible behind the head. `fault`: the head is not as it was signed,
    and nothing was sealed. `lost`: another sealer was quicker.
    """

    rows: int = 0
    late: Sequence[int] = ()
    day: str = ""
    number: int = 0
    fault: str = ""
    lost: bool = False


# --- tallies -------------------------------------------------------------------------------------------------------

CAME = "came"
TOTAL = ""
"""Stands for all days."""


class Tally(NamedTuple):
    """`subject` is `envelope`, `system` or `notice`; `instance` is empty for envelopes. `state`: a state, or `came`."""

    day: str
    subject: str
    channel: str
    instance: str
    state: str


def tally_moves(moves: Sequence[Move], days: Days) -> Counter[Tally]:
    """What the moves change in the tallies of their subject's day, and in those of all days."""
    kinds = Counter(
        (
            move.target or move.subject,
            move.channel,
            move.instance,
            move.before,
            move.after,
            find_quarter(move.at_ms if move.born_ms is None else move.born_ms),
        )
        for move in moves
        if move.subject in _TALLIED and move.before != move.after
    )
    changes: Counter[Tally] = Counter()
    for (subject, channel, instance, before, after, quarter), count in kinds.items():
        place = (subject, channel or "-", instance or "")
        for day in (days.find_of_quarter(quarter), TOTAL):
            changes[Tally(day, *place, after)] += count
            changes[Tally(day, *place, before or CAME)] += -count if before else count
    return changes


_TALLIED = ("envelope", "duty")


def to_json(value: Any, *, sort: bool = False) -> bytes:
    """Compact JSON in UTF-8. What no column of ours holds, and a hand may have put there, still gets a form of its own."""
    return orjson.dumps(value, default=_mark, option=orjson.OPT_SORT_KEYS if sort else None)


def _mark(value: object) -> Mapping[str, str]:
    return {"not json": repr(value)}
