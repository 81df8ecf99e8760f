"""From bytes to a known format: charset, JSON or text, and which of the formats it is."""

import json
from collections.abc import Mapping
from typing import Any

import orjson

from adapters.hotline import cues, text, turns, vcon, vendors
from adapters.hotline.format import Format

_ALL = (vcon.FORMAT, *vendors.FORMATS.values(), turns.FORMAT, cues.FORMAT, text.FORMAT)

FORMATS: Mapping[str, Format] = {each.name: each for each in _ALL} | {"vtt": cues.FORMAT, "srt": cues.FORMAT}

_TOLD_BY: Mapping[str | int, tuple[Format, ...]] = {
    **dict.fromkeys(vcon.NAMES, (vcon.FORMAT,)),
    **{name: tuple(vendors.FORMATS[each] for each in each_of) for name, each_of in vendors.NAMES.items()},
}
"""First name of a body (0: it is a list) -> formats to try. The house's own JSON is liberal, so it comes after them."""


def parse(body: bytes, charset: str = "") -> Any:
    """JSON -> its value; a form -> its fields; anything else -> its text. Raises ValueError, RecursionError.

    Text that is not UTF-8 is read as GB 18030 (which covers GBK and GB 2312): what Chinese call-centre software
    writes when it does not say.
    """
    start = body[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start in (b"{", b"["):
        if not charset or charset == "utf-8":
            try:
                # Five times as fast; what it refuses (other charsets, NaN, depth) is told apart below.
                return orjson.loads(body)
            except ValueError:
                pass
        try:
            return json.loads(body if not charset or charset.startswith("utf") else decode(body))
        except UnicodeDecodeError:
            return json.loads(decode(body))
        except json.JSONDecodeError:
            if start == b"{" or body[:64].lstrip()[1:2] in (b"{", b'"', b"[", b"]"):
                raise
            # `[0:0.720,0:3.100,0]  您好` is a line of a recogniser.
    words = decode(body)
    if words.startswith("code=") and "&requestId=" in words:
        return vendors.parse_form(words)
    return words


def decode(body: bytes) -> str:
    """Raises ValueError for bytes that are no text."""
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return body.decode("utf-16")
    try:
        words = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        words = body.decode("gb18030")
    if "\x00" in words:
        raise ValueError("binary")
    return words


def find_format(value: Any) -> Format | None:
    if isinstance(value, str):
        return cues.FORMAT if cues.FORMAT.matches(value) else text.FORMAT
    for name in value if isinstance(value, dict) else (0,):
        for each in _TOLD_BY.get(name, ()):
            if each.matches(value):
                return each
    return turns.FORMAT if turns.FORMAT.matches(value) else None
