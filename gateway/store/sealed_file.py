"""The form of a sealed file: it can be written and read as a stream, and no part of it can be changed, left out, cut off or
moved without being found.

    "huiyin:1" | length, 2 bytes | key of the file, sealed by the vault | parts

A part is 64 KiB of the content (the last one what remains, maybe nothing), sealed with AES-256-GCM. The key is random and
used for this file alone; the nonce is the number of the part (11 bytes) and whether it is the last (1 byte). This is the
STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár: Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance, 2015).
"""

from collections.abc import Iterator
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.store.vault import Tampered

KEY_BYTES = 32
PART_BYTES = 65_536
_MAGIC = b"huiyin:1"
_TAG_BYTES = 16
_SEALED_BYTES = PART_BYTES + _TAG_BYTES


def write_head(sealed_key: bytes) -> bytes:
    return _MAGIC + len(sealed_key).to_bytes(2) + sealed_key


def read_head(stream: BinaryIO) -> bytes:
    """-> the sealed key; the stream then stands at the first part. Raises Tampered."""
    if stream.read(len(_MAGIC)) != _MAGIC:
        raise _refuse()
    length = int.from_bytes(stream.read(2))
    sealed_key = stream.read(length)
    if not length or len(sealed_key) != length:
        raise _refuse()
    return sealed_key


class PartSealer:
    """`add` gives what can be written already, `finish` the rest; nothing comes after it."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._waiting = bytearray()
        self._number = 0

    def add(self, content: bytes) -> bytes:
        self._waiting += content
        sealed = bytearray()
        # A full part is held back until more comes: it may be the last.
        while len(self._waiting) > PART_BYTES:
            sealed += self._seal(bytes(self._waiting[:PART_BYTES]), last=False)
            del self._waiting[:PART_BYTES]
        return bytes(sealed)

    def finish(self) -> bytes:
        return self._seal(bytes(self._waiting), last=True)

    def _seal(self, part: bytes, *, last: bool) -> bytes:
        sealed = self._cipher.encrypt(_write_nonce(self._number, last=last), part, None)
        self._number += 1
        return sealed


def unseal_parts(stream: BinaryIO, key: bytes) -> Iterator[bytes]:
    """From the first part on. Raises Tampered at the first part that is not as it was written."""
    cipher = AESGCM(key)
    number, sealed = 0, stream.read(_SEALED_BYTES)
    while True:
        following = stream.read(_SEALED_BYTES)
        try:
            yield cipher.decrypt(_write_nonce(number, last=not following), sealed, None)
        except InvalidTag:
            raise _refuse() from None
        if not following:
            return
        number, sealed = number + 1, following


def _write_nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11) + bytes([last])


def _refuse() -> Tampered:
    return Tampered("the file was changed, cut off, or is none of this store")
