"""The bank's branch table: CSV `code,name,region,aliases`, aliases separated by `|`."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from config.load import SettingsError

_COLUMNS = ("code", "name", "region", "aliases")


@dataclass(frozen=True, slots=True)
class BranchEntry:
    """One row of the bank's branch table."""

    code: str
    name: str
    region: str = ""
    aliases: tuple[str, ...] = ()


def load_branches(path: Path | None) -> Mapping[str, BranchEntry]:
    """Code -> entry, in the order of the file; empty without a file. UTF-8 or what Excel saves in China (GB 18030).

    Raises SettingsError, naming the line.
    """
    if path is None:
        return {}
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"bank.branches: {path} cannot be read ({error.strerror})") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("gb18030", "replace")
    try:
        return _read_rows(csv.DictReader(io.StringIO(text, newline="")), path)
    except csv.Error as error:
        raise SettingsError(f"bank.branches: {path} is no table in CSV: {error}") from None


def _read_rows(rows: "csv.DictReader[str]", path: Path) -> Mapping[str, BranchEntry]:
    missing = {"code", "name"} - {name.strip() for name in rows.fieldnames or () if name}
    if missing:
        raise SettingsError(f"bank.branches: {path} line 1 has no column {' and '.join(sorted(missing))}")
    rows.fieldnames = [(name or "").strip() for name in rows.fieldnames or ()]
    branches: dict[str, BranchEntry] = {}
    for row in rows:
        code, name, region, aliases = ((row.get(column) or "").strip() for column in _COLUMNS)
        if not code and not name:
            continue
        if not code or not name:
            raise SettingsError(f"bank.branches: {path} line {rows.line_num}: a branch needs its code and its name")
        if code in branches:
            raise SettingsError(f"bank.branches: {path} line {rows.line_num}: the code {code} is there twice")
        branches[code] = BranchEntry(
            code, name, region, tuple(part.strip() for part in aliases.split("|") if part.strip())
        )
    return branches
