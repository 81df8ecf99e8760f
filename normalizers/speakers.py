"""A conversation written as one text: lines that begin with who speaks (`客服：`, `客户：`, `Agent:`)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.contract.complaint import Speaker

_NAMES = {
    Speaker.AGENT: (
        "客服",
        "坐席",
        "座席",
        "工作人员",
        "工作人員",
        "柜员",
        "櫃員",
        "agent",
        "representative",
        "advisor",
    ),
    Speaker.CUSTOMER: (
        "客户",
        "客戶",
        "顾客",
        "顧客",
        "来电人",
        "來電人",
        "用户",
        "用戶",
        "customer",
        "caller",
        "client",
    ),
    Speaker.BOT: ("机器人", "機器人", "bot", "ivr"),
    Speaker.SYSTEM: ("系统", "系統", "system"),
}
_SPEAKERS = {name: speaker for speaker, names in _NAMES.items() for name in names}
_LINE = re.compile(rf"^[ \t]*({'|'.join(_SPEAKERS)})[ \t]*[:：][ \t]*", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Said:
    """Offsets of the words, without the speaker's name, into the whole text."""

    speaker: Speaker
    start: int
    end: int


def split_speakers(text: str) -> list[Said]:
    """Nothing unless an agent or bot and a customer both speak: `客户：` alone may be the head of a letter."""
    marks = list(_LINE.finditer(text))
    speakers = {_SPEAKERS[mark[1].lower()] for mark in marks}
    if Speaker.CUSTOMER not in speakers or not speakers & {Speaker.AGENT, Speaker.BOT}:
        return []
    return list(_cut(text, marks))


def _cut(text: str, marks: list[re.Match[str]]) -> Iterator[Said]:
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    for mark, end in zip(marks, ends, strict=True):
        yield Said(_SPEAKERS[mark[1].lower()], mark.end(), mark.end() + len(text[mark.end() : end].rstrip()))


def keep_customer(text: str) -> str:
    """The customer's words alone, a line each; the whole text where nobody else speaks."""
    said = split_speakers(text)
    if not said:
        return text
    return "\n".join(text[part.start : part.end] for part in said if part.speaker is Speaker.CUSTOMER)
