"""The words of notices, from `config/tables/notices.toml`: plain, short, in the customer's language."""

import tomllib
from dataclasses import dataclass
from importlib.resources import files

from gateway.contract.complaint import Complaint
from gateway.contract.receipt import Receipt, spoken

FALLBACK = "zh-Hans"


@dataclass(frozen=True, slots=True)
class Text:
    subject: str
    body: str


class Words:
    def __init__(self, *, bank: str, hotline: str) -> None:
        self._table = tomllib.loads(files("config").joinpath("tables/notices.toml").read_text("utf-8"))
        self._always = {"bank": bank, "hotline": hotline}

    def acknowledge(self, complaint: Complaint, link: str) -> Text:
        return self._fill("acknowledgement", complaint.language, complaint, link, "")

    def tell_progress(self, complaint: Complaint, link: str) -> Text:
        """That there is news; what it is stands on the page alone, which asks who is reading."""
        return self._fill("progress", complaint.language, complaint, link, "")

    def warn(self, complaint: Complaint, link: str) -> Text:
        """For staff, so in the house language. Shows the words that raised the alarm, no name and no number."""
        reasons = "\n".join(
            f"- {signal.priority} {signal.id}: “{signal.evidence.text[:60]}”"
            for signal in complaint.verdict.signals[:8]
        )
        return self._fill("warning", FALLBACK, complaint, link, reasons)

    def _fill(self, purpose: str, language: str, complaint: Complaint, link: str, reasons: str) -> Text:
        texts = self._table[purpose]
        text = texts.get(language, texts[FALLBACK])
        level = complaint.verdict.level
        facts = {
            **self._always,
            "receipt": spoken(Receipt(complaint.receipt or "")),
            "link": link,
            "reasons": reasons,
            "level": self._table["level"][level],
            "channel": complaint.channel.instance,
            "branch": complaint.branch.name or complaint.branch.code if complaint.branch else "-",
            "received": f"{complaint.received_at:%Y-%m-%d %H:%M} UTC",
            "decide_by": f"{complaint.due.decide_at:%Y-%m-%d}",
        }
        return Text(text["subject"].format_map(facts), text["body"].format_map(facts))
