"""The ledger as a CSV that spreadsheets open."""

import csv
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TextIO
from zoneinfo import ZoneInfo

from adapters.ledger.book import Entry, iterate_entries, name_document
from gateway.contract.complaint import Complaint
from gateway.contract.errors import Rejected

HEADINGS = (
    "台账编号", "受理编号", "类型", "预警级别", "渠道", "网点", "标题", "姓名", "电话", "内容", "版本", "登记时间", "更新时间",
)  # fmt: skip
Unseal = Callable[[bytes, str], Awaitable[bytes]]


async def export_csv(path: Path, out: TextIO, unseal: Unseal, timezone: str, receipt: str = "") -> int:
    """Writes one line an entry and returns their number. `out` is opened with newline=""; utf-8-sig suits spreadsheets.

    What cannot be opened any more keeps its line, with the reason in place of the words.
    """
    zone = ZoneInfo(timezone)
    lines = csv.writer(out)
    lines.writerow(HEADINGS)
    count = 0
    for entry in iterate_entries(path, receipt):
        title, name, phones, words = await _open(entry, unseal)
        times = (f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}" for moment in (entry.created, entry.updated))
        cells = (
            entry.ticket, entry.receipt, entry.kind, entry.level, entry.channel, entry.branch,
            title, name, phones, words, str(entry.version), *times,
        )  # fmt: skip
        lines.writerow([_disarm(cell) for cell in cells])
        count += 1
    return count


async def _open(entry: Entry, unseal: Unseal) -> tuple[str, str, str, str]:
    try:
        document = await unseal(entry.document, name_document(entry.receipt))
    except Rejected as error:
        return "", "", "", f"({error.code})"
    complaint = Complaint.model_validate_json(document)
    words = complaint.narrative or "\n".join(f"{turn.speaker}: {turn.text}" for turn in complaint.turns)
    return complaint.title, complaint.complainant.name, " ".join(complaint.complainant.phones), words


def _disarm(cell: str) -> str:
    """What a customer wrote must not run as a formula (OWASP, CSV injection)."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
