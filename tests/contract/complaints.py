"""Complaints as the register stage writes them, for systems of record."""

from datetime import UTC, datetime

from gateway.contract.complaint import (
    Authenticity,
    ChannelRef,
    Complainant,
    Complaint,
    Due,
    Kind,
    Provenance,
)
from gateway.contract.ports import Delivery, Event
from gateway.contract.receipt import Receipt, make_receipt
from gateway.contract.verdict import Level, Verdict

MOMENT = datetime(2026, 1, 1, 2, tzinfo=UTC)
RECEIPT = make_receipt(47_110_815_424)


def make_document(
    receipt: Receipt = RECEIPT, version: int = 1, title: str = "卡被吞", narrative: str = "自助机吞卡"
) -> bytes:
    complaint = Complaint(
        id="01928e10-193e-7231-b9a2-279e0d16bc46",
        receipt=receipt,
        version=version,
        kind=Kind.COMPLAINT,
        channel=ChannelRef(party="hotline", instance="95561"),
        source_key="call:1",
        received_at=MOMENT,
        complainant=Complainant(name="张小明", phones=("13800000000",)),
        title=title,
        narrative=narrative,
        verdict=Verdict(level=Level.HIGH, made_by="triage.toml@1"),
        due=Due(acknowledge_at=MOMENT, decide_at=MOMENT, profile="cbirc-2020-3"),
        authenticity=Authenticity(verified=True, method="key"),
        provenance=Provenance(envelope_sha256="0" * 64, adapter="hotline", rules_version="1"),
    )
    return complaint.model_dump_json().encode()


def make_delivery(
    identifier: str = "d-1",
    *,
    receipt: Receipt = RECEIPT,
    version: int = 1,
    event: Event = Event.REGISTERED,
    step: str = "create",
    attempt: int = 1,
    document: bytes | None = None,
    title: str = "卡被吞",
) -> Delivery:
    return Delivery(
        id=identifier,
        step=step,
        event=event,
        receipt=receipt,
        version=version,
        attempt=attempt,
        document=make_document(receipt, version, title) if document is None else document,
        uncertain=attempt > 1,
    )
