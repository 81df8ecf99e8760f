"""The keys of a mail, found in its header alone: they are needed before the 250, when time is short."""

import hashlib
import re
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from email.policy import compat32

from adapters.email.headers import Fields, decode_field, read_message_ids, read_senders
from adapters.email.message_ids import find_own_receipt
from gateway.contract.envelope import Thread
from gateway.contract.receipt import parse_receipt

_HEADER_END = re.compile(rb"\r?\n\r?\n|\r\r")
_BEFORE_HEADER = re.compile(rb"(?:\xef\xbb\xbf)?[\r\n \t]*(?=[!-9;-~]+:)")
_LIMIT_HEADER_BYTES = 262_144
_LIMIT_REPORT_BYTES = 262_144
_RECEIPT_IN_SUBJECT = re.compile(
    r"(?:回执(?:编)?号|回執號|受理编号|受理編號|受理号|receipt(?:\s+(?:number|no\.?))?)\s*[:：#]?\s*(\d(?:[\s\-]?\d){11})(?!\d)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Keys:
    fields: Fields
    digest: bytes
    thread: Thread | None
    joins: str | None

    @property
    def source_key(self) -> str:
        return f"sha256:{self.digest.hex()}"


def read_keys(raw: bytes) -> Keys:
    fields = read_header(raw)
    return Keys(fields, hashlib.sha256(raw).digest(), _find_thread(fields), _find_receipt(fields, raw))


def read_header(raw: bytes) -> Fields:
    start = find_start(raw)
    found = _HEADER_END.search(raw, start, start + _LIMIT_HEADER_BYTES)
    header = raw[start : found.end()] if found else raw[start : start + _LIMIT_HEADER_BYTES]
    return Fields.of(BytesHeaderParser(policy=compat32).parsebytes(header).raw_items())


def find_start(raw: bytes) -> int:
    """Where the header begins: some programs write a byte order mark or blank lines before it, which would end it."""
    found = _BEFORE_HEADER.match(raw)
    return found.end() if found else 0


def _find_thread(fields: Fields) -> Thread | None:
    """The root of the conversation and who writes: a stranger who answers the same mail has a matter of his own."""
    ids = read_message_ids(fields.get("references")) or read_message_ids(fields.get("in-reply-to"))
    ids = ids or read_message_ids(fields.get("message-id"))
    sender = find_sender_address(fields)
    if not ids or not sender:
        return None
    # Hashed: the key is shown and logged, the address must not be.
    return Thread(key=hashlib.sha256(f"{ids[0]}\n{sender.lower()}".encode("utf-8", "replace")).hexdigest()[:32])


def find_sender_address(fields: Fields) -> str:
    for name in ("from", "sender", "reply-to", "return-path"):
        for sender in read_senders(fields.get(name)):
            if sender.address:
                return sender.address
    return ""


def _find_receipt(fields: Fields, raw: bytes) -> str | None:
    referred = f"{fields.get('references')} {fields.get('in-reply-to')}"
    if fields.get("content-type").lower().startswith("multipart/report"):
        # A bounce or read receipt names the mail it is about in its body.
        referred += raw[:_LIMIT_REPORT_BYTES].decode("ascii", "replace")
    receipt = find_own_receipt(referred)
    if receipt:
        return receipt
    for digits in _RECEIPT_IN_SUBJECT.findall(decode_field(fields.get("subject"))):
        receipt = parse_receipt(digits)
        if receipt:
            return receipt
    return None
