"""XML and HTML as they came: a secret may be cut by tags and spelled in entities; only its characters go."""

import html
import re

from gateway.intake.scrub.removal import Removal
from normalizers.secret import Secret

_TOKEN = re.compile(
    r"(?P<cdata><!\[CDATA\[|\]\]>)|(?P<tag></?[A-Za-z!?][^<>]{0,4000}>)|(?P<entity>&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,10});)"
)
_INLINE = re.compile(
    r"</?(?:a|b|i|u|s|em|strong|span|font|small|big|sub|sup|mark|code|kbd|samp|tt|wbr|ins|del|o:p)[\s/>]", re.IGNORECASE
)
_NAMED = re.compile(r"<([\w:.\-]{2,40})(?:\s[^<>]{0,400})?>(?:<!\[CDATA\[)?([^<\]]{3,200})")
_SEALED_COPY = re.compile(r"(<Encrypt>)[^<]{0,65536}(?:<!\[CDATA\[[^\]]{0,65536}\]\]>)?[^<]{0,64}(</Encrypt>)")


def scrub_markup(text: str, removal: Removal) -> str:
    view, places = _read(text)
    secrets = removal.begin()(view)
    if secrets:
        text = _cut(text, places, secrets, removal)
    text = _scrub_tags(text, removal)
    text = _NAMED.sub(lambda found: _scrub_named(found, removal), text)
    # WeChat's compatible mode sends the same words once more, encrypted.
    return _SEALED_COPY.sub(r"\1\2", text) if removal.kinds else text


def _read(text: str) -> tuple[str, list[int]]:
    """The words, and where each of their characters begins in the markup; its end is told by `_end`."""
    chars: list[str] = []
    places: list[int] = []
    at = 0
    for token in _TOKEN.finditer(text):
        chars.append(text[at : token.start()])
        places.extend(range(at, token.start()))
        at = token.end()
        if token["entity"]:
            told = html.unescape(token[0])[:1]
        else:
            told = "" if token["cdata"] or _INLINE.match(token[0]) else "\n"
        if told:
            chars.append(told)
            places.append(token.start())
    chars.append(text[at:])
    places.extend(range(at, len(text)))
    return "".join(chars), places


def _cut(text: str, places: list[int], secrets: list[Secret], removal: Removal) -> str:
    parts: list[str] = []
    at = 0
    for secret in secrets:
        tag = removal.write(secret.kind)
        removal.kinds.append(secret.kind)
        for place in places[secret.start : secret.end]:
            entity = _TOKEN.match(text, place) if text[place] == "&" else None
            parts += [text[at:place], tag]
            at, tag = (entity.end() if entity else place + 1), ""
    return "".join([*parts, text[at:]])


def _scrub_tags(text: str, removal: Removal) -> str:
    """What stands in attributes."""
    return _TOKEN.sub(lambda token: removal.remove(token[0]) if token["tag"] and '"' in token[0] else token[0], text)


def _scrub_named(found: re.Match[str], removal: Removal) -> str:
    told = removal.remove_named(found[1].rpartition(":")[2], found[2].strip())
    return found[0] if told is None else found[0][: found.start(2) - found.start()] + told
