"""What a duty brought to light comes back as an envelope of ours: it joins the matter as any word of the customer does, so
a complaint can be read again from its envelopes alone, and a duty done twice changes nothing.
"""

import hashlib

from gateway.contract.clock import Millis
from gateway.contract.complaint import Complaint
from gateway.contract.envelope import Envelope
from gateway.store.rows import Duty


def make_joining(duty: Duty, media_type: str, raw: bytes, now: Millis, *, backfill: bool = False) -> Envelope:
    complaint = Complaint.model_validate_json(duty.document)
    return Envelope(
        channel=complaint.channel.instance,
        adapter=complaint.channel.party,
        source_key=f"{duty.step}:{duty.id}",
        media_type=media_type,
        raw=raw,
        # A second try may bring other words; it is the same duty all the same.
        content=hashlib.sha256(duty.id.encode()).digest(),
        received_at=now,
        authenticity=complaint.authenticity,
        joins=duty.receipt,
        receipt_wanted=False,
        backfill=backfill,
    )
