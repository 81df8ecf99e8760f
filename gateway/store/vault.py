"""Sealing what is kept: nobody reads a narrative, a name or a number out of the database, its backups or its disk.

Three keys, each sealed by the one above (AES-256-GCM throughout):

    master key, by version (config.keys)   outside the database; seals
    month key, one per month (UTC)         in the table `vault`; seals
    record key, one per value              beside the value; seals the value

A new master key means sealing a handful of month keys anew, not the database: no row of a complaint is touched. A month
key destroyed means that nothing of that month can be read again, not in a backup of yesterday either once its own
copy of the table is of no use (the master key that sealed it is gone).

A sealed value is `1 | month, 2 bytes | nonce, 12 bytes | record key, sealed, 48 bytes | value, sealed`. What it is about
(table column and row) is bound to it as associated data: moved to another row, it does not open. Its record key is used
once, so that the nonce of the value may be nought.

What has to be found again by its value (source keys, threads, telephone numbers) is marked: hashed with a key of the
vault's own (BLAKE2b). That key stays the same for ever, or nothing would be found again.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import bindparam, select, update

from config.keys import Keyring, name_key
from gateway.contract.clock import Millis
from gateway.contract.signing import derive_key
from gateway.store.months import find_month, months_from
from gateway.store.plan import Ask, Plan, Put, Row, Statement, insert_into, put
from gateway.store.port import StoreUnavailable
from gateway.store.tables import vault

MARKS = 0
"""The row of the key that marks; months count from 1 (January 2000)."""
_FORMAT = b"\x01"
_NONCE, _KEY, _TAG = 12, 32, 16
_DRAWN = _NONCE + _KEY
_HEAD = len(_FORMAT) + 2
_BODY = _HEAD + _NONCE + _KEY + _TAG
_NOUGHT = bytes(_NONCE)
MARK_BYTES = 16
_EARLIEST, _LATEST = Millis(946_684_800_000), Millis(64_060_588_800_000)
"""The years 2000 and 4000."""
_HOUR_MS = 3_600_000
CLOSED = "seal_broken"
"""The code of what does not open."""

_ROWS = Statement(select(vault.c.month, vault.c.version, vault.c.sealed, vault.c.made_ms, vault.c.destroyed_ms), ())
_FIND = Statement(select(vault.c.month).where(vault.c.month == bindparam("month")), ("month",))
_ADD = insert_into(vault)
_REWRAP = Statement(
    update(vault)
    .where(vault.c.month == bindparam("at_month"))
    .values(version=bindparam("to_version"), sealed=bindparam("to_sealed")),
    ("to_version", "to_sealed", "at_month"),
)
_DESTROY = Statement(
    update(vault).where(vault.c.month == bindparam("at_month")).values(sealed=b"", destroyed_ms=bindparam("now")),
    ("now", "at_month"),
)


class Erased(Exception):
    """It can never be read again: the key of its month was destroyed."""


class KeyUnknown(Exception):
    """A month whose key this process has not read yet: another node made it, or nobody did because the clock was moved."""

    def __init__(self, month: int) -> None:
        super().__init__(name_month(month))
        self.month = month


class KeyringLacks(StoreUnavailable):
    """A version of the master key; the file may hold it by now."""


class Tampered(Exception):
    """A sealed value does not open: it was changed, or belongs to another row."""


class Vault:
    """The keys, open in memory. Safe to use from several threads. `read_keys` gives the keyring, anew each time; None: what
    is sealed stays closed, for those who read the history alone.

    Keys are made, and read, in transactions of their own (`plan_*`), never in one that seals: a key that was rolled back
    would take with it what it had sealed.
    """

    def __init__(self, read_keys: Callable[[], Keyring] | None) -> None:
        self._read_keys = read_keys
        self._keyring: Keyring | None = None
        self._months: Mapping[int, AESGCM | None] = {}
        self._marks = b""
        self._markers: dict[int, blake2b] = {}

    @property
    def is_closed(self) -> bool:
        return self._read_keys is None

    def fetch_keyring(self) -> None:
        """Blocks: a file is read, or a command run. Raises SettingsError."""
        self._keyring = self._read_keys() if self._read_keys else None

    def lacks(self, now: Millis) -> bool:
        """A key for this moment, or for the next two months, is not there yet."""
        return not self._marks or any(month not in self._months for month in _list_wanted(now))

    def can_seal(self, now: Millis) -> bool:
        return bool(self._marks) and self._months.get(find_key(now)) is not None

    def seal(self, value: bytes, about: str, now: Millis) -> bytes:
        """Raises KeyUnknown where there is no key for this moment yet, StoreUnavailable where it was destroyed."""
        return self.seal_each([(value, about)], now)[0]

    def seal_each(self, values: Sequence[tuple[bytes, str]], now: Millis) -> list[bytes]:
        """Each with a record key of its own: (value, what it is about) of one moment, which costs half of one after the
        other. Raises as `seal`.
        """
        month = find_key(now)
        if month not in self._months:
            raise KeyUnknown(month)
        key = self._months[month]
        if key is None:
            raise StoreUnavailable(f"the key of {name_month(month)} was destroyed; is the clock right?")
        head = _FORMAT + month.to_bytes(2, "big")
        drawn = os.urandom(_DRAWN * len(values))
        sealed = []
        for start, (value, about) in zip(range(0, len(drawn), _DRAWN), values, strict=True):
            nonce, record = drawn[start : start + _NONCE], drawn[start + _NONCE : start + _DRAWN]
            body = AESGCM(record).encrypt(_NOUGHT, value, about.encode())
            sealed.append(head + nonce + key.encrypt(nonce, record, head) + body)
        return sealed

    def unseal(self, sealed: bytes, about: str) -> bytes:
        """Raises Erased, KeyUnknown or Tampered."""
        head = sealed[:_HEAD]
        if head[:1] != _FORMAT or len(sealed) < _BODY + _TAG:
            raise Tampered(f"{about} is not sealed")
        month = int.from_bytes(head[1:], "big")
        if month not in self._months:
            raise KeyUnknown(month)
        key = self._months[month]
        if key is None:
            raise Erased(name_month(month))
        try:
            record = key.decrypt(sealed[_HEAD : _HEAD + _NONCE], sealed[_HEAD + _NONCE : _BODY], head)
            return AESGCM(record).decrypt(_NOUGHT, sealed[_BODY:], about.encode())
        except InvalidTag:
            raise Tampered(f"{about} was changed, or does not belong where it stands") from None

    def seal_text(self, text: str, about: str, now: Millis) -> bytes:
        """Nothing stays nothing."""
        return self.seal(text.encode(), about, now) if text else b""

    def unseal_text(self, sealed: bytes, about: str) -> str:
        return self.unseal(sealed, about).decode() if sealed else ""

    def mark(self, value: bytes, size: int = MARK_BYTES) -> bytes:
        """The keyed hash by which a value is found again. Raises StoreUnavailable."""
        marker = self._markers.get(size)
        if marker is None:
            if not self._marks:
                raise StoreUnavailable("the keyring was not opened")
            marker = self._markers[size] = blake2b(digest_size=size, key=self._marks)
        marked = marker.copy()  # the key is hashed once, not for every value
        marked.update(value)
        return marked.digest()

    # --- in transactions of their own ------------------------------------------------------------------------------

    def plan_load(self) -> Plan[None]:
        """Read the keys. Raises StoreUnavailable where the keyring does not open them."""
        rows = yield Ask(_ROWS)
        keyring = self._use_keyring()
        months: dict[int, AESGCM | None] = {}
        marks = b""
        for month, version, sealed, _, destroyed_ms in rows:
            key = None if destroyed_ms is not None else _unwrap(keyring, month, version, sealed)
            if month == MARKS:
                marks = key or b""
            else:
                months[month] = AESGCM(key) if key else None
        self._marks, self._markers, self._months = marks, {}, months

    def plan_make(self, now: Millis, *others: int) -> Plan[None]:
        """Keys for this month and the next two, for others, and the one that marks, where there are none."""
        keyring = self._use_keyring()
        made: list[Row] = []
        for month in {MARKS, *_list_wanted(now), *others}:
            if not (yield Ask(_FIND, (month,))):
                sealed = _wrap(keyring, month, os.urandom(_KEY))
                made.append((month, keyring.current, sealed, now, None))
        yield from put(_ADD, made)

    def plan_rewrap(self) -> Plan[int]:
        """Seal the keys with the newest master key. Returns how many were sealed with another."""
        rows = yield Ask(_ROWS)
        keyring = self._use_keyring()
        moved = [
            (keyring.current, _wrap(keyring, month, _unwrap(keyring, month, version, sealed)), month)
            for month, version, sealed, _, destroyed_ms in rows
            if destroyed_ms is None and version != keyring.current
        ]
        yield from put(_REWRAP, moved)
        return len(moved)

    def _use_keyring(self) -> Keyring:
        if self._keyring is None:
            raise StoreUnavailable("the keyring was not opened")
        return self._keyring


def destroy_key(month: str, now: Millis) -> Plan[None]:
    """For ever. What other processes hold in memory goes when they read the keys again."""
    yield Put(_DESTROY, [(now, number_month(month))])


def read_keys_kept() -> Plan[Sequence[Row]]:
    """(month, version of the master key, made_ms, destroyed_ms or None), in order."""
    return sorted((month, version, made, gone) for month, version, _, made, gone in (yield Ask(_ROWS)))


def find_key(at: Millis) -> int:
    """The month key of this moment."""
    return _find_key_of_hour(_believe(at) // _HOUR_MS)


# Asked three times an accept; months begin with an hour.
@lru_cache(4096)
def _find_key_of_hour(hour: int) -> int:
    return number_month(find_month(Millis(hour * _HOUR_MS)))


def number_month(month: str) -> int:
    year, number = map(int, month.split("-"))
    return (year - 2000) * 12 + number


def read_month(sealed: bytes) -> str:
    """The month whose key a sealed value needs, as `2026-11`. It is not proven before the value was opened."""
    return name_month(int.from_bytes(sealed[len(_FORMAT) : _HEAD], "big"))


def name_month(month: int) -> str:
    """As `2026-11`."""
    return f"{2000 + (month - 1) // 12}-{(month - 1) % 12 + 1:02}"


def _list_wanted(now: Millis) -> Iterable[int]:
    return dict.fromkeys(map(number_month, months_from(_believe(now))))


def _believe(at: Millis) -> Millis:
    """A clock that has lost its time says 1970, one that is out of its mind anything."""
    return min(max(at, _EARLIEST), _LATEST)


def _wrap(keyring: Keyring, month: int, key: bytes) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + _find_wrapping(keyring.keys[keyring.current]).encrypt(nonce, key, _name_row(month))


def _unwrap(keyring: Keyring, month: int, version: int, sealed: bytes) -> bytes:
    master = keyring.keys.get(version)
    if master is None:
        raise KeyringLacks(f"the keyring lacks version {version}, under which this store is sealed (see docs/keys.md)")
    try:
        return _find_wrapping(master).decrypt(sealed[:_NONCE], sealed[_NONCE:], _name_row(month))
    except InvalidTag:
        raise StoreUnavailable(
            f"the keyring does not fit this store: its version {version} is {name_key(master)}, another than the store "
            "was sealed under (see docs/keys.md)"
        ) from None


def _find_wrapping(master: bytes) -> AESGCM:
    return AESGCM(derive_key(master, "vault"))


def _name_row(month: int) -> bytes:
    return b"vault:%d" % month
