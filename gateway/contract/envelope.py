"""The raw bytes a channel accepted, with the keys that make them unique and join them to a matter."""

import hashlib
from collections.abc import Mapping
from dataclasses import field

from gateway.contract.clock import Millis
from gateway.contract.complaint import Authenticity
from gateway.contract.receipt import Receipt
from gateway.contract.value import value

LENT_S = "lent_s"
"""A hint that makes its envelope a lender, see `Envelope.hints`: for how many seconds, as digits."""
LENT_LIMIT_S = 86_400


@value
class Thread:
    """Which matter an envelope belongs to. Envelopes of one open thread share one receipt (Supplements).

    `key` is unique inside the channel instance, e.g. a call id or an openid.
    `window_ms`: a gap longer than this since the last envelope starts a new matter; None: never.
    `ends`: this envelope is the last of its matter (the customer said 完毕); the next one starts afresh.
    `sequential`: as in `Envelope`.
    """

    key: str
    window_ms: int | None = None
    ends: bool = False
    sequential: bool = False


@value
class Envelope:
    """What is kept before the 2xx. Never changed afterwards.

    `source_key` is the idempotency key, unique inside the channel instance for ever. The same key with the same
    `content` gives the earlier receipt; with other content it is refused as a conflict (409).
    `content` is what the key stands for, as a SHA-256: by default of `raw`. Give your own where a retry has
    other bytes for the same content (multipart boundaries, re-encrypted pushes).
    `joins` is a receipt number the sender showed knowledge of (a reply to our acknowledgement): the envelope
    becomes a Supplement of that matter if the receipt exists.
    `receipt_wanted` is False for what needs keeping but no number (a follow event, an auto-reply).
    `sequential` says of the source key that it tells nothing about a person and mostly grows with time (a call id): the
    store then keeps neighbours together, which makes an accept cheaper. Always the same for the same key.
    `backfill` marks imported history: registered and forwarded, but nobody is written to or woken.
    `hints` are facts of the moment of receipt that the bytes do not hold (branch of the signed code, form
    language): short strings, no personal data. An envelope with a thread, without a receipt wanted and with the hint
    LENT_S lends its other hints to those that come in its thread within so many seconds (at most LENT_LIMIT_S): the code
    that was scanned, the menu entry that was chosen before the first word. A later lender overrides an earlier one, an
    empty value takes back, an envelope's own hints come first. Nothing is copied: when an envelope is read, its lenders
    are looked up.
    """

    channel: str
    adapter: str
    source_key: str
    media_type: str
    raw: bytes
    received_at: Millis
    authenticity: Authenticity
    content: bytes = b""
    thread: Thread | None = None
    joins: str | None = None
    receipt_wanted: bool = True
    sequential: bool = False
    backfill: bool = False
    hints: Mapping[str, str] = field(default_factory=dict)

    def content_digest(self) -> bytes:
        return self.content or hashlib.sha256(self.raw).digest()


@value
class Accepted:
    """The gateway's word that an envelope is durable. `duplicate`: it already was, under this receipt.

    `supplement`: it joined a matter that was open already, so the receipt is an earlier one.
    """

    envelope_id: str
    receipt: Receipt | None
    duplicate: bool = False
    supplement: bool = False
