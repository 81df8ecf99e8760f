"""A customer's words through the whole of `normalize`, with a small bank's tables."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from config.codes import load_codes
from gateway.contract.complaint import Authenticity, Complaint
from gateway.contract.draft import Draft
from normalizers.normalize import Reading, Tables, normalize
from tests.contract.house import BRANCHES

RECEIVED = datetime(2026, 11, 26, 2, 0, tzinfo=UTC)
"""Thursday 26 November 2026, 10:00 in Shanghai."""
READING = Reading(
    id="0" * 32,
    receipt=None,
    version=1,
    party="hotline",
    instance="95561",
    source_key="call:1",
    thread_key=None,
    received_at=RECEIVED,
    authenticity=Authenticity(verified=True, method="key"),
    envelope_sha256="0" * 64,
    rules_version="test",
)
TABLES = Tables(
    branches=BRANCHES,
    codes=load_codes(None),
    profile="cbirc-2020-3",
    decide_days=15,
    timezone="Asia/Shanghai",
    bank_numbers=frozenset({"95561"}),
)


def read(text: str = "", *, received: datetime = RECEIVED, **fields: object) -> Complaint:
    return read_all([Draft(text=text, **fields)], received=received)  # type: ignore[arg-type]


def read_all(drafts: Sequence[Draft], *, received: datetime = RECEIVED) -> Complaint:
    return normalize(drafts, replace(READING, received_at=received), TABLES)
