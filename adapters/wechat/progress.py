"""How far a matter is, as a text message: a few short lines that hold nothing personal."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from adapters.wechat.texts import Texts
from gateway.contract.clock import Millis, to_datetime
from gateway.contract.pages.languages import TEXTS
from gateway.contract.progress import Progress, Untold
from gateway.contract.receipt import spoken

_FURTHEST = ("closed", "withdrawn", "forwarded", "registered", "received")


def tell_progress(
    told: Progress | Untold, texts: Texts, language: str, zone: ZoneInfo, *, named: bool, linked: bool
) -> str:
    """`named`: the customer gave a number. `linked`: whether the page behind the link, which shows more, may be told."""
    if told is Untold.AWAY:
        return texts.say("progress_away", language)
    if isinstance(told, Untold):
        return texts.say("progress_unknown" if named else "progress_none", language)
    lines = list(_list_lines(told, language, zone))
    if linked:
        lines.append(texts.say("progress_link", language, link=told.link))
    return texts.say("progress", language, receipt=spoken(told.receipt), progress="\n".join(lines))


def _list_lines(told: Progress, language: str, zone: ZoneInfo) -> Iterator[str]:
    words = TEXTS[language]
    when = dict(told.steps)
    latest = next(name for name in _FURTHEST if name in when)

    def say_moment(at: Millis) -> str:
        local = to_datetime(at).astimezone(zone)
        return f"{words.say_date(local.date())} {local:%H:%M}"

    yield f"{words.say('status', latest)} {say_moment(when[latest])}"
    yield words.say("status", f"{latest}_note")
    if latest != "received":
        yield f"{words.say('status', 'received')} {say_moment(when['received'])}"
    if "supplemented" in when:
        yield f"{words.say('status', 'supplemented')} {say_moment(when['supplemented'])}"
    if told.deadline and latest not in ("closed", "withdrawn"):
        yield f"{words.say('status', 'deadline')} {words.say_date(told.deadline)}"
