"""Mails and multipart forms as they came: a part is decoded, and written anew only where something was found in it.

Subjects, names of files and of people, and texts in any charset and transfer encoding. Pictures, PDF, Office and TNEF files
stay as they are: their words are not read here.
"""

import base64
import quopri
import re
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.header import Header
from email.message import Message
from email.policy import compat32
from email.utils import formataddr, getaddresses

from gateway.intake.scrub.charset import scrub_charset
from gateway.intake.scrub.removal import Removal
from gateway.intake.scrub.words import scrub_words

_LIMIT_DEPTH = 30
_HEAD_END = re.compile(rb"\r?\n[ \t]*\r?\n")
_FIELD = re.compile(rb"^(?P<name>[!-9;-~]{1,80})[ \t]*:(?P<value>[^\n]*(?:\n[ \t][^\n]*)*)", re.MULTILINE)
_TRACE = frozenset(
    [
        "received",
        "message-id",
        "references",
        "in-reply-to",
        "dkim-signature",
        "authentication-results",
        "arc-seal",
        "arc-message-signature",
        "arc-authentication-results",
        "date",
        "mime-version",
        "return-path",
        "content-transfer-encoding",
        "x-google-dkim-signature",
    ]
)
_WORD = re.compile(r"=\?([^?*\s]{1,40})(?:\*[^?\s]{0,20})?\?([bBqQ])\?([^?]*)\?=")
_ADDRESSES = frozenset(["from", "to", "cc", "bcc", "sender", "reply-to"])
_TEXT_NAME = re.compile(r"\.(?:txt|csv|tsv|json|jsonl|xml|html?|md|log|srt|vtt|eml|ics|vcf)$", re.IGNORECASE)
_TEXT_TYPE = re.compile(r"text/.*|application/(?:json|xml|xhtml\+xml|csv|.*\+json|.*\+xml)")


def scrub_part(data: bytes, removal: Removal, *, default: str = "text/plain", depth: int = 0) -> bytes:
    """Header and body of one part, or of a whole mail. `default`: what a part without a type is."""
    found = None if data[:1] in b"\r\n" else _HEAD_END.search(data)
    head, gap, body = (data[: found.start()], found[0], data[found.end() :]) if found else _split_bare(data)
    message = _read_head(head)
    told_head = _FIELD.sub(lambda field: _scrub_field(field, removal), head)
    told_body = scrub_body(body, message, removal, default=default, depth=depth)
    if told_body is not body and b"base64" not in head and _is_odd(message):
        told_head = re.sub(rb"(?im)^(content-transfer-encoding[ \t]*:)[^\n]*", rb"\1 base64", told_head)
    return told_head + gap + told_body


def _split_bare(data: bytes) -> tuple[bytes, bytes, bytes]:
    """A part without fields begins with its blank line; a text without a blank line may be fields alone, or no mail."""
    if data[:1] in b"\r\n":
        return b"", b"", data
    return (data, b"", b"") if _FIELD.match(data) else (b"", b"", data)


def scrub_body(body: bytes, message: Message, removal: Removal, *, default: str, depth: int) -> bytes:
    """The very `body` where nothing was found."""
    media_type = message.get_content_type() if message.get("content-type") else default
    boundary = _find_boundary(message)
    if media_type.startswith("multipart/") and boundary and depth < _LIMIT_DEPTH:
        inner = "message/rfc822" if media_type == "multipart/digest" else "text/plain"
        return _scrub_parts(body, boundary, lambda part: scrub_part(part, removal, default=inner, depth=depth + 1))
    if media_type.startswith("message/") and depth < _LIMIT_DEPTH:  # a mail, or the fields of a report
        return _scrub_coded(body, message, lambda mail: scrub_part(mail, removal, depth=depth + 1))
    if _TEXT_TYPE.fullmatch(media_type) or media_type.startswith("multipart/") or _is_text_file(message):
        label = message.get_content_charset() or ""
        return _scrub_coded(
            body, message, lambda text: scrub_charset(text, label, lambda words: scrub_words(words, removal))
        )
    return body


