"""What a customer adds on the status page, or that they withdraw: one body of our own, whatever channel began the matter.

Order 2020-3 art. 15: a withdrawal ends the procedure on the day it is received, so it goes to the system of record like
any other word of the customer.
"""

import json

from gateway.contract.draft import Draft
from gateway.contract.envelope import Envelope
from gateway.contract.pages.languages import TEXTS

SUPPLEMENT = "application/vnd.huiyin.supplement+json"
"""The media type of such an envelope. It carries the instance of the channel that began the matter, whose own `draft`
cannot read it: `read_supplement` does.
"""


def write_supplement(text: str, language: str, *, withdraw: bool = False) -> bytes:
    return json.dumps({"text": text, "language": language, "withdraw": withdraw}, ensure_ascii=False).encode()


def read_supplement(envelope: Envelope) -> Draft:
    fields = json.loads(envelope.raw)
    words = TEXTS[fields["language"]].say("status", "withdraw_words") if fields["withdraw"] else ""
    return Draft(text=fields["text"] or words, request=words)
