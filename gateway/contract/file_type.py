"""What a file from a stranger is: told by its first bytes, never by its name or its sender. Nothing is unpacked, drawn or
played for it.
"""

import codecs
from typing import Any

import filetype

HEAD_BYTES = 8_192
"""So much of a file tells what it is; the library reads no more of it either."""
ANY = "application/octet-stream"
TEXT = "text/plain"

# What the library does not know, or names less exactly: (offset, bytes, media type).
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (4, b"ftyp3g", "video/3gpp"),
    (4, b"ftypM4A", "audio/mp4"),
    (4, b"ftypqt", "video/quicktime"),
    (4, b"ftyp", "video/mp4"),
    (0, b"#!SILK", "audio/silk"),
    (0, b"\x02#!SILK", "audio/silk"),  # as WeChat writes it
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (0, b"\x78\x9f\x3e\x22", "application/ms-tnef"),
)
_NAMES = {
    "audio/x-wav": "audio/wav",
    "audio/x-flac": "audio/flac",
    "application/x-rar-compressed": "application/vnd.rar",
}
"""The library's name -> the registered one (IANA)."""
_PICTURES = ("image/heic", "image/heif", "image/avif")
_WRITTEN = ("application/pdf", "application/rtf", "application/postscript")
"""Formats whose bytes may all be letters. Of all others, bytes that are nothing but letters are a text: BMW is no bitmap."""
_HOLDS = {
    "application/zip": ("application/",),
    "application/x-ole-storage": ("application/",),
    TEXT: ("text/", "message/", "application/"),
}
"""What the bytes show -> beginnings of what the sender may name more exactly: a zip may be a document of any office."""
_SIGNED = frozenset(kind.mime for kind in filetype.types) - {"application/zip"}
"""Types that show themselves in the bytes: who names one whose bytes are another's is not believed."""
_PRINTED = bytes({*range(0x20, 0x7F), *range(0x80, 0x100), *b"\t\r\n\f"})


def sniff_type(content: bytes) -> str | None:
    """None: the bytes do not tell (mark-up, most sound without a head, what is scrambled)."""
    head = content[:HEAD_BYTES]
    found = _find_signature(head)
    if found in _WRITTEN or not is_text(head, whole=len(content) <= HEAD_BYTES):
        return found
    return TEXT


def tell_type(content: bytes, declared: str) -> str:
    """What the bytes show goes before what the sender says; a sender may name a kind of text or a zip's contents."""
    given = clean_declared(declared)
    shown = sniff_type(content)
    if shown is None:
        return ANY if given in _SIGNED and not given.startswith("audio/") else given
    exact = given.startswith(_HOLDS.get(shown, ())) and given != ANY
    if exact and not (shown == TEXT and given in _SIGNED):
        return given
    return shown


def clean_declared(declared: str) -> str:
    """A sender's media type without its parameters, or `ANY` for what is none."""
    given = declared.partition(";")[0].strip().lower()
    return given if given.isascii() and given.isprintable() and given.count("/") == 1 and len(given) <= 127 else ANY


def is_text(head: bytes, *, whole: bool) -> bool:
    """UTF-8 or GB 18030 without control characters. `whole`: nothing is cut off behind `head`."""
    # Mark-up is refused: a browser at the desk might run it.
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") or head.translate(None, _PRINTED):
        return False
    for encoding in ("utf-8", "gb18030"):
        try:
            codecs.getincrementaldecoder(encoding)().decode(head, final=whole)
        except UnicodeDecodeError:
            continue
        return True
    return False


def _find_signature(head: bytes) -> str | None:
    kind: Any = filetype.guess(head) if head else None
    known: str | None = _NAMES.get(kind.mime, kind.mime) if kind else None
    if known in _PICTURES:
        return known
    for offset, mark, media_type in _SIGNATURES:
        if head.startswith(mark, offset):
            return media_type
    return known