def _read_head(head: bytes) -> Message:
    try:
        return message_from_bytes(head + b"\n\n", policy=compat32)
    except (ValueError, LookupError, IndexError, TypeError, AttributeError, RecursionError):
        return Message()


def _find_boundary(message: Message) -> bytes:
    try:
        return (message.get_boundary() or "").encode("utf-8", "surrogateescape")
    except (ValueError, LookupError, TypeError):
        return b""


def _is_text_file(message: Message) -> bool:
    try:
        return bool(_TEXT_NAME.search(_decode(message.get_filename() or "")))
    except (ValueError, LookupError, TypeError):
        return False


def _scrub_parts(body: bytes, boundary: bytes, scrub: Callable[[bytes], bytes]) -> bytes:
    parts: list[bytes] = []
    at = 0
    changed = False
    for start, end in _find_delimiters(body, b"--" + boundary):
        told = scrub(body[at:start])
        changed = changed or told != body[at:start]
        parts += [told, body[start:end]]
        at = end
    told = scrub(body[at:])
    return b"".join([*parts, told]) if changed or told != body[at:] else body


def _find_delimiters(body: bytes, mark: bytes) -> Iterator[tuple[int, int]]:
    """[start, end) of each line that divides; the line end before it belongs to it (RFC 2046, 5.1.1)."""
    at = body.find(mark)
    while at >= 0:
        end = body.find(b"\n", at)
        end = len(body) if end < 0 else end + 1
        if at == 0 or body[at - 1 : at] == b"\n":
            start = at - 2 if body[at - 2 : at] == b"\r\n" else max(0, at - 1)
            yield start, end
        at = body.find(mark, end)


def _scrub_coded(body: bytes, message: Message, scrub: Callable[[bytes], bytes]) -> bytes:
    coding = str(message.get("content-transfer-encoding", "")).strip().lower()
    if coding == "base64":
        plain = _decode_base64(body)
    elif coding == "quoted-printable":
        plain = quopri.decodestring(body)
    elif _is_odd(message):
        plain = _decode_odd(body, coding)
    else:
        return _same(scrub(body), body)
    told = scrub(plain)
    if told == plain:
        return body
    line_end = b"\r\n" if b"\r\n" in body else b"\n"
    if coding == "quoted-printable":
        written = quopri.encodestring(told.replace(b"\r\n", b"\n"))
    else:
        written = base64.encodebytes(told)
    return written.replace(b"\n", line_end)


def _is_odd(message: Message) -> bool:
    """uuencode under one of its names."""
    return "uue" in str(message.get("content-transfer-encoding", "")).lower()


def _decode_odd(body: bytes, coding: str) -> bytes:
    part = Message()
    part["Content-Transfer-Encoding"] = coding
    part.set_payload(body.decode("ascii", "surrogateescape"))
    try:
        data = part.get_payload(decode=True)
    except (ValueError, LookupError, IndexError, AssertionError):
        data = None
    return data if isinstance(data, bytes) else body


def _same(told: bytes, given: bytes) -> bytes:
    return given if told == given else told


# --- fields of the header


def _scrub_field(field: re.Match[bytes], removal: Removal) -> bytes:
    name, value = field["name"].decode().lower(), field["value"]
    if name in _TRACE or len(value) > 100_000:
        return field[0]
    if name in ("content-type", "content-disposition") and b"form-data" not in value:
        told = _scrub_parameters(name, value, removal)
    else:
        words = _decode_bytes(value)
        scrubbed = scrub_words(words, removal)
        told = None if scrubbed == words else _write_words(name, words, scrubbed, removal)
    if told is None:
        return field[0]
    ending = b"\r" if value.endswith(b"\r") else b""
    line_end = "\r\n" if ending or b"\r\n" in value else "\n"
    return field["name"] + b": " + line_end.join(told.splitlines()).encode("utf-8", "surrogateescape") + ending


