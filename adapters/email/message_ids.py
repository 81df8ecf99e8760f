"""The Message-IDs of our own mails: they bring answers, auto replies and bounces back to the matter they are about."""

import hashlib
import re

from gateway.contract.ports import Notice, Purpose
from gateway.contract.receipt import Receipt, parse_receipt

_OURS = re.compile(r"<(?:ack|warning|progress)-(\d{12})[.@]")
_PREFIXES = {Purpose.ACKNOWLEDGEMENT: "ack", Purpose.WARNING: "warning", Purpose.PROGRESS: "progress"}


def make_message_id(notice: Notice, domain: str) -> str:
    """`<ack-RECEIPT.TAG@domain>`; the tag derives from the notice's id, so a repeated sending is the same mail."""
    tag = hashlib.sha256(notice.id.encode()).hexdigest()[:12]
    return f"<{_PREFIXES[notice.purpose]}-{notice.receipt or 'none'}.{tag}@{domain}>"


def find_own_receipt(text: str) -> Receipt | None:
    """The receipt of the first Message-ID of ours in the text whose check digit holds."""
    return next((receipt for digits in _OURS.findall(text) if (receipt := parse_receipt(digits))), None)
