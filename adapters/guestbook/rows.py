"""One row of a file or one JSON entry -> Draft. The row is kept with its own headers, so that a better reading can
be made of it later.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from adapters.guestbook.columns import match_columns
from gateway.contract.complaint import Kind
from gateway.contract.draft import Draft
from gateway.contract.errors import Unreadable
from gateway.contract.pages.entry import clean_text

ROW = "application/vnd.huiyin.row+json"
"""`{"cells": {header: value}, "problem": code or ""}`"""

_PROBLEMS = {
    "bytes_broken": "Some characters of this row are in no known encoding. Look at the source and enter it by hand.",
    "cells_extra": "This row has more cells than the header has columns. Mend the file and import it again.",
    "row_malformed": "This line is not a JSON object. Mend the file and import it again.",
    "columns_unknown": "No column holds the customer's words. Name one 内容 or text and import the file again.",
    "file_unsafe": "This workbook is made to harm whoever opens it. Ask its sender for a CSV file.",
    "file_broken": "This workbook cannot be opened. Ask its sender for it again.",
}

_KINDS: Mapping[str, Kind] = {
    **{kind.value: kind for kind in Kind},
    **dict.fromkeys(("投诉", "投訴", "举报", "投诉举报", "complain"), Kind.COMPLAINT),
    **dict.fromkeys(("表扬", "表揚", "感谢", "赞扬", "compliment", "thanks"), Kind.PRAISE),
    **dict.fromkeys(("建议", "建議", "意见", "意见建议", "建言"), Kind.SUGGESTION),
    **dict.fromkeys(("咨询", "諮詢", "询问", "求助", "question", "enquiry"), Kind.INQUIRY),
}

_DATE = re.compile(
    r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?"
    r"(?:[T\s]*(\d{1,2})\s*[:：时]\s*(\d{1,2})(?:\s*[:：分]\s*(\d{1,2}))?)?"
)


def write_row(cells: Mapping[str, str], problem: str = "") -> bytes:
    return json.dumps({"cells": cells, "problem": problem}, ensure_ascii=False).encode()


def digest_matter(cells: Mapping[str, str]) -> str:
    """What stays the same of a row when the bank's own columns (reply, state) change from one export to the next."""
    found = match_columns(cells)
    said = [found.get(field, "") for field in ("id", "text", "title", "request", "name", "phone", "time")]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32] if any(said) else ""


def draft_row(raw: bytes, timezone: str) -> Draft:
    """Raises Unreadable with the row's problem."""
    row = json.loads(raw)
    if row["problem"]:
        raise Unreadable(row["problem"], _PROBLEMS[row["problem"]])
    return replace(draft_cells(row["cells"], timezone), replaces=True)


def draft_cells(cells: Mapping[str, str], timezone: str) -> Draft:
    """Raises Unreadable `text_missing`."""
    found = {field: clean_text(value) for field, value in match_columns(cells).items()}
    get = found.get
    text = get("text") or get("request") or get("title", "")
    if not text:
        raise Unreadable("text_missing", "This entry holds no words of a customer.")
    return Draft(
        text=text,
        title=get("title", ""),
        quoted=get("reply", ""),
        kind=_KINDS.get(get("kind", "").lower()),
        language=get("language", ""),
        occurred_at=read_time(get("time", ""), timezone),
        name=get("name", ""),
        phones=_as_tuple(get("phone", "")),
        emails=_as_tuple(get("email", "")),
        id_numbers=_as_tuple(get("id_number", "")),
        branch_code=get("branch_code", ""),
        branch_name=get("branch", ""),
        request=get("request", ""),
        accused_person=get("accused", ""),
    )


def read_time(text: str, timezone: str) -> datetime | None:
    """A time without zone is the bank's own. None where the words say no time that we know."""
    if re.fullmatch(r"\d{10}|\d{13}", text):
        return datetime.fromtimestamp(int(text) / (1 if len(text) == 10 else 1000), UTC)
    zone = ZoneInfo(timezone)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _read_written(text, zone)
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _read_written(text: str, zone: ZoneInfo) -> datetime | None:
    found = _DATE.search(text)
    if not found:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=zone)
    except ValueError:
        return None


def _as_tuple(value: str) -> tuple[str, ...]:
    return tuple(part for part in re.split(r"[,，;；、/\s]+(?=[\d+\w]{4})", value) if part)
