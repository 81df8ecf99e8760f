"""Files of guestbook entries -> rows with their own headers: CSV, XLSX, JSON Lines or a JSON list."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from adapters.guestbook.columns import has_words
from adapters.guestbook.packing import CELLS_LIMIT, Unsafe, fits_memory

Row = tuple[Mapping[str, str], str]
"""(cells, problem): the code of the problem is empty for a good row."""

HEADER_DEPTH = 10
"""A title and notes may stand above the header."""


def split_rows(data: bytes, name: str, format_name: str | None) -> Iterator[Row]:
    """In the order of the file. Never raises on content."""
    form = format_name or _tell_format(data, name)
    if form == "xlsx":
        return _split_xlsx(data)
    if form == "jsonl":
        return _split_jsonl(data)
    return _split_csv(data)


def _tell_format(data: bytes, name: str) -> str:
    if data.startswith(b"PK\x03\x04"):
        return "xlsx"
    if name.lower().endswith((".jsonl", ".ndjson", ".json")) or data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (
        b"{",
        b"[",
    ):
        return "jsonl"
    return "csv"


def _decode(data: bytes) -> tuple[str, bool]:
    """-> (text, whether something had to be replaced). GB18030 contains GBK and GB 2312."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace"), False
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding), False
        except UnicodeDecodeError:
            continue
    candidates = [data.decode(encoding, "replace") for encoding in ("utf-8-sig", "gb18030")]
    return min(candidates, key=lambda text: text.count("\ufffd")), True


def _split_csv(data: bytes) -> Iterator[Row]:
    text, damaged = _decode(data)
    if "\x00" in text:
        yield {}, "columns_unknown"
        return
    csv.field_size_limit(10_000_000)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=_find_delimiter(text))
    try:
        for cells, problem in _name_cells(lines):
            broken = damaged and any("\ufffd" in value for value in cells.values())
            yield cells, problem or ("bytes_broken" if broken else "")
    except csv.Error:
        yield {}, "row_malformed"


def _find_delimiter(text: str) -> str:
    """The one that stands most often in the first line that can be a header."""
    for line in text.splitlines()[:HEADER_DEPTH]:
        best = max(",\t;|，", key=line.count)
        if has_words(cell.strip('"') for cell in line.split(best)):
            return best
    return ","


def _split_xlsx(data: bytes) -> Iterator[Row]:
    from openpyxl import load_workbook

    try:
        # Only a sheet in memory knows its merged cells; a huge one is streamed without.
        book = load_workbook(io.BytesIO(data), read_only=not fits_memory(data), data_only=True)
        found = False
        for rows in _read_sheets(book):
            for cells, problem in _name_cells(rows):
                if problem != "columns_unknown":  # a sheet of notes beside the sheet of entries is no fault
                    found = True
                    yield cells, problem
        if not found:
            yield {}, "columns_unknown"
    except Unsafe:
        yield {}, "file_unsafe"
    except Exception:  # whatever the library meets on its way: a lock, a lying header, a picture of a million miles
        yield {}, "file_broken"


def _read_sheets(book: Any) -> Iterator[Iterator[list[str]]]:
    for sheet in book.worksheets:
        if book.read_only:
            sheet.reset_dimensions()  # some writers leave a wrong size behind
        yield _read_rows(sheet, {} if book.read_only else _find_merged(sheet))


def _read_rows(sheet: Any, merged: Mapping[tuple[int, int], int]) -> Iterator[list[str]]:
    seen = 0
    for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
        # The library fills up every row as far as its last cell: a few bytes may stand for 16,384 empty ones.
        seen += len(row)
        if seen > CELLS_LIMIT:
            raise Unsafe
        cells = [_write_cell(value) for value in row]
        if any(cell.strip() for cell in cells):  # an empty row stays one
            for column in range(1, len(cells) + 1):
                if (number, column) in merged:
                    cells[column - 1] = _write_cell(sheet.cell(merged[number, column], column).value)
        yield cells


def _find_merged(sheet: Any) -> Mapping[tuple[int, int], int]:
    """(row, column) -> the row that holds its value. Only cells merged downwards: one branch for several rows."""
    return {
        (row, area.min_col): area.min_row
        for area in sheet.merged_cells.ranges
        if area.min_col == area.max_col
        for row in range(area.min_row + 1, area.max_row + 1)
    }


def _write_cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a phone number kept as a number
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)


def _name_cells(lines: Iterator[list[str]]) -> Iterator[Row]:
    header: list[str] | None = None
    seen = 0
    for line in lines:
        if not any(cell.strip() for cell in line):
            continue
        if header is None:
            seen += 1
            if has_words(line):
                header = [cell.strip() for cell in line]
            elif seen >= HEADER_DEPTH:
                break
            continue
        extra = any(cell.strip() for cell in line[len(header) :])
        cells = {name or f"#{index + 1}": cell for index, (name, cell) in enumerate(zip(header, line, strict=False))}
        if extra:
            cells["#extra"] = " | ".join(line[len(header) :])
        yield cells, "cells_extra" if extra else ""
    if header is None:
        yield {}, "columns_unknown"


def _split_jsonl(data: bytes) -> Iterator[Row]:
    text, damaged = _decode(data)
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        pass
    else:
        text = "\n".join(
            json.dumps(each, ensure_ascii=False) for each in (whole if isinstance(whole, list) else [whole])
        )
    for line in text.split("\n"):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            yield {"#line": line}, "row_malformed"
            continue
        broken = damaged and "\ufffd" in line
        yield write_cells(document), "bytes_broken" if broken else ""


def write_cells(document: Mapping[str, Any]) -> dict[str, str]:
    """The plain values of a JSON object as cells; lists of them joined."""
    cells = {}
    for key, value in document.items():
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            cells[key] = "\n".join(value)
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            cells[key] = _write_cell(value)
    return cells
