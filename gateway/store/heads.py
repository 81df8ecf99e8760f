"""An envelope as the columns of its rows, and back: what is known of it for ever, and what it said.

What it said is always asked for by ids that are known, in a statement of its own: PostgreSQL then opens the partitions
it lies in and no other, which a join would do for all of them.

What no statement asks for is one sealed column, the raw bytes behind a head of JSON: a value bound to a statement costs
as much as a small index, and sealing once half of sealing twice.
"""

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import select

from gateway.contract.clock import Millis
from gateway.contract.complaint import Authenticity
from gateway.contract.envelope import Envelope, Thread
from gateway.store.plan import Plan, Statement, ask_for, is_in
from gateway.store.tables import envelopes, inbox
from gateway.store.vault import Vault

FACTS = (inbox.c.channel, inbox.c.received_ms)
"""What `read_envelope` takes, beside what `read_said` finds."""
_SAID = Statement(select(envelopes.c.id, envelopes.c.said).where(is_in(envelopes.c.id, "ids")), ("ids",))
_LENGTH = 4
"""Bytes that say how long the head is."""


def read_said(ids: Collection[str]) -> Plan[dict[str, bytes]]:
    """What those of these envelopes said that are not forgotten, sealed."""
    return {row[0]: row[1] for row in (yield from ask_for(_SAID, list(ids)))}


def seal_envelopes(envelopes: Sequence[tuple[str, Envelope]], vault: Vault, now: Millis) -> list[bytes]:
    """What each of them said, sealed; they come with their ids."""
    return vault.seal_each([(_write_said(envelope), _name(each_id)) for each_id, envelope in envelopes], now)


def _write_said(envelope: Envelope) -> bytes:
    head = _write_head(envelope)
    return len(head).to_bytes(_LENGTH, "big") + head + envelope.raw


def _write_head(envelope: Envelope) -> bytes:
    """JSON of everything that has no column of its own; what is as usual is left out."""
    head: dict[str, Any] = {
        "adapter": envelope.adapter,
        "key": envelope.source_key,
        "type": envelope.media_type,
        "authenticity": _write_authenticity(envelope.authenticity),
    }
    if thread := envelope.thread:
        head["thread"] = thread.key
        if thread.window_ms is not None:
            head["window_ms"] = thread.window_ms
        if thread.ends:
            head["ends"] = True
    if envelope.joins:
        head["joins"] = envelope.joins
    if not envelope.receipt_wanted:
        head["no_receipt"] = True
    if envelope.backfill:
        head["backfill"] = True
    if envelope.hints:
        head["hints"] = dict(envelope.hints)
    return orjson.dumps(head)


def read_envelope(vault: Vault, envelope_id: str, facts: Sequence[Any], said: bytes) -> Envelope:
    """`content` is not given back: only its mark is kept. Raises as Vault.unseal does."""
    channel, received_ms = facts
    told, raw = _open(vault, envelope_id, said)
    thread = told.get("thread")
    return Envelope(
        channel=channel,
        adapter=told["adapter"],
        source_key=told["key"],
        media_type=told["type"],
        raw=raw,
        received_at=Millis(received_ms),
        authenticity=_read_authenticity(*told["authenticity"]),
        thread=None
        if thread is None
        else Thread(key=thread, window_ms=told.get("window_ms"), ends=told.get("ends", False)),
        joins=told.get("joins"),
        receipt_wanted="no_receipt" not in told,
        backfill="backfill" in told,
        hints=told.get("hints", {}),
    )


def read_source_key(vault: Vault, envelope_id: str, said: bytes) -> str:
    key: str = _open(vault, envelope_id, said)[0]["key"]
    return key


def _open(vault: Vault, envelope_id: str, said: bytes) -> tuple[dict[str, Any], bytes]:
    opened = vault.unseal(said, _name(envelope_id))
    end = _LENGTH + int.from_bytes(opened[:_LENGTH], "big")
    return orjson.loads(opened[_LENGTH:end]), opened[end:]


def _name(envelope_id: str) -> str:
    return f"envelope/{envelope_id}"


# A channel has a handful of them.
@lru_cache(256)
def _write_authenticity(authenticity: Authenticity) -> orjson.Fragment:
    return orjson.Fragment(orjson.dumps([authenticity.verified, authenticity.method, authenticity.detail]))


@lru_cache(256)
def _read_authenticity(verified: bool, method: str, detail: str) -> Authenticity:
    return Authenticity(verified=verified, method=method, detail=detail)
