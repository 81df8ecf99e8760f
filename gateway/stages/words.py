"""The words of notices, from `config/tables/notices.toml`: plain, short, in the customer's language."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from gateway.contract.complaint import Complaint
from gateway.contract.receipt import Receipt, spoken

FALLBACK = "zh-Hans"
ALARM_LINES = 30
_UNITS = (86_400, 3_600, 60)


@dataclass(frozen=True, slots=True)
class Text:
    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """A promise that is broken. `where` is a channel or an instance; `age_s` is how long the oldest has waited."""

    promise: str
    subject: str
    where: str
    state: str
    count: int
    age_s: int
    limit_s: int

    @property
    def key(self) -> str:
        return f"{self.promise}/{self.subject}/{self.where}/{self.state}"


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

    def alarm(self, alarms: Sequence[Alarm], language: str) -> Text:
        """For staff. Names of channels and parties, counts and ages; nothing of any customer."""
        texts = self._table["alarm"][language]
        lines = [
            "- "
            + texts[alarm.promise].format(where=alarm.where, count=alarm.count, age=_say_age(alarm.age_s, texts["age"]))
            for alarm in sorted(alarms, key=lambda alarm: (-alarm.age_s, alarm.key))[:ALARM_LINES]
        ]
        if len(alarms) > ALARM_LINES:
            lines.append("- " + texts["more"].format(count=len(alarms) - ALARM_LINES))
        facts = {**self._always, "count": len(alarms), "lines": "\n".join(lines)}
        return Text(texts["subject"].format_map(facts), texts["body"].format_map(facts))

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


def _say_age(age_s: int, units: Sequence[str]) -> str:
    """`2 d 3 h`: the two largest units that are not 0; less than a minute is one."""
    left = max(age_s, 60)
    said: list[str] = []
    for size, unit in zip(_UNITS, units, strict=True):
        count, left = divmod(left, size)
        if count and len(said) < 2:
            said.append(unit.format(count))
    return " ".join(said)
