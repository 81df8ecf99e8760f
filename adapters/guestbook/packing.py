"""Whether a packed spreadsheet may be opened at all: it is read in memory, never unpacked to a disk, and within bounds."""

import io
import re
import stat
import zipfile
from xml.etree.ElementTree import ParseError, XMLParser

UNPACKED_LIMIT_BYTES = 500_000_000
IN_MEMORY_LIMIT_BYTES = 30_000_000
RATIO_LIMIT = 200
"""Real sheets shrink some 10 to 50 times; a bomb a thousand times and more."""
PARTS_LIMIT = 5_000
CELLS_LIMIT = 20_000_000
IN_MEMORY_CELLS_LIMIT = 3_000_000
"""Of the rectangle around all cells, and of all that are merged: the library walks through every one, empty or not."""

_REFERENCE = re.compile(r"\$?([A-Za-z]{1,3})\$?([0-9]{1,7})")
_CHUNK_BYTES = 65_536


class Unsafe(Exception):
    """Made to harm whoever opens it."""


def fits_memory(data: bytes) -> bool:
    """Whether the sheet may be opened whole; else it is streamed. Raises Unsafe, and zipfile.BadZipFile."""
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        parts = packed.infolist()
        # Parts that overlap are told by their sum: each counts, however often the same bytes are named.
        unpacked = sum(part.file_size for part in parts)
        if len(parts) > PARTS_LIMIT or unpacked > UNPACKED_LIMIT_BYTES or unpacked > RATIO_LIMIT * len(data):
            raise Unsafe
        if any(_leads_elsewhere(part) for part in parts):
            raise Unsafe
        if unpacked > IN_MEMORY_LIMIT_BYTES:
            return False
        return sum(_measure(packed, part) for part in parts) <= IN_MEMORY_CELLS_LIMIT


def _leads_elsewhere(part: zipfile.ZipInfo) -> bool:
    """Nothing is written under these names; a spreadsheet that has such is no spreadsheet."""
    name = part.filename.replace("\\", "/")
    return name.startswith("/") or ".." in name.split("/") or stat.S_ISLNK(part.external_attr >> 16)


class _Extent:
    """Of one part: the rectangle around all that is at a place, and the cells that are merged."""

    def __init__(self) -> None:
        self._row = self._column = self._merged = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition("}")[2]
        if name in ("c", "row"):
            column, row = _read_reference(attributes.get("r", "")) if name == "c" else (0, _number(attributes.get("r")))
            self._row, self._column = max(self._row, row), max(self._column, column)
        elif name == "mergeCell":
            first, _, last = attributes.get("ref", "").partition(":")
            (left, top), (right, bottom) = _read_reference(first), _read_reference(last or first)
            self._merged += (abs(right - left) + 1) * (abs(bottom - top) + 1)

    def count(self) -> int:
        return self._row * self._column + self._merged


def _measure(packed: zipfile.ZipFile, part: zipfile.ZipInfo) -> int:
    """Cells; 0 for what is no XML."""
    extent = _Extent()
    parser = XMLParser(target=extent)  # noqa: S314 - expat itself stops entities that grow into each other
    try:
        with packed.open(part) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                parser.feed(chunk)
    except ParseError:
        return 0
    return extent.count()


def _read_reference(text: str) -> tuple[int, int]:
    """`BC12` -> (55, 12); (0, 0) for what is no place."""
    found = _REFERENCE.fullmatch(text)
    if found is None:
        return 0, 0
    column = 0
    for letter in found.group(1).upper():
        column = column * 26 + ord(letter) - 64
    return column, int(found.group(2))


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) <= 7 else 0
