"""The classes of JR/T 0169-2018, and the official codes a bank supplies for them.

Class names are those banks publish themselves; the standard's numeric codes are not public, so they come from the
bank's file and are None until then. Nothing here invents a code. Only the facet letters A, B and C are the standard's.
"""

import csv
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.resources import files
from io import StringIO
from pathlib import Path
from types import MappingProxyType

from config.load import SettingsError

_COLUMNS = ("key", "code", "valid_from", "valid_to", "edition")


@dataclass(frozen=True, slots=True)
class CodeClass:
    """One class. `key` is ours and stable, e.g. `B.bankcard.credit`; `hints` are words that suggest it."""

    key: str
    parent: str
    level: int
    name_zh: str
    name_en: str
    hints: tuple[str, ...]
    code: str | None = None

    @property
    def facet(self) -> str:
        return self.key[0]


class CodeTable:
    """The classes by key. Equal tables have equal versions, so that compiled forms can be kept by table. Pickles."""

    def __init__(self, classes: Iterable[CodeClass]) -> None:
        self._classes = {entry.key: entry for entry in classes}
        self.version = hashlib.sha256(repr(sorted(self._classes.items())).encode()).hexdigest()[:8]

    @property
    def classes(self) -> Mapping[str, CodeClass]:
        return MappingProxyType(self._classes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CodeTable) and other.version == self.version

    def __hash__(self) -> int:
        return hash(self.version)


def load_codes(file: Path | None, today: date | None = None) -> CodeTable:
    """The shipped classes with the bank's codes valid `today` (UTC date of the start, where not given).

    `file` is CSV `key,code,valid_from,valid_to,edition`; dates are ISO, empty means open. Raises SettingsError.
    """
    shipped = files("config").joinpath("tables", "jrt0169.csv").read_text("utf-8")
    classes = {row["key"]: row for row in csv.DictReader(StringIO(shipped))}
    codes = _read_bank(file, set(classes), today or datetime.now(UTC).date()) if file else {}
    return CodeTable(
        CodeClass(
            key=key,
            parent=row["parent"],
            level=int(row["level"]),
            name_zh=row["name_zh"],
            name_en=row["name_en"],
            hints=tuple(filter(None, row["hints"].split("|"))),
            # The facet letters are all that is known of the official codes.
            code=codes.get(key, key if row["level"] == "0" else None),
        )
        for key, row in classes.items()
    )


def _read_bank(file: Path, known: set[str], today: date) -> dict[str, str]:
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"settings: codes.file: {file} cannot be read ({type(error).__name__})") from None
    reader = csv.DictReader(StringIO(text))
    if tuple(reader.fieldnames or ()) != _COLUMNS:
        raise SettingsError(f"settings: codes.file: the first line of {file} must be {','.join(_COLUMNS)}")
    codes: dict[str, str] = {}
    for row in reader:
        line = reader.line_num
        key, code = (row["key"] or "").strip(), (row["code"] or "").strip()
        if key not in known:
            raise SettingsError(f"settings: codes.file: line {line}: there is no class {key!r}")
        if not code:
            raise SettingsError(f"settings: codes.file: line {line}: the code of {key} is empty")
        try:
            first, last = (date.fromisoformat(row[name]) if row[name] else None for name in ("valid_from", "valid_to"))
        except ValueError:
            raise SettingsError(f"settings: codes.file: line {line}: dates are written 2026-01-31") from None
        if (first and today < first) or (last and today > last):
            continue
        if key in codes:
            raise SettingsError(f"settings: codes.file: line {line}: {key} has two codes that are valid today")
        codes[key] = code
    return codes
