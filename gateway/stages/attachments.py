"""The bytes of what a complaint carries, wherever they lie: in the envelope they came in, or in the blobs if they were
fetched. Nobody gets what a scanner calls infected, has not seen yet, or is over the limits.
"""

import asyncio
import hashlib
from collections.abc import Sequence

from gateway.contract.complaint import INFECTED, AttachmentRef, Complaint
from gateway.contract.envelope import Envelope
from gateway.contract.errors import AdapterError, Rejected, TryLater
from gateway.contract.receipt import Receipt
from gateway.stages.reading import Reader
from gateway.store.blobs import Blobs
from gateway.store.port import Store
from gateway.store.rows import Trace
from gateway.store.vault import Erased, Tampered


class Attachments:
    """`scanning`: a scanner is on, so what it has not seen waits."""

    def __init__(self, store: Store, blobs: Blobs, reader: Reader, *, scanning: bool) -> None:
        self._store = store
        self._blobs = blobs
        self._reader = reader
        self._scanning = scanning

    async def hand_out(self, receipt: Receipt, sha256: str) -> bytes:
        """For those outside the house. Raises Rejected, TryLater (`attachment_not_scanned`) and StoreUnavailable."""
        try:
            return await self._hand_out(receipt, sha256)
        except KeyError:
            raise Rejected(
                "attachment_missing", "The complaint carries no such file, or its bytes are not here."
            ) from None
        except (Erased, Tampered) as error:
            raise refuse_closed(error) from None

    async def _hand_out(self, receipt: Receipt, sha256: str) -> bytes:
        trace = await self._store.trace(receipt)
        reference = next((each for each in list_attachments(trace) if each.sha256 == sha256), None)
        if trace is None or reference is None or not sha256:
            raise KeyError(sha256)
        if reference.scan.startswith(INFECTED):
            raise Rejected("attachment_infected", "The scanner found malware in it; it stays in the house.")
        if reference.note:
            raise Rejected("attachment_over_limit", "It is over the limits of [attachments]; it stays as it came.")
        if not reference.may_leave(scanning=self._scanning):
            raise TryLater("attachment_not_scanned", "The scanner has not seen it yet.")
        return await self._find(trace, sha256)

    async def read(self, receipt: Receipt, sha256: str) -> bytes:
        """For the house itself, whatever a scanner says. Raises KeyError where there is none, Erased, Tampered and
        StoreUnavailable.
        """
        trace = await self._store.trace(receipt)
        if trace is None:
            raise KeyError(sha256)
        return await self._find(trace, sha256)

    async def _find(self, trace: Trace, sha256: str) -> bytes:
        try:
            return await self._blobs.read(sha256)
        except KeyError:
            item = await self._store.find_envelope(trace.envelopes[0].id)
            if item is None:
                raise
            return await asyncio.to_thread(self._search, (item.envelope, *item.earlier), sha256)

    def _search(self, envelopes: Sequence[Envelope], sha256: str) -> bytes:
        for envelope in envelopes:
            try:
                draft = self._reader.draft(envelope)
            except AdapterError:
                continue
            for attachment in draft.attachments:
                if attachment.content is not None and hashlib.sha256(attachment.content).hexdigest() == sha256:
                    return attachment.content
        raise KeyError(sha256)


def list_attachments(trace: Trace | None) -> Sequence[AttachmentRef]:
    """As the newest version of the complaint tells of them."""
    if trace is None or not trace.versions:
        return ()
    return Complaint.model_validate_json(trace.versions[-1][3]).attachments


def refuse_closed(error: Erased | Tampered) -> Rejected:
    if isinstance(error, Erased):
        return Rejected("attachment_erased", "Its time was over, and the key that opened it was destroyed.")
    return Rejected("attachment_changed", "Its file was changed on the disk; look for it in a backup.")
