"""What a file from a stranger is called: a name to show and to save under, never a path."""

import re
import unicodedata

LENGTH = 100
FALLBACK = "file"
_ENDING_LENGTH = 10
_UNFIT = re.compile(r'[<>:"|?*]+')
"""No file of Windows may have them in its name, and `:` opens a second stream there."""
_RESERVED = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(?:\.|$)", re.IGNORECASE)
"""Devices of Windows, with any ending (learn.microsoft.com, Naming Files, Paths, and Namespaces)."""


def clean_name(name: str) -> str:
    """Without folders, control and direction characters and names of devices; short, with its ending kept. Never empty."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(char for char in unicodedata.normalize("NFC", last) if unicodedata.category(char)[0] != "C")
    plain = _UNFIT.sub("_", " ".join(shown.split())).strip(". ")
    if len(plain) > LENGTH:
        stem, dot, ending = plain.rpartition(".")
        kept = dot and len(ending) < _ENDING_LENGTH
        plain = stem[: LENGTH - len(ending) - 1].rstrip(". ") + dot + ending if kept else plain[:LENGTH].rstrip(". ")
    if _RESERVED.match(plain):
        plain = f"_{plain}"[:LENGTH]
    return plain or FALLBACK
