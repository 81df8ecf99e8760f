"""How far a matter is: what the status page shows, and what a channel is told when a customer asks in it."""

import asyncio
import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gateway.contract.call import Reply
from gateway.contract.clock import Millis, to_datetime
from gateway.contract.complaint import Kind
from gateway.contract.pages.form_page import DECIDE_DAYS
from gateway.contract.pages.links import write_status_link
from gateway.contract.ports import House
from gateway.contract.progress import Ask, Progress, Untold
from gateway.ops.logs import log
from gateway.states import DutyState, EnvelopeState
from gateway.store.port import Store, StoreUnavailable
from gateway.store.rows import Target, Trace

ANSWER_LIMIT_S = 2.5
"""WeChat waits 5 s for the whole reply; better to say that it cannot be told now."""


class Teller:
    """Answers the Asks of channels from the store."""

    def __init__(self, store: Store, house: House, *, limit_s: float = ANSWER_LIMIT_S) -> None:
        self._store = store
        self._house = house
        self._zone = ZoneInfo(house.timezone)
        self._limit_s = limit_s

    async def tell(self, channel: str, ask: Ask) -> Reply:
        """`channel` is the instance that asks: nobody learns of matters of another one."""
        try:
            async with asyncio.timeout(self._limit_s):
                told = await self._find(channel, ask)
        except (StoreUnavailable, TimeoutError) as error:
            log.warning("progress.untold", channel=channel, code=type(error).__name__)
            told = Untold.AWAY
        return ask.write(told)

    async def _find(self, channel: str, ask: Ask) -> Progress | Untold:
        receipt = ask.receipt or await self._store.find_matter(channel, ask.thread, sequential=ask.sequential)
        trace = await self._store.trace(receipt) if receipt else None
        if trace is None or not any((e.channel, e.thread) == (channel, ask.thread) for e in trace.envelopes):
            return Untold.UNKNOWN
        return Progress(
            receipt=trace.receipt,
            steps=[(name, at) for at, name in sorted(find_events(trace))],
            deadline=find_deadline(trace, self._zone),
            link=write_status_link(self._house, trace.receipt),
        )


def read_latest(trace: Trace) -> Any:
    """The latest complaint document; before registration one that says nothing."""
    if trace.versions:
        return json.loads(trace.versions[-1][3])
    return {"complainant": {"phones": []}, "kind": "", "due": None}


def find_events(trace: Trace) -> Iterator[tuple[Millis, str]]:
    """(when, key of `[status]`) for all that has happened. 完毕, 查询 and answers of machines are no news."""
    yield trace.envelopes[0].received_at, "received"
    for envelope in trace.envelopes[1:]:
        if envelope.receipt_wanted and envelope.state is not EnvelopeState.DISMISSED:
            withdrawn = envelope.source_key.startswith(f"status:{trace.receipt}:withdraw:")
            yield envelope.received_at, "withdrawn" if withdrawn else "supplemented"
    if trace.versions:
        yield trace.versions[0][2], "registered"
    sent = [duty.done_ms for duty in trace.duties if duty.target is Target.SYSTEM and duty.state is DutyState.DONE]
    if times := [at for at in sent if at is not None]:
        yield min(times), "forwarded"
    for row in trace.history:
        if row.event == "complaint.closed":
            yield row.at, "closed"


def find_deadline(trace: Trace, zone: ZoneInfo) -> date | None:
    """The last day of an answer, at the bank. Praise, suggestions and questions have none."""
    complaint = read_latest(trace)
    if complaint["kind"] not in ("", Kind.COMPLAINT):
        return None
    if complaint["due"]:
        return datetime.fromisoformat(complaint["due"]["decide_at"]).astimezone(zone).date()
    return to_datetime(trace.envelopes[0].received_at).astimezone(zone).date() + timedelta(days=DECIDE_DAYS)