def _write_words(name: str, words: str, scrubbed: str, removal: Removal) -> str:
    if name in ("content-type", "content-disposition"):  # of a form, where names are plain UTF-8 (RFC 7578, 4.2)
        return scrubbed.strip()
    if name in _ADDRESSES:
        pairs = [(removal.remove(person), removal.remove(address)) for person, address in getaddresses([words])]
        return ", ".join(formataddr(pair) if pair[1].isascii() else Header(pair[0], "utf-8").encode() for pair in pairs)
    return Header(scrubbed.strip(), "utf-8", header_name=name).encode()


def _scrub_parameters(name: str, value: bytes, removal: Removal) -> str | None:
    """Names of files, in the three ways of writing them."""
    part = _read_head(name.encode() + b":" + value)
    try:
        given = part.get_filename() or part.get_param("name", "", name) or ""
        words = _decode(given if isinstance(given, str) else str(given[2]))
    except (ValueError, LookupError, TypeError):
        words = _decode_bytes(value)
    scrubbed = removal.remove(words)
    if scrubbed == words:
        scrubbed, words = removal.remove(_decode_bytes(value)), _decode_bytes(value)
        return None if scrubbed == words else scrubbed.strip()
    parameter = "filename" if name == "content-disposition" else "name"
    bare = str(part.get(name, "")).partition(";")[0].strip()
    others = [f"; {key}={_quote(told)}" for key, told in _list_others(part, name)]
    quoted = "".join(
        f"%{byte:02X}" if byte < 33 or byte > 126 or byte in b"%'\"*\\;()<>@,:/[]?=" else chr(byte)
        for byte in scrubbed.encode("utf-8", "replace")
    )
    return f"{bare}{''.join(others)}; {parameter}*=utf-8''{quoted}"


def _list_others(part: Message, name: str) -> Iterator[tuple[str, str]]:
    for key, told in (part.get_params([], name) or [])[1:]:
        if key.partition("*")[0].lower() not in ("filename", "name"):
            yield key, told if isinstance(told, str) else str(told[2])


def _quote(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _decode_bytes(value: bytes) -> str:
    for codec in ("utf-8", "gb18030"):
        try:
            return _decode(value.decode(codec))
        except UnicodeDecodeError:
            continue
    return _decode(value.decode("utf-8", "surrogateescape"))


def _decode(value: str) -> str:
    """Encoded words (RFC 2047) -> text. Neighbours of one charset are joined first: a character may be cut between them."""
    if "=?" not in value:
        return value
    pieces: list[str] = []
    waiting, label, at = b"", "", 0
    for word in _WORD.finditer(value):
        between = value[at : word.start()]
        if waiting and (between.strip() or word[1].lower() != label):
            pieces.append(_decode_piece(waiting, label))
            waiting = b""
        if between.strip() or not at:
            pieces.append(between)
        waiting, label, at = waiting + _decode_word(word[2], word[3]), word[1].lower(), word.end()
    return "".join([*pieces, _decode_piece(waiting, label) if waiting else "", value[at:]])


def _decode_word(coding: str, text: str) -> bytes:
    data = text.encode("utf-8", "surrogateescape")
    if coding in "qQ":
        return quopri.decodestring(data, header=True)
    return _decode_base64(data)


def _decode_base64(data: bytes) -> bytes:
    """Whatever is no base64 in it is passed over."""
    data = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
    data = data[: len(data) - 1] if len(data) % 4 == 1 else data
    return base64.b64decode(data + b"=" * (-len(data) % 4))


def _decode_piece(piece: bytes, label: str) -> str:
    for codec in (label, "utf-8", "gb18030"):
        try:
            return piece.decode("gb18030" if codec in ("gb2312", "gbk") else codec)
        except (UnicodeError, LookupError, ValueError):
            continue
    return piece.decode("utf-8", "replace")
