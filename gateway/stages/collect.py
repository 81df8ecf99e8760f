"""Attachments that lie at the other side: fetched at once, kept under their SHA-256, and told to the complaint.

What was fetched comes back as an envelope of the same matter (`contract/collected.py`), keyed by the duty: the complaint
gets a new version, systems of record an update of the one ticket, and doing it twice changes nothing.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass, replace

from gateway.contract.clock import Clock, Millis
from gateway.contract.collected import COLLECTED, write_collected
from gateway.contract.complaint import Complaint
from gateway.contract.draft import Collected
from gateway.contract.envelope import Envelope
from gateway.contract.errors import Rejected, TryLater
from gateway.contract.pages.uploads import sniff_type
from gateway.contract.ports import Accept, Collect, Event, Transcriber
from gateway.ops.killpoints import point
from gateway.ops.logs import log
from gateway.stages.commit import commit
from gateway.stages.forward import report
from gateway.stages.reading import Read
from gateway.stages.settle import settle
from gateway.states import DutyState
from gateway.store.blobs import Blobs, TooLarge
from gateway.store.port import Store, StoreUnavailable
from gateway.store.rows import Duty, NewDuty, Settled, Target

CONCURRENCY = 8
LIMIT_S = 120.0
"""For one attempt: 10 MB at 85 kB/s."""
FETCH, TRANSCRIBE = "fetch", "transcribe"
_SNIFFED_BYTES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to fetch, as it stands in `duty.to`. `until_ms`: the other side has thrown it away by then. `size` and `sha256`
    once it is here (for the step after).
    """

    remote: str
    media_type: str
    until_ms: int
    speech: bool = False
    backfill: bool = False
    size: int = 0
    sha256: str = ""


def plan_fetches(read: Read, channel: str, kept_s: int, now: Millis, *, backfill: bool) -> list[NewDuty]:
    """One duty per attachment. What an archive names and the other side has long thrown away is not asked for."""
    until_ms = read.sent_ms + kept_s * 1000
    if backfill and until_ms <= now:
        return []
    return [
        _plan(
            FETCH,
            channel,
            Order(
                remote=each.remote,
                media_type=each.media_type,
                until_ms=until_ms,
                speech=each.remote in read.unheard,
                backfill=backfill,
            ),
            read.event,
            now,
        )
        for each in read.remote
    ]


