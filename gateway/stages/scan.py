"""Attachments are looked at for malware after the complaint was registered; the complaint never waits for it.

What was found comes back as an envelope of the same matter (`contract/scanned.py`): the complaint gets a new version, and
systems of record an update of the one ticket.
"""

import asyncio
import json
from collections.abc import Sequence

from gateway.contract.clock import Clock, Millis
from gateway.contract.complaint import CLEAN, INFECTED, UNSCANNED
from gateway.contract.draft import Scanned
from gateway.contract.errors import Rejected, TryLater
from gateway.contract.ports import Accept, Event, Scanner
from gateway.contract.receipt import Receipt
from gateway.contract.scanned import SCANNED, write_scanned
from gateway.stages.attachments import Attachments, list_attachments, refuse_closed
from gateway.stages.commit import commit
from gateway.stages.forward import report
from gateway.stages.holding import held
from gateway.stages.joining import make_joining
from gateway.stages.settle import settle
from gateway.states import DutyState
from gateway.store.port import Store, StoreUnavailable
from gateway.store.rows import Duty, NewDuty, Settled, Target, Trace
from gateway.store.vault import Erased, Tampered

CONCURRENCY = 4
INSTANCE = "scan"
STEP = "scan"
_PAGE = 500


def plan_scan(brought: Sequence[str], event: Event, now: Millis) -> list[NewDuty]:
    """One duty for all that one envelope brought (SHA-256 each)."""
    if not brought:
        return []
    to = json.dumps(brought)
    return [NewDuty(target=Target.SCAN, instance=INSTANCE, step=STEP, event=event, to=to, due_ms=now)]


async def owe_missed(store: Store, since: Millis, now: Millis) -> int:
    """Duties for what nobody has looked at, in complaints with an envelope received since then, none twice. Returns how
    many complaints there are; reads all of their envelopes, one after the other.
    """
    seen: set[Receipt] = set()
    last, count = "", 0
    while page := await store.find_kept("", since, now, last, _PAGE):
        last = page[-1]
        for envelope_id in page:
            item = await store.find_envelope(envelope_id)
            if item is None or item.receipt is None or item.receipt in seen:
                continue
            seen.add(item.receipt)
            trace = await store.trace(item.receipt)
            if trace is not None and (duties := plan_scan(_find_missed(trace), Event.REREAD, now)):
                count += await store.owe(item.receipt, duties, now)
    return count


def _find_missed(trace: Trace) -> list[str]:
    unfinished = (DutyState.WAITING, DutyState.PARKED)
    if any(duty.target is Target.SCAN and duty.state in unfinished for duty in trace.duties):
        return []
    return [each.sha256 for each in list_attachments(trace) if each.sha256 and not each.note and not each.scan]


class Scanning:
    """`passes`: while the scanner is away, attachments are marked as not scanned instead of waiting for it."""

    def __init__(
        self,
        scanner: Scanner,
        store: Store,
        attachments: Attachments,
        accept: Accept,
        clock: Clock,
        *,
        passes: bool,
        lease_s: float,
    ) -> None:
        self._scanner = scanner
        self._store = store
        self._attachments = attachments
        self._accept = accept
        self._clock = clock
        self._passes = passes
        self._lease_s = lease_s

    async def work(self) -> int:
        duties = await self._store.claim_duties(
            Target.SCAN, INSTANCE, CONCURRENCY, self._clock.now_ms(), round(self._lease_s * 1000)
        )
        if not duties:
            return 0
        async with held(self._store, duties, self._clock, self._lease_s):
            outcomes = await asyncio.gather(*(self._try(duty) for duty in duties))
        now = self._clock.now_ms()
        settled = [
            outcome if isinstance(outcome, Settled) else settle(duty, outcome, now)
            for duty, outcome in zip(duties, outcomes, strict=True)
        ]
        kept = await commit(self._store.settle, settled, now, lambda one, error: settle(one.duty, error, now))
        report(settled, outcomes, kept)
        return len(duties)

    async def _try(self, duty: Duty) -> Settled | Exception:
        try:
            found = [Scanned(sha256=each, result=await self._scan(duty, each)) for each in json.loads(duty.to)]
            await self._accept([make_joining(duty, SCANNED, write_scanned(found), self._clock.now_ms())])
        except StoreUnavailable as error:
            return TryLater("store_unavailable", after_s=error.after_s)
        except Exception as error:
            return error
        return Settled(duty=duty, state=DutyState.DONE)

    async def _scan(self, duty: Duty, sha256: str) -> str:
        """An `AttachmentRef.scan`. Raises TryLater while the scanner is away, and StoreUnavailable."""
        try:
            content = await self._attachments.read(duty.receipt, sha256)
        except KeyError:
            return f"{UNSCANNED}attachment_missing"
        except (Erased, Tampered) as error:
            return f"{UNSCANNED}{refuse_closed(error).code}"
        try:
            name = await self._scanner.scan(content)
        except Rejected as error:
            return f"{UNSCANNED}{error.code}"
        except TryLater as error:
            if not self._passes:
                raise
            return f"{UNSCANNED}{error.code}"
        return f"{INFECTED}{name}" if name else CLEAN
