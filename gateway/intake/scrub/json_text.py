"""JSON as it came: only the strings that hold a secret are written anew, every other byte stays.

Not parsed but scanned, so that broken JSON, JSON Lines, numbers of any size and names given twice are no matter.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gateway.intake.scrub.removal import Find, Removal

_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
_COLON = re.compile(r"[ \t\r\n]*:[ \t\r\n]*(?P<number>-?\d{3,19}(?![\d.eE]))?")
_PIECE_LENGTH = 12
"""Characters: strings no longer than this may be words of one utterance, one by one with their times."""
_PIECES = 3

ScrubValue = Callable[[str, Find, Removal], str]
"""A string of any content; `Find` goes on from the earlier strings of the same name."""


@dataclass(slots=True)
class _Value:
    start: int
    end: int
    name: str
    text: str


def scrub_json(text: str, removal: Removal, scrub_value: ScrubValue) -> str:
    written: dict[int, tuple[int, str]] = {}
    finds: dict[str, Find] = {}
    values: list[_Value] = []
    for value in _scan(text, removal, written):
        told = removal.remove_named(value.name, value.text)
        if told is None:
            if value.name not in finds:
                finds[value.name] = removal.begin()
            told = scrub_value(value.text, finds[value.name], removal)
        if told != value.text:
            written[value.start] = (value.end, _write(told, text[value.start : value.end]))
        else:
            values.append(value)
    if not removal.again:
        _scrub_pieces(text, values, removal, written)
    return _join(text, written) if written else text


def _scan(text: str, removal: Removal, written: dict[int, tuple[int, str]]) -> Iterator[_Value]:
    """The strings that are values. Numbers under a name that says "secret" are written as a tag at once."""
    name = ""
    for found in _STRING.finditer(text):
        start, end = found.span()
        colon = _COLON.match(text, end)
        if colon is None:
            yield _Value(start, end, name, _read(found[0]))
            continue
        name = _read(found[0])
        if colon["number"] and (tag := removal.remove_named(name, colon["number"])):
            written[colon.start("number")] = (colon.end("number"), json.dumps(tag, ensure_ascii=False))
        named = removal.remove(name)
        if named != name:
            written[start] = (end, _write(named, found[0]))


def _scrub_pieces(text: str, values: list[_Value], removal: Removal, written: dict[int, tuple[int, str]]) -> None:
    """Recognisers give words one by one, so that a code is many strings of one name."""
    by_name: dict[str, list[_Value]] = {}
    for value in values:
        if 0 < len(value.text) <= _PIECE_LENGTH:
            by_name.setdefault(value.name, []).append(value)
    for pieces in by_name.values():
        if len(pieces) < _PIECES:
            continue
        joined = " ".join(piece.text for piece in pieces)
        secrets = removal.begin()(joined)
        if not secrets:
            continue
        removal.replace(joined, secrets)
        at, place = 0, 0
        tagged = -1
        for piece in pieces:
            end = at + len(piece.text)
            while place < len(secrets) and secrets[place].end <= at:
                place += 1
            if place < len(secrets) and secrets[place].start < end:
                secret = secrets[place]
                tag = removal.write(secret.kind) if tagged != place else ""
                tagged = place
                kept = piece.text[: max(0, secret.start - at)] + tag + piece.text[max(0, secret.end - at) :]
                written[piece.start] = (piece.end, _write(kept, text[piece.start : piece.end]))
            at = end + 1


def _read(literal: str) -> str:
    if "\\" not in literal:
        return literal.strip('"')
    try:
        return str(json.loads(literal, strict=False))
    except ValueError:
        return literal.strip('"')


def _write(value: str, literal: str) -> str:
    told = json.dumps(value, ensure_ascii="\\u" in literal)
    # Half a character can be spelled, but not stored.
    return told if told.isascii() or told.isprintable() else json.dumps(value)


def _join(text: str, written: dict[int, tuple[int, str]]) -> str:
    parts: list[str] = []
    at = 0
    for start in sorted(written):
        end, told = written[start]
        parts += [text[at:start], told]
        at = end
    return "".join([*parts, text[at:]])
