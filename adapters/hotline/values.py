"""Reading single values that vendors write in many ways. Nothing here raises: what cannot be read is absent."""

import math
import re
from datetime import UTC, datetime, tzinfo
from typing import Any

_DURATION = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?")
_ID_LIMIT = 160
_UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")


def dig(value: Any, *path: str | int) -> Any:
    """`dig(v, "data", "list", 0)` -> that element, or None where the way ends earlier."""
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and -len(value) <= step < len(value) else None
    return value


def rows_of(value: Any) -> list[dict[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def clean(text: str) -> str:
    """Drops what no store takes: NUL, other control characters, half surrogate pairs."""
    return _UNSAFE.sub("", text).strip()


def read_text(value: Any) -> str:
    return clean(value) if isinstance(value, str) else ""


def read_label(value: Any) -> str:
    """A role word, a name or a channel number."""
    if isinstance(value, (list, tuple)):
        return read_label(value[0]) if value else ""
    return str(value) if isinstance(value, int) else read_text(value)


def read_id(value: Any) -> str:
    """A call's identifier as a short printable string, else empty."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return ""
    value = value.strip()
    return value if len(value) <= _ID_LIMIT and value.isprintable() else ""


def read_ms(value: Any, factor: float = 1) -> int | None:
    """A number, a numeric string, `"3.4s"` or `"PT3.4S"` -> milliseconds. `factor` turns the bare number into them."""
    if isinstance(value, str):
        duration = _DURATION.fullmatch(value)
        if duration and value != "PT":
            hours, minutes, seconds = (float(part or 0) for part in duration.groups())
            return round(((hours * 60 + minutes) * 60 + seconds) * 1000)
        if value.endswith("s"):
            value, factor = value[:-1], 1000
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if not (math.isfinite(value) if isinstance(value, float) else value < 10**18):
        return None
    ms = round(value * factor)
    return ms if 0 <= ms < 10**14 else None


def read_moment(value: Any, zone: tzinfo) -> datetime | None:
    """ISO 8601 or `2026-01-01 10:00:00` (without a zone: the bank's), or Unix time in s, ms or µs by its size."""
    try:
        if isinstance(value, str) and not value.strip().isdigit():
            moment = datetime.fromisoformat(value.strip().replace("/", "-"))
            return moment if moment.tzinfo else moment.replace(tzinfo=zone)
        seconds = float(value)
        if not math.isfinite(seconds):
            return None
        while seconds > 10**11:
            seconds /= 1000
        return datetime.fromtimestamp(seconds, UTC) if seconds > 10**8 else None
    except (TypeError, ValueError, OverflowError, OSError):
        return None
