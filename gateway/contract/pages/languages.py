"""The words of the pages, one table per language, and which language a caller wants."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from typing import Any

from gateway.contract.call import Call

LANGUAGES = ("zh-Hans", "zh-Hant", "en", "ar")
_TRADITIONAL = ("zh-hant", "zh-tw", "zh-hk", "zh-mo")


@dataclass(frozen=True, slots=True)
class Texts:
    """`words` are the sections of the table; `words["form"]["send"]` is one text."""

    language: str
    words: Mapping[str, Any]

    def say(self, section: str, key: str, **facts: str) -> str:
        text: str = self.words[section][key]
        return text.format(**facts) if facts else text

    def say_date(self, day: date) -> str:
        pattern: str = self.words["date"]
        return pattern.format(year=day.year, month=self.words["months"][day.month - 1], day=day.day)


TEXTS: Mapping[str, Texts] = {
    language: Texts(language, tomllib.loads(files(__package__).joinpath(f"texts/{language}.toml").read_text("utf-8")))
    for language in LANGUAGES
}


def choose_language(call: Call) -> str:
    """`?lang=`, then Accept-Language, then simplified Chinese."""
    chosen = find_chosen(call)
    if chosen:
        return chosen
    wishes = []
    for part in call.headers.get("accept-language", "").split(",")[:20]:
        tag, _, quality = part.partition(";q=")
        try:
            wishes.append((-float(quality or 1), tag.strip().lower()))
        except ValueError:
            continue
    for _, tag in sorted(wishes, key=lambda wish: wish[0]):
        if tag.startswith("zh"):
            return "zh-Hant" if tag.startswith(_TRADITIONAL) else "zh-Hans"
        if tag.partition("-")[0] in ("en", "ar"):
            return tag.partition("-")[0]
    return "zh-Hans"


def find_chosen(call: Call) -> str:
    """The language the customer chose on the page, or nothing."""
    wanted = call.query.get("lang", "").lower()
    return next((language for language in LANGUAGES if language.lower() == wanted), "")
