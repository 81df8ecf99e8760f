"""A text of whatever form: JSON, markup or plain words, also one inside the other, and what the address of a link spells."""

import base64
import json
import re
from urllib.parse import quote_plus, unquote_to_bytes

from gateway.intake.scrub.charset import scrub_charset
from gateway.intake.scrub.json_text import scrub_json
from gateway.intake.scrub.markup import scrub_markup
from gateway.intake.scrub.removal import Find, Removal
from normalizers.secret import may_hold_secret

_LIMIT_DEPTH = 6
_JSON_START = re.compile(r"[\ufeff \t\r\n]*(?:\{|\[[ \t\r\n]*[\[{\"\]])")
_MARKUP = re.compile(r"</?[A-Za-z!?][^<>]{0,4000}>")
_BASE64 = re.compile(r"[A-Za-z0-9+/_\-]{24,}={0,2}")

_UNQUOTED = "-._~!*'(),;="
_QUOTED = re.compile(rf"%[0-9A-Fa-f]{{2}}(?:%[0-9A-Fa-f]{{2}}|[A-Za-z0-9+{re.escape(_UNQUOTED)}])*")
"""Words in the address of a link, up to its next mark."""


def scrub_words(text: str, removal: Removal, depth: int = 0) -> str:
    return _scrub(text, removal.begin(), removal, depth)


def _scrub(text: str, find: Find, removal: Removal, depth: int) -> str:
    if depth < _LIMIT_DEPTH and _JSON_START.match(text):
        text = scrub_json(text, removal, lambda value, further, found: _scrub_value(value, further, found, depth + 1))
        return text if _is_json(text) else removal.replace(text, find(text))
    if ("&#" in text or may_hold_secret(text.encode("utf-8", "surrogatepass"))) and _MARKUP.search(text):
        text = scrub_markup(text, removal)
    text = removal.replace(text, find(text))
    return _QUOTED.sub(lambda quoted: _scrub_quoted(quoted[0], removal), text) if "%" in text else text


def _scrub_quoted(quoted: str, removal: Removal) -> str:
    told = unquote_to_bytes(quoted.replace("+", " "))
    scrubbed = scrub_charset(told, "", removal.remove)
    return quoted if scrubbed == told else quote_plus(scrubbed, safe=_UNQUOTED)


def _scrub_value(value: str, find: Find, removal: Removal, depth: int) -> str:
    if depth < _LIMIT_DEPTH and len(value) >= 24 and _BASE64.fullmatch(value):
        return _scrub_base64(value, removal, depth)
    return _scrub(value, find, removal, depth)


def _scrub_base64(value: str, removal: Removal, depth: int) -> str:
    """A text inside (the payload of a signed vCon, the body of a dialog). Its signature fits no more; nobody stores a code for it."""
    urlsafe = not ("+" in value or "/" in value)
    padding = value.endswith("=")
    try:
        data = base64.b64decode(value.rstrip("=") + "=" * (-len(value.rstrip("=")) % 4), b"-_" if urlsafe else b"+/")
        text = data.decode()
    except ValueError:
        return value
    if not (removal.again or may_hold_secret(data) or b"\\u" in data or b"base64" in data):
        return value
    scrubbed = scrub_words(text, removal, depth)
    if scrubbed == text:
        return value
    told = base64.b64encode(scrubbed.encode("utf-8", "surrogatepass"), b"-_" if urlsafe else b"+/").decode()
    return told if padding else told.rstrip("=")


def _is_json(text: str) -> bool:
    """One document, or one a line. Names and strings of it were all looked at then."""
    return _parses(text) or all(_parses(line) for line in text.splitlines() if line.strip())


def _parses(text: str) -> bool:
    try:
        json.loads(text.strip("\ufeff \t\r\n"), strict=False)
    except (ValueError, RecursionError):
        return False
    return True