class Collecting:
    """One per channel, so that a slow side never delays another. `transcriber`: None where nobody writes speech down."""

    def __init__(
        self,
        instance: str,
        channel: Collect,
        store: Store,
        blobs: Blobs,
        accept: Accept,
        clock: Clock,
        transcriber: Transcriber | None,
        *,
        lease_s: float,
    ) -> None:
        self._instance = instance
        self._channel = channel
        self._store = store
        self._blobs = blobs
        self._accept = accept
        self._clock = clock
        self._transcriber = transcriber
        self._lease_s = lease_s
        self._lease_ms = round(lease_s * 1000)

    async def work(self) -> int:
        duties = await self._store.claim_duties(
            Target.COLLECT, self._instance, CONCURRENCY, self._clock.now_ms(), self._lease_ms
        )
        if not duties:
            return 0
        # A large file over a slow line may take longer than a lease.
        heart = asyncio.create_task(self._hold(duties))
        try:
            outcomes = await asyncio.gather(*(self._try(duty) for duty in duties))
        finally:
            heart.cancel()
            await asyncio.gather(heart, return_exceptions=True)
        point("collect.after_keep")
        now = self._clock.now_ms()
        settled = [_conclude(duty, outcome, now) for duty, outcome in zip(duties, outcomes, strict=True)]
        kept = await commit(self._store.settle, settled, now, lambda one, error: _conclude(one.duty, error, now))
        report(settled, outcomes, kept)
        return len(duties)

    async def _hold(self, duties: Sequence[Duty]) -> None:
        while True:
            await asyncio.sleep(self._lease_s / 3)
            try:
                await self._store.extend(duties, self._clock.now_ms(), self._lease_ms)
            except StoreUnavailable as error:
                log.warning("collect.waits_for_store", channel=self._instance, reason=str(error))

    async def _try(self, duty: Duty) -> Settled | Exception:
        order = _read_order(duty)
        try:
            async with asyncio.timeout(LIMIT_S):
                return await (self._transcribe if duty.step == TRANSCRIBE else self._fetch)(duty, order)
        except TimeoutError:
            return TryLater("timeout")
        except StoreUnavailable as error:
            return TryLater("store_unavailable", after_s=error.after_s)
        except Exception as error:
            return error

    async def _fetch(self, duty: Duty, order: Order) -> Settled:
        limit = self._channel.limit_bytes
        async with self._channel.collect(order.remote) as media:
            if media.size is not None and media.size > limit:
                raise _refuse_size()
            try:
                blob = await self._blobs.keep(self._judge(media.chunks, order), limit)
            except TooLarge:
                raise _refuse_size() from None
        media_type = sniff_type(blob.head) or order.media_type
        if media_type == "text/plain":  # no signature, and bytes that happen to be letters: what the channel says holds
            media_type = order.media_type
        found = Collected(remote=order.remote, media_type=media_type, size=blob.size, sha256=blob.sha256)
        await self._tell(duty, order, found, "")
        then = None
        if order.speech and self._transcriber is not None:
            heard = replace(order, media_type=media_type, size=blob.size, sha256=blob.sha256)
            then = _plan(TRANSCRIBE, self._instance, heard, duty.event, self._clock.now_ms())
        return Settled(duty=duty, state=DutyState.DONE, reference=f"sha256:{blob.sha256}", then=then)

    async def _transcribe(self, duty: Duty, order: Order) -> Settled:
        if self._transcriber is None:
            raise Rejected("speech_off", "The settings no longer name a [speech] service. Listen to the recording.")
        try:
            sound = await self._blobs.read(order.sha256)
        except KeyError:
            raise Rejected("attachment_missing", "The file is gone from the folder of attachments.") from None
        words = (await self._transcriber.transcribe(sound, order.media_type)).strip()
        if not words:
            raise Rejected("speech_without_words", "The service heard no words. Listen to the recording.")
        found = Collected(
            remote=order.remote,
            media_type=order.media_type,
            size=order.size,
            sha256=order.sha256,
            transcribed=True,
        )
        await self._tell(duty, order, found, words)
        return Settled(duty=duty, state=DutyState.DONE, reference=f"sha256:{order.sha256}")

    async def _judge(self, chunks: AsyncIterator[bytes], order: Order) -> AsyncIterator[bytes]:
        """The same bytes, once the first of them show a kind that is taken: a page with an error is no picture."""
        head = b""
        async for chunk in chunks:
            if len(head) >= _SNIFFED_BYTES:
                yield chunk
                continue
            head += chunk
            if len(head) >= _SNIFFED_BYTES:
                self._check(head, order)
                yield head
        if len(head) < _SNIFFED_BYTES:
            self._check(head, order)
            yield head

    def _check(self, head: bytes, order: Order) -> None:
        if not head:
            raise Rejected("collect_empty", "The other side gave no bytes.")
        media_type = sniff_type(head)
        # Some sound has no signature (raw speex, silk), and a file may be anything; what is said to be a picture may not.
        unsigned = order.media_type.startswith(("audio/", "application/"))
        known = order.media_type if unsigned and media_type in (None, "text/plain") else media_type
        if known is None or not known.startswith(tuple(self._channel.takes)):
            raise Rejected("collect_type_refused", "The bytes are not of a kind that this channel's attachments have.")

    async def _tell(self, duty: Duty, order: Order, found: Collected, words: str) -> None:
        complaint = Complaint.model_validate_json(duty.document)
        envelope = Envelope(
            channel=self._instance,
            adapter=complaint.channel.party,
            source_key=f"{duty.step}:{duty.id}",
            media_type=COLLECTED,
            raw=write_collected(found, words),
            # A second try may hear other words; it is the same duty all the same.
            content=hashlib.sha256(duty.id.encode()).digest(),
            received_at=self._clock.now_ms(),
            authenticity=complaint.authenticity,
            joins=duty.receipt,
            receipt_wanted=False,
            backfill=order.backfill,
        )
        await self._accept([envelope])


def _refuse_size() -> Rejected:
    return Rejected("collect_too_large", "The attachment is larger than the channel's limit.")


def _conclude(duty: Duty, outcome: Settled | Exception, now: Millis) -> Settled:
    settled = outcome if isinstance(outcome, Settled) else settle(duty, outcome, now)
    order = _read_order(duty)
    if duty.step == FETCH and settled.state is DutyState.WAITING and settled.due_ms >= order.until_ms:
        detail = f"It was not to be had while the other side kept it; the last failure was {settled.code}."
        return Settled(duty=duty, state=DutyState.PARKED, code="collect_expired", detail=detail)
    return settled


def _plan(step: str, channel: str, order: Order, event: Event, now: Millis) -> NewDuty:
    to = json.dumps(asdict(order), ensure_ascii=False)
    return NewDuty(target=Target.COLLECT, instance=channel, step=step, event=event, to=to, due_ms=now)


def _read_order(duty: Duty) -> Order:
    return Order(**json.loads(duty.to))
