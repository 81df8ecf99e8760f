"""Keyed hashes and signed tokens. Standard library only; every comparison takes constant time."""

import base64
import hashlib
import hmac


def derive_key(master: bytes, purpose: str) -> bytes:
    """32 bytes of key material for one purpose (HKDF-Expand of RFC 5869 with SHA-256, one block)."""
    return hmac.digest(master, purpose.encode() + b"\x01", hashlib.sha256)


def sign(key: bytes, message: bytes, *, size: int = 16) -> str:
    """HMAC-SHA256 cut to `size` bytes, base64url without padding."""
    return encode(hmac.digest(key, message, hashlib.sha256)[:size])


def verify(keys: tuple[bytes, ...], message: bytes, signature: str, *, size: int = 16) -> bool:
    """True if any of the keys (current first, then those being rotated out) made the signature."""
    found = False
    for key in keys:
        found |= hmac.compare_digest(sign(key, message, size=size).encode(), signature.encode())
    return found


def same(given: str, expected: str) -> bool:
    """Constant-time comparison of two strings of any characters."""
    return hmac.compare_digest(given.encode(), expected.encode())


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """base64url without padding -> bytes. Raises ValueError."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
