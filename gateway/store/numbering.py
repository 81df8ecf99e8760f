"""Which receipt is the n-th: a keyed permutation of all receipts, so that every number has one receipt and no other.

Receipts drawn at random have to be looked up in an index of all of them, and every accept changes a page of that index
of its own: with a group of 64 that was half of what the writer did. Here the store counts, and what is counted is
unique without a look; rows are found by their number, in an index that only grows at its end. The receipt says
neither its number nor how many there are: without the secret the permutation cannot be told from chance.

The permutation is a balanced Feistel network over Z_300000 x Z_300000 (exactly the 9 * 10**10 receipt bodies, so no
cycle walking as in NIST SP 800-38G is needed) with AES-256 as its round function. The libraries for format-preserving
encryption take bits or decimal strings, one at a time and some 50 us each; this takes 2 us in a batch.

The secret and the count live in the database: whoever can read them can read the receipts as well, a backup holds all
that belongs together, and no key file can be lost under them. After the restoring of a backup, numbers given since it
was made would be given again: see docs/decisions/0005-numbers.md.
"""

import sys
from array import array
from collections.abc import Sequence

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from sqlalchemy import bindparam, select, update

from gateway.contract.receipt import FIRST_BODY, Receipt, make_receipt
from gateway.store.plan import Ask, Plan, Statement
from gateway.store.tables import numbering

_HALF = 300_000
_ROUNDS = 8
"""Luby and Rackoff: four rounds of a random function cannot be told from a random permutation; FF3-1 takes eight."""
RESERVED_AT_ONCE = 4_096
"""Numbers a process sets aside for itself in one commit. What it has not given when it ends is never given."""
_MADE_AT_ONCE = 256
SKIPPED = 10_000_000
"""More than a bank gives between two backups."""

_SECRET = Statement(select(numbering.c.secret), ())
_RESERVE = Statement(
    update(numbering).values(next=numbering.c.next + bindparam("count")).returning(numbering.c.next), ("count",)
)


class Numbering:
    """`secret`: 32 bytes. Safe to use from several threads."""

    def __init__(self, secret: bytes) -> None:
        self._cipher = Cipher(algorithms.AES(secret), modes.ECB())  # noqa: S305 - single blocks, as a random function

    def write(self, numbers: Sequence[int]) -> list[Receipt]:
        left, right = [number // _HALF for number in numbers], [number % _HALF for number in numbers]
        for turn in range(_ROUNDS):
            mixed = self._mix(turn, right)
            left, right = right, [(value + by) % _HALF for value, by in zip(left, mixed, strict=True)]
        return [make_receipt(FIRST_BODY + a * _HALF + b) for a, b in zip(left, right, strict=True)]

    def read(self, receipt: Receipt) -> int:
        left, right = divmod(int(receipt[:-1]) - FIRST_BODY, _HALF)
        for turn in reversed(range(_ROUNDS)):
            (mixed,) = self._mix(turn, [left])
            left, right = (right - mixed) % _HALF, left
        return left * _HALF + right

    def _mix(self, turn: int, halves: Sequence[int]) -> Sequence[int]:
        """A number below 2**64 for each half, of a block of AES that holds the half and the turn."""
        blocks = array("Q", [turn]) * (2 * len(halves))
        blocks[::2] = array("Q", halves)
        mixed = array("Q", self._cipher.encryptor().update(_in_little_endian(blocks).tobytes()))
        return _in_little_endian(mixed)[::2]


def _in_little_endian(words: "array[int]") -> "array[int]":
    # A database may move to a machine of another byte order.
    if sys.byteorder == "big":
        words.byteswap()
    return words


class Stock:
    """The numbers a process has reserved and not yet given. Belongs to one thread."""

    def __init__(self, numbering: Numbering) -> None:
        self.numbering = numbering
        self._reserved = range(0)
        self._made: list[tuple[int, Receipt]] = []

    def __len__(self) -> int:
        return len(self._reserved) + len(self._made)

    def add(self, numbers: range) -> None:
        """What was left is forgone: a process that runs low by a handful reserves anew."""
        self._reserved, self._made = numbers, []

    def take(self, count: int) -> list[tuple[int, Receipt]]:
        """Raises ValueError for more than there are."""
        if count > len(self):
            raise ValueError("more numbers are wanted than were reserved")
        while len(self._made) < count:
            batch, self._reserved = self._reserved[:_MADE_AT_ONCE], self._reserved[_MADE_AT_ONCE:]
            # In order, taken from the end.
            self._made[:0] = reversed(list(zip(batch, self.numbering.write(batch), strict=True)))
        taken = self._made[: -count - 1 : -1]
        del self._made[len(self._made) - count :]
        return taken


def read_secret() -> Plan[bytes]:
    rows = yield Ask(_SECRET)
    secret: bytes = rows[0][0]
    return secret


def reserve(count: int) -> Plan[range]:
    """To be committed before any of them is given."""
    rows = yield Ask(_RESERVE, (count,))
    end: int = rows[0][0]
    return range(end - count, end)
