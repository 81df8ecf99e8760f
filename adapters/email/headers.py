"""Header fields as they really come: raw bytes of any charset, split encoded words, parameters of three styles.

RFC 2047 (encoded words), RFC 2231 (parameters), RFC 5322. Field values are strings in which bytes outside ASCII are
surrogate escapes, as the standard library's parser gives them.
"""

import base64
import binascii
import quopri
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import getaddresses
from urllib.parse import unquote_to_bytes

from adapters.email.address import find_address, fold_domain, is_address
from adapters.email.charset import clean_line, decode_bytes, find_codec

_WORD = re.compile(r"=\?([^?*\s]+)(?:\*[^?]*)?\?([bBqQ])\?(.*?)\?=", re.DOTALL)
_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*("(?:\\.|[^"\\])*"?|[^;]*)', re.DOTALL)
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,500}>")
_LIMIT_FIELD = 20_000
"""Characters of one field that are read; nobody's subject is longer, and attackers' are."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one header, lower-case names, in their order."""

    pairs: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, items: Iterable[tuple[str, object]]) -> "Fields":
        return cls(tuple((name.lower(), str(value)[:_LIMIT_FIELD]) for name, value in items))

    def get(self, name: str) -> str:
        """The first of that name, unfolded, or ''."""
        return next(iter(self.all(name)), "")

    def all(self, name: str) -> list[str]:
        return [" ".join(value.splitlines()).strip() for key, value in self.pairs if key == name]

    def has(self, *names: str) -> bool:
        return any(key in names for key, _ in self.pairs)


@dataclass(frozen=True, slots=True)
class Sender:
    name: str = ""
    address: str = ""


def read_bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogateescape")


def decode_field(value: str, sibling: str = "") -> str:
    """Text of a field in one line. Neighbouring words of one charset are joined first: a character may be cut."""
    pieces: list[str] = []
    waiting, waiting_label = b"", ""
    end = 0

    def flush() -> None:
        nonlocal waiting
        if waiting:
            pieces.append(decode_bytes(waiting, waiting_label, sibling=sibling)[0])
        waiting = b""

    for word in _WORD.finditer(value):
        between = value[end : word.start()]
        label = word.group(1).lower()
        if between.strip() or not end:
            flush()
            pieces.append(decode_bytes(read_bytes(between), sibling=sibling)[0])
        elif find_codec(label) != find_codec(waiting_label):
            flush()
        waiting, waiting_label = waiting + _decode_word(word.group(2), word.group(3)), label
        end = word.end()
    flush()
    pieces.append(decode_bytes(read_bytes(value[end:]), sibling=sibling)[0])
    return clean_line("".join(pieces))


def _decode_word(encoding: str, text: str) -> bytes:
    data = read_bytes(text)
    if encoding in "bB":
        data = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
        data = data[: len(data) - 1] if len(data) % 4 == 1 else data
        try:
            return base64.b64decode(data + b"=" * (-len(data) % 4))
        except binascii.Error:
            return data
    return quopri.decodestring(data, header=True)


def read_parameters(value: str) -> Mapping[str, str]:
    """`Content-Type` and the like -> parameters by lower-case name, decoded; continuations are joined.

    `media_type` is not in it. A value may hold anything, paths included.
    """
    plain: dict[str, str] = {}
    parts: dict[str, dict[int, tuple[bool, str]]] = {}
    for found in _PARAMETER.finditer(";" + value.partition(";")[2]):
        name, given = found.group(1).lower(), _unquote(found.group(2))
        base, star, rest = name.partition("*")
        if not star:
            plain.setdefault(name, given)
            continue
        number = rest.rstrip("*")
        if number.isascii() and number.isdigit() and len(number) < 4:
            parts.setdefault(base, {})[int(number)] = (rest.endswith("*"), given)
        elif not number:
            parts.setdefault(base, {})[0] = (True, given)
    read = {name: decode_field(given) for name, given in plain.items()}
    return read | {name: _join_continued(pieces) for name, pieces in parts.items()}


def _unquote(text: str) -> str:
    text = text.strip()
    if not text.startswith('"'):
        return text
    text = text[1:-1] if text.endswith('"') and len(text) > 1 else text[1:]
    # Only quotes are escaped by real clients; a backslash before anything else is a path or half a GBK character.
    return text.replace('\\"', '"')


def _join_continued(pieces: Mapping[int, tuple[bool, str]]) -> str:
    label, data = "", b""
    for number in sorted(pieces):
        encoded, text = pieces[number]
        if number == 0 and encoded and text.count("'") >= 2:
            label, _, text = text.split("'", 2)
        data += unquote_to_bytes(read_bytes(text)) if encoded else read_bytes(text)
    if b"=?" in data:
        return decode_field(data.decode("utf-8", "surrogateescape"))
    return clean_line(decode_bytes(data, label)[0])


def read_senders(value: str, sibling: str = "") -> list[Sender]:
    """Addresses of a From, Reply-To or To field. Without any readable address the name alone is given."""
    senders = []
    try:
        pairs = getaddresses([value])
    except (ValueError, IndexError, RecursionError):
        pairs = []
    for name, given in pairs:
        # Raw bytes (RFC 6532, or against every rule) become letters; encoded words have no place in an address.
        address = clean_line(decode_bytes(read_bytes(given), sibling=sibling)[0])
        if is_address(address):
            senders.append(Sender(_clean_name(decode_field(name, sibling), address), fold_domain(address)))
    if senders or not value:
        return senders
    text = decode_field(value, sibling)
    address = find_address(text)
    name = re.sub(r"<[^>]*>?|" + re.escape(address), "", text) if address else text
    return [Sender(_clean_name(name, address), address)]


def _clean_name(name: str, address: str) -> str:
    name = name.strip(" \"'<>()")
    return "" if name.lower() == address.lower() else name


def read_message_ids(*values: str) -> list[str]:
    return [found for value in values for found in _MESSAGE_ID.findall(value)]
