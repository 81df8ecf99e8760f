"""What customers read: the shipped texts of `texts.toml`, with what the bank words otherwise."""

import re
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

LANGUAGES = ("zh-Hans", "zh-Hant", "en", "ar")
LIMIT_CHARACTERS = 600
"""A text reply above this shows the customer an error instead."""

SHIPPED: Mapping[str, Mapping[str, str]] = {
    language: {name: text.strip("\n") for name, text in texts.items()}
    for language, texts in tomllib.loads(files(__package__).joinpath("texts.toml").read_text("utf-8")).items()
}
NAMES = frozenset(SHIPPED["zh-Hans"])

_PLACEHOLDER = re.compile(r"\{(\w*)\}")
_LONGEST = {"receipt": 14, "ending": 4, "link": 160, "branch": 40, "bank": 20, "hotline": 16, "progress": 300}
"""The placeholders, and the room that is kept for each."""
_ALWAYS = frozenset({"bank", "hotline"})
_OWN = {
    "scanned": frozenset({"branch"}),
    "scanned_link": frozenset({"branch", "link"}),
    "progress": frozenset({"receipt", "ending", "progress"}),
    "progress_link": frozenset({"link"}),
}
_NUMBER = frozenset({"receipt", "ending"})
_NUMBERED = frozenset(
    {"received", "received_praise", "received_suggestion", "received_inquiry", "supplemented", "ended", "progress"}
)


def check_text(name: str, text: str) -> None:
    """Raises ValueError where the customer would read nonsense, or be left without a number."""
    if name not in NAMES:
        raise ValueError(f"there is no text {name!r}; there are {', '.join(sorted(NAMES))}")
    marks = set(_PLACEHOLDER.findall(text))
    allowed = _ALWAYS | _OWN.get(name, _NUMBER if name in _NUMBERED else frozenset())
    if marks - allowed:
        raise ValueError(f"{name}: there is no {{{min(marks - allowed)}}} in it; there is {', '.join(sorted(allowed))}")
    if len(_PLACEHOLDER.sub(lambda mark: "x" * _LONGEST[mark[1]], text)) > LIMIT_CHARACTERS:
        raise ValueError(f"{name}: at most {LIMIT_CHARACTERS} characters, with what stands in the placeholders")
    if name in _NUMBERED and not marks & _NUMBER:
        raise ValueError(f"{name}: must contain {{receipt}}: nobody is left without a number")


class Texts:
    """`own`: name -> text of the bank's, for all languages or by language. `always` are facts of every text."""

    def __init__(self, own: Mapping[str, str | Mapping[Any, str]], always: Mapping[str, str]) -> None:
        self._own = own
        self._always = always

    def say(self, name: str, language: str, **facts: str) -> str:
        """Empty where the bank wants nothing said."""
        found = self._own.get(name, SHIPPED[language][name])
        text = found if isinstance(found, str) else found.get(language, SHIPPED[language][name])
        values = {**self._always, **facts}
        # In one pass, so that nothing that stands in a value is taken for a placeholder.
        return _PLACEHOLDER.sub(lambda mark: values.get(mark[1], ""), text)[:LIMIT_CHARACTERS]
