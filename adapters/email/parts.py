"""The parts of a mail: what is its text, what is attached, which mails are inside."""

import email
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import compat32

from adapters.email.charset import clean_text, decode_bytes
from adapters.email.headers import Fields, read_parameters
from adapters.email.keys import find_start
from adapters.email.markup import read_html
from gateway.contract.draft import Attachment
from gateway.contract.file_name import clean_name

_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
_BODY_TYPES = frozenset({"text/plain", "text/html", "text/enriched", "text/x-amp-html"})
_SKIPPED_TYPES = frozenset({"message/delivery-status", "message/disposition-notification", "text/x-amp-html"})
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")  # RFC 6838, 4.2
_LIMIT_DEPTH = 100


@dataclass(frozen=True, slots=True)
class _Body:
    """Text of one inline part. `quoted` is what its markup says was quoted."""

    text: str
    quoted: str = ""
    codec: str = "ascii"
    plain: bool = True


@dataclass(slots=True)
class Parts:
    """`codec` read the longest text; raw subjects and names are of the same charset. `invites`: a calendar method."""

    text: str = ""
    quoted: str = ""
    codec: str = ""
    attachments: list[Attachment] = field(default_factory=list)
    mails: list[Message] = field(default_factory=list)
    invites: bool = False


def parse_mail(raw: bytes) -> Message:
    """Any bytes -> a message. What the parser cannot unfold (absurd nesting) becomes one plain text."""
    raw = raw[find_start(raw) :]
    try:
        return email.message_from_bytes(raw, policy=compat32)
    except (RecursionError, ValueError, LookupError, IndexError, TypeError, AttributeError):
        message = BytesHeaderParser(policy=compat32).parsebytes(raw)
        for name in ("content-type", "content-transfer-encoding"):
            del message[name]
        return message


def read_fields(message: Message) -> Fields:
    return Fields.of(message.raw_items())


def read_parts(message: Message) -> Parts:
    parts = Parts()
    bodies = [body for body in _collect(message, parts, 0) if body.text or body.quoted]
    parts.text = "\n\n".join(body.text for body in bodies if body.text)
    parts.quoted = "\n\n".join(body.quoted for body in bodies if body.quoted)
    if bodies:
        parts.codec = max(bodies, key=lambda body: len(body.text) + len(body.quoted)).codec
    return parts


def _collect(part: Message, parts: Parts, depth: int) -> list[_Body]:
    media_type = part.get_content_type()
    payload = part.get_payload()
    fields = read_fields(part)
    if media_type == "message/rfc822" and isinstance(payload, list) and payload:
        parts.mails.extend(mail for mail in payload if isinstance(mail, Message))
        return []
    if isinstance(payload, list):
        if media_type in _SKIPPED_TYPES or depth > _LIMIT_DEPTH:
            return []
        groups = [_collect(child, parts, depth + 1) for child in payload if isinstance(child, Message)]
        if media_type == "multipart/alternative":
            return _choose(groups)
        return [body for group in groups for body in group]
    if media_type in _SKIPPED_TYPES:
        return []
    data = _read_payload(part)
    type_parameters = read_parameters(fields.get("content-type"))
    if media_type == "text/calendar":
        parts.invites = parts.invites or "method" in type_parameters or b"\nMETHOD:" in data
    disposition = fields.get("content-disposition")
    name = read_parameters(disposition).get("filename") or type_parameters.get("name", "")
    attached = disposition.partition(";")[0].strip().lower() == "attachment" or bool(name)
    if depth == 0 and media_type in _BODY_TYPES:
        # A whole mail that calls itself an attachment is still what the customer has to say.
        attached = False
    if media_type.startswith("multipart/") or (media_type in _BODY_TYPES and not attached):
        return [_read_body(data, media_type, type_parameters)]
    if data or name:
        media_type = media_type if _MEDIA_TYPE.fullmatch(media_type) else "application/octet-stream"
        file = _name_file(name, media_type, len(parts.attachments) + 1)
        parts.attachments.append(Attachment(name=file, media_type=media_type, content=data))
    return []


def _choose(groups: list[list[_Body]]) -> list[_Body]:
    """Of alternatives the plain one, unless it is blank or a stub beside the HTML."""
    plain = next((group for group in groups if any(body.plain and body.text for body in group)), [])
    rich = next((group for group in reversed(groups) if any(not body.plain for body in group)), [])
    if not plain or not rich:
        return plain or rich
    return plain if 2 * _count_said(plain) >= _count_said(rich) else rich


def _count_said(bodies: list[_Body]) -> int:
    return sum(len("".join((body.text + body.quoted).split())) for body in bodies)


def _read_body(data: bytes, media_type: str, given: Mapping[str, str]) -> _Body:
    label = given.get("charset", "")
    if media_type == "text/html" or (media_type == "text/plain" and data[:200].lstrip()[:5].lower() == b"<html"):
        found = None if label else _META_CHARSET.search(data[:4_096])
        markup, codec = decode_bytes(data, found.group(1).decode() if found else label)
        rendered = read_html(clean_text(markup))
        return _Body(_trim(rendered.text), _trim(rendered.quoted), codec, plain=False)
    text, codec = decode_bytes(data, label)
    text = clean_text(text)
    if given.get("format", "").lower() == "flowed":
        text = _unfold_flowed(text, delete_space=given.get("delsp", "").lower() == "yes")
    return _Body(_trim(text), codec=codec)


def _trim(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")


def _unfold_flowed(text: str, *, delete_space: bool) -> str:
    """RFC 3676: a line that ends in a space goes on in the next one. Words must not stay torn: rules look for them."""
    lines: list[str] = []
    flowing = False
    for given in text.split("\n"):
        line = given.removeprefix(" ")
        quoted = line.startswith(">")
        if flowing and not quoted and line != "-- ":
            lines[-1] = (lines[-1][:-1] if delete_space else lines[-1]) + line
        else:
            lines.append(line)
        flowing = line.endswith(" ") and not quoted and line != "-- "
    return "\n".join(lines)


def _read_payload(part: Message) -> bytes:
    try:
        data = part.get_payload(decode=True)
    except (ValueError, LookupError, IndexError, AssertionError):
        data = None
    if isinstance(data, bytes):
        return data
    payload = part.get_payload()
    return payload.encode("utf-8", "surrogateescape") if isinstance(payload, str) else b""


def _name_file(name: str, media_type: str, number: int) -> str:
    """Never empty: many mails name nothing."""
    if name.strip("/\\. "):
        return clean_name(name)
    if media_type == "application/ms-tnef":
        return "winmail.dat"
    return f"attachment-{number}{mimetypes.guess_extension(media_type) or '.bin'}"
