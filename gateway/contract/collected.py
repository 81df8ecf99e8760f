"""What was fetched from a channel's own servers, as an envelope of ours: it joins the matter like any other word of the
customer, so a complaint can always be read again from its envelopes alone, and every system learns of it once.
"""

import json

from gateway.contract.draft import Collected, Draft
from gateway.contract.envelope import Envelope

COLLECTED = "application/vnd.huiyin.collected+json"
"""The media type of such an envelope; it carries the instance of the channel that named the attachment."""


def write_collected(found: Collected, words: str = "") -> bytes:
    """`words`: what was heard in it; the bytes themselves lie in the blob store under their SHA-256."""
    fields = {
        "remote": found.remote,
        "media_type": found.media_type,
        "size": found.size,
        "sha256": found.sha256,
        "transcribed": found.transcribed,
        "note": found.note,
        "words": words,
    }
    return json.dumps(fields, ensure_ascii=False).encode()


def read_collected(envelope: Envelope) -> Draft:
    fields = json.loads(envelope.raw)
    words = fields.pop("words")
    return Draft(text=words, collected=(Collected(**fields),))
