"""Files from strangers: what they are is told by their first bytes, never by their name or their sender."""

import hashlib
import unicodedata
from dataclasses import dataclass, field

NAME_LENGTH = 100

# (offset, bytes, media type); the first that fits counts.
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftypheix", "image/heic"),
    (4, b"ftypmif1", "image/heif"),
    (4, b"ftypavif", "image/avif"),
    (0, b"BM", "image/bmp"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"\xff\xf1", "audio/aac"),
    (0, b"\xff\xf9", "audio/aac"),
    (8, b"WAVE", "audio/wav"),
    (0, b"OggS", "audio/ogg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"#!AMR", "audio/amr"),
    (4, b"ftypM4A", "audio/mp4"),
    (4, b"ftypqt", "video/quicktime"),
    (4, b"ftyp3g", "video/3gpp"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
)


@dataclass(frozen=True, slots=True)
class Upload:
    """`media_type` is None for what we do not take."""

    name: str
    media_type: str | None
    content: bytes = field(repr=False)

    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def sniff_type(content: bytes) -> str | None:
    for offset, mark, media_type in _SIGNATURES:
        if content.startswith(mark, offset):
            return media_type
    return "text/plain" if _is_text(content) else None


def _is_text(content: bytes) -> bool:
    head = content[:4096]
    # Mark-up is refused: a browser at the desk might run it.
    if b"\x00" in head or head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return False
    if any((byte < 0x20 and byte not in b"\t\r\n\f") or byte == 0x7F for byte in head):
        return False
    for encoding in ("utf-8", "gb18030"):
        try:
            content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return True
    return False


def clean_name(name: str) -> str:
    """Without folders, control and direction characters; short, with its ending kept."""
    last = name.replace("\\", "/").rpartition("/")[2]
    plain = "".join(char for char in unicodedata.normalize("NFC", last) if unicodedata.category(char)[0] != "C").strip(
        ". "
    )
    if len(plain) > NAME_LENGTH:
        stem, dot, ending = plain.rpartition(".")
        plain = (
            stem[: NAME_LENGTH - len(ending) - 1] + dot + ending if dot and len(ending) < 10 else plain[:NAME_LENGTH]
        )
    return plain or "file"
