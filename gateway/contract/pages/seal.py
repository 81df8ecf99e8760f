"""The seal of a form: proves that we rendered it and when, without a cookie. A form never expires.

`<issued ms, hex>.<random>.<signature>`; the first two parts are the form's nonce, which makes a double tap one complaint.
"""

import secrets
from dataclasses import dataclass

from gateway.contract import signing
from gateway.contract.clock import Millis


@dataclass(frozen=True, slots=True)
class Seal:
    nonce: str
    issued_at: Millis


def make_seal(key: bytes, now: Millis) -> str:
    nonce = f"{now:x}.{secrets.token_urlsafe(12)}"
    return f"{nonce}.{signing.sign(key, nonce.encode())}"


def read_seal(key: bytes, text: str) -> Seal | None:
    """None for anything that we did not make."""
    nonce, _, signature = text.rpartition(".")
    if not nonce or not signing.verify((key,), nonce.encode(), signature):
        return None
    return Seal(nonce, Millis(int(nonce.partition(".")[0], 16)))
