"""A notice -> a mail, as bytes. Nothing that comes from outside can add a header or a recipient.

The classic Message class, because the newer one folds a long Message-ID of others into encoded words, and then no mail
program finds the conversation any more.
"""

from datetime import datetime
from email.header import Header
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime

from adapters.email.address import read_domain
from adapters.email.charset import clean_line
from adapters.email.headers import read_message_ids
from adapters.email.message_ids import make_message_id
from gateway.contract.ports import Notice, Purpose

_WIRE = compat32.clone(linesep="\r\n")


def compose(notice: Notice, recipient: str, *, from_address: str, from_name: str, sent_at: datetime) -> bytes:
    """`recipient` is a checked address, `sent_at` aware. Lines end in CRLF, none is longer than RFC 5322 allows."""
    mail = MIMEText(notice.text.strip() + "\n", "plain", "utf-8")
    sender = Header(clean_line(from_name), "utf-8", header_name="From")
    sender.append(f"<{from_address}>", "us-ascii")
    mail["From"] = sender.encode()
    mail["Subject"] = Header(clean_line(notice.subject), "utf-8", header_name="Subject").encode()
    mail["Date"] = format_datetime(sent_at)
    mail["Message-ID"] = make_message_id(notice, read_domain(from_address))
    if answered := _find_answered(notice.to.thread):
        mail["In-Reply-To"] = answered
        mail["References"] = answered
    mail["Content-Language"] = "".join(c for c in notice.language if c.isascii() and (c.isalnum() or c == "-"))
    mail["Auto-Submitted"] = "auto-replied" if notice.purpose is Purpose.ACKNOWLEDGEMENT else "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    if notice.purpose is Purpose.WARNING:
        mail["Importance"] = "high"
        mail["Priority"] = "urgent"
        mail["X-Priority"] = "1 (Highest)"
    # Written by hand, because the class would turn an address in other letters (RFC 6532) into an encoded word.
    return f"To: <{recipient}>\r\n".encode() + mail.as_bytes(policy=_WIRE)


def _find_answered(thread: str) -> str:
    found = read_message_ids(thread)
    return found[0] if len(found) == 1 and found[0].isascii() and found[0].isprintable() else ""
