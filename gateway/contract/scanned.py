"""What a scanner said of attachments, as an envelope of ours: it joins the matter, so that a complaint can always be read
again from its envelopes alone, and every system of record learns of it once.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict

from gateway.contract.draft import Draft, Scanned
from gateway.contract.envelope import Envelope

SCANNED = "application/vnd.huiyin.scanned+json"
"""The media type of such an envelope; it carries the channel of the complaint."""


def write_scanned(found: Sequence[Scanned]) -> bytes:
    return json.dumps([asdict(each) for each in found]).encode()


def read_scanned(envelope: Envelope) -> Draft:
    return Draft(scanned=tuple(Scanned(**each) for each in json.loads(envelope.raw)))
