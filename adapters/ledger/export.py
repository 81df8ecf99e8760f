"""The ledger as a CSV that spreadsheets open."""

import csv
from pathlib import Path
from typing import TextIO
from zoneinfo import ZoneInfo

from adapters.ledger.book import iterate_entries

HEADINGS = (
    "台账编号", "受理编号", "类型", "预警级别", "渠道", "网点", "标题", "姓名", "电话", "内容", "版本", "登记时间", "更新时间",
)  # fmt: skip


def export_csv(path: Path, out: TextIO, timezone: str = "Asia/Shanghai") -> int:
    """Writes one line an entry and returns their number. `out` is opened with newline=""; utf-8-sig suits spreadsheets."""
    zone = ZoneInfo(timezone)
    lines = csv.writer(out)
    lines.writerow(HEADINGS)
    count = 0
    for entry in iterate_entries(path):
        complaint = entry.complaint
        words = complaint.narrative or "\n".join(f"{turn.speaker}: {turn.text}" for turn in complaint.turns)
        times = (f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}" for moment in (entry.created, entry.updated))
        cells = (
            entry.ticket, entry.receipt, entry.kind, entry.level, entry.channel, entry.branch, entry.title,
            complaint.complainant.name, " ".join(complaint.complainant.phones), words, str(entry.version), *times,
        )  # fmt: skip
        lines.writerow([_disarm(cell) for cell in cells])
        count += 1
    return count


def _disarm(cell: str) -> str:
    """What a customer wrote must not run as a formula (OWASP, CSV injection)."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
