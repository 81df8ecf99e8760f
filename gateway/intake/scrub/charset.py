"""Bytes of a charset that nobody says, or says wrongly: each likely one is tried until words are found."""

import codecs
from collections.abc import Callable, Iterator, Sequence

from normalizers.secret import TAG, find_removed, write_tag

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_WIDER = {"gb2312": "gb18030", "gbk": "gb18030", "big5": "big5hkscs", "us-ascii": "utf-8", "ascii": "utf-8"}


def scrub_charset(data: bytes, label: str, scrub: Callable[[str], str]) -> bytes:
    """`scrub` gives back the very text where nothing was found; then the bytes stay as they are. Never raises."""
    likely = list(_list_codecs(data, label.strip().lower()))
    read = False
    for codec in likely:
        try:
            text = data.decode(codec)
        except (UnicodeError, LookupError, ValueError):
            continue
        read = True
        scrubbed = scrub(text)
        if scrubbed != text:
            return _encode(scrubbed, codec)
        if codec == "utf-8":  # other charsets do not look like it by chance
            return data
    return data if read else _scrub_damaged(data, likely, scrub)


def _scrub_damaged(data: bytes, likely: Sequence[str], scrub: Callable[[str], str]) -> bytes:
    for codec in likely:
        try:
            text = data.decode(codec, "surrogateescape")
        except (UnicodeError, LookupError, ValueError):
            continue
        scrubbed = scrub(text)
        if scrubbed != text:
            return _encode(scrubbed, codec)
    return data


def _list_codecs(data: bytes, label: str) -> Iterator[str]:
    told = next((codec for mark, codec in _BOMS if data.startswith(mark)), "")
    if told:
        yield told
        return
    label = _WIDER.get(label, label)
    if label and _is_text_codec(label):
        yield label
    if b"\0" in data:
        yield from ("utf-16-le", "utf-16-be")
    if label != "utf-8":
        yield "utf-8"
    if not data.isascii():
        yield from ("gb18030", "big5hkscs")


def _is_text_codec(label: str) -> bool:
    try:
        # `hex`, `rot13` and their like are no charsets.
        return bool(codecs.lookup(label)._is_text_encoding) and label not in {"idna", "punycode"}  # noqa: SLF001 - no other way to ask
    except (LookupError, ValueError):
        return False


def _encode(text: str, codec: str) -> bytes:
    try:
        return text.encode(codec, "surrogateescape")
    except (UnicodeError, ValueError):
        # The charset of the sender may not know the characters of the tag.
        plain = TAG.sub(lambda tag: write_tag(find_removed(tag[0])[0], ascii_only=True), text)
        return plain.encode(codec, "replace")
