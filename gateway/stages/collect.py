"""Attachments that lie at the other side: fetched at once, kept under their SHA-256, and told to the complaint.

What was fetched comes back as an envelope of the same matter (`contract/collected.py`), keyed by the duty: the complaint
gets a new version, systems of record an update of the one ticket, and doing it twice changes nothing.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, replace

from gateway.contract.clock import Clock, Millis
from gateway.contract.collected import COLLECTED, write_collected
from gateway.contract.complaint import Note
from gateway.contract.draft import Collected
from gateway.contract.errors import Rejected, TryLater
from gateway.contract.file_type import TEXT, sniff_type, tell_type
from gateway.contract.ports import Accept, Collect, Event, Transcriber
from gateway.ops.killpoints import point
from gateway.stages.attachments import refuse_closed
from gateway.stages.commit import commit
from gateway.stages.forward import report
from gateway.stages.holding import held
from gateway.stages.joining import make_joining
from gateway.stages.reading import Read
from gateway.stages.settle import settle
from gateway.states import DutyState
from gateway.store.blobs import Blobs, TooLarge
from gateway.store.port import Store, StoreUnavailable
from gateway.store.rows import FILE, Duty, NewDuty, Settled, Target
from gateway.store.vault import Erased, Tampered

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
    """One per channel, so that a slow side never delays another. `transcriber`: None where nobody writes speech down.
    `limit_bytes`: of one file, whatever the channel would take.
    """

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
        limit_bytes: int,
    ) -> None:
        self._instance = instance
        self._channel = channel
        self._store = store
        self._blobs = blobs
        self._accept = accept
        self._clock = clock
        self._transcriber = transcriber
        self._lease_s = lease_s
        self._limit_bytes = limit_bytes

    async def work(self) -> int:
        duties = await self._store.claim_duties(
            Target.COLLECT, self._instance, CONCURRENCY, self._clock.now_ms(), round(self._lease_s * 1000)
        )
        if not duties:
            return 0
        # A large file over a slow line may take longer than a lease.
        async with held(self._store, duties, self._clock, self._lease_s):
            outcomes = await asyncio.gather(*(self._try(duty) for duty in duties))
        point("collect.after_keep")
        now = self._clock.now_ms()
        settled = [_conclude(duty, outcome, now) for duty, outcome in zip(duties, outcomes, strict=True)]
        kept = await commit(self._store.settle, settled, now, lambda one, error: _conclude(one.duty, error, now))
        report(settled, outcomes, kept)
        return len(duties)

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
        limit = min(self._channel.limit_bytes, self._limit_bytes)
        try:
            async with self._channel.collect(order.remote) as media:
                _check_size(media.size or 0, limit)
                blob = await self._blobs.keep(self._judge(media.chunks, order), limit, duty.complaint_id)
        except TooLarge:
            # The complaint says so, and a person may ask for it another way.
            left = Collected(remote=order.remote, media_type=order.media_type, size=0, sha256="", note=Note.TOO_LARGE)
            await self._tell(duty, order, left, "")
            raise Rejected("collect_too_large", "The attachment is larger than the limit.") from None
        media_type = tell_type(blob.head, order.media_type)
        found = Collected(remote=order.remote, media_type=media_type, size=blob.size, sha256=blob.sha256)
        await self._tell(duty, order, found, "")
        then = None
        if order.speech and self._transcriber is not None:
            heard = replace(order, media_type=media_type, size=blob.size, sha256=blob.sha256)
            then = _plan(TRANSCRIBE, self._instance, heard, duty.event, self._clock.now_ms())
        return Settled(
            duty=duty, state=DutyState.DONE, reference=f"{FILE}{self._blobs.find_name(blob.sha256)}", then=then
        )

    async def _transcribe(self, duty: Duty, order: Order) -> Settled:
        if self._transcriber is None:
            raise Rejected("speech_off", "The settings no longer name a [speech] service. Listen to the recording.")
        try:
            sound = await self._blobs.read(order.sha256)
        except KeyError:
            raise Rejected("attachment_missing", "The file is gone from the folder of attachments.") from None
        except (Erased, Tampered) as error:
            raise refuse_closed(error) from None
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
        return Settled(duty=duty, state=DutyState.DONE, reference=f"{FILE}{self._blobs.find_name(order.sha256)}")

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
        known = order.media_type if unsigned and media_type in (None, TEXT) else media_type
        if known is None or not known.startswith(tuple(self._channel.takes)):
            raise Rejected("collect_type_refused", "The bytes are not of a kind that this channel's attachments have.")

    async def _tell(self, duty: Duty, order: Order, found: Collected, words: str) -> None:
        now, raw = self._clock.now_ms(), write_collected(found, words)
        await self._accept([make_joining(duty, COLLECTED, raw, now, backfill=order.backfill)])


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise TooLarge


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
