"""An envelope as the columns of its rows, and back: what is known of it for ever, and what it said.

What it said is always asked for by ids that are known, in a statement of its own: PostgreSQL then opens the partitions
it lies in and no other, which a join would do for all of them.

What no statement asks for is one column of JSON, the head: a value bound to a statement costs as much as a small index.
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
_SAID = Statement(
    select(envelopes.c.id, envelopes.c.head, envelopes.c.raw).where(is_in(envelopes.c.id, "ids")), ("ids",)
)


def read_said(ids: Collection[str]) -> Plan[dict[str, tuple[bytes, bytes]]]:
    """Head and raw, sealed, of those of these envelopes that are not forgotten."""
    return {row[0]: (row[1], row[2]) for row in (yield from ask_for(_SAID, list(ids)))}


def seal_envelope(envelope: Envelope, envelope_id: str, vault: Vault, now: Millis) -> tuple[bytes, bytes]:
    """Head and raw, for their columns."""
    head = vault.seal(_write_head(envelope), _name_head(envelope_id), now)
    return head, vault.seal(envelope.raw, f"raw/{envelope_id}", now)


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


def read_envelope(vault: Vault, envelope_id: str, facts: Sequence[Any], said: tuple[bytes, bytes]) -> Envelope:
    """`content` is not given back: only its mark is kept. Raises as Vault.unseal does."""
    channel, received_ms = facts
    head, raw = said
    told = _open_head(vault, envelope_id, head)
    thread = told.get("thread")
    return Envelope(
        channel=channel,
        adapter=told["adapter"],
        source_key=told["key"],
        media_type=told["type"],
        raw=vault.unseal(raw, f"raw/{envelope_id}"),
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


def read_source_key(vault: Vault, envelope_id: str, head: bytes) -> str:
    key: str = _open_head(vault, envelope_id, head)["key"]
    return key


def _open_head(vault: Vault, envelope_id: str, head: bytes) -> dict[str, Any]:
    told: dict[str, Any] = orjson.loads(vault.unseal(head, _name_head(envelope_id)))
    return told


def _name_head(envelope_id: str) -> str:
    return f"head/{envelope_id}"


# A channel has a handful of them.
@lru_cache(256)
def _write_authenticity(authenticity: Authenticity) -> orjson.Fragment:
    return orjson.Fragment(orjson.dumps([authenticity.verified, authenticity.method, authenticity.detail]))


@lru_cache(256)
def _read_authenticity(verified: bool, method: str, detail: str) -> Authenticity:
    return Authenticity(verified=verified, method=method, detail=detail)
