"""What a push wants: to say something, to end, to ask how far it is, to choose what comes next, or nothing of ours."""

import re
import unicodedata
from collections.abc import Container, Sequence
from dataclasses import dataclass
from enum import StrEnum

from adapters._tencent.messages import Message
from adapters.wechat.menu import CHOICES, PEOPLE, PROGRESS
from adapters.wechat.scenes import find_branch
from adapters.wechat.settings import ChannelSettings
from gateway.contract.complaint import Kind
from gateway.contract.receipt import Receipt, parse_receipt


class Wish(StrEnum):
    """SAY: words or media of a matter. END: that was all. ASK: how far is it? CHOOSE: the kind of what comes next.
    PEOPLE: a person, please. SCAN: at this branch. FOLLOW: a new follower. NONE: no conversation (job reports, places).
    """

    SAY = "say"
    END = "end"
    ASK = "ask"
    CHOOSE = "choose"
    PEOPLE = "people"
    SCAN = "scan"
    FOLLOW = "follow"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """`kind` of SAY is what the customer called it at the beginning, of CHOOSE what was chosen. `receipt` of ASK is the
    number asked for; `misspelt`: there was one, and it is none of ours. `branch` is the code of SCAN.
    """

    wish: Wish
    kind: Kind | None = None
    receipt: Receipt | None = None
    misspelt: bool = False
    branch: str = ""


_NONE = Intent(wish=Wish.NONE)
_CLOSING = " \t\r\n。.!！~～…?？"
_BEHIND_HAN = re.compile(r"[\s:—-]")
_BEHIND_LETTERS = re.compile(r"\s*[:—\n-]")
"""What stands behind a word that says what follows. Where words are parted by spaces, a space says nothing."""
_NUMBER = re.compile(r"(?:受理)?(?:编号|編號|单号|單號|no\.?|number|رقم)?[\s:：#]*([\d\s\-]{4,40})")
_LONGEST_ORDER = 40
_LOOKED_AT = 200
"""Characters; whatever is longer is words for a person."""


def read_intent(message: Message, settings: ChannelSettings, branches: Container[str] = ()) -> Intent:
    """`branches` are the codes of the bank's table."""
    if message.is_event:
        return _read_event(message, settings, branches)
    if not message.is_from_customer:
        return _NONE
    return _read_words(read_said(message), settings)


def read_said(message: Message) -> str:
    """The words of a text, or of a voice message that WeChat wrote down; else empty."""
    match message.kind:
        case "text":
            return message.fields.get("Content", "")
        case "voice":
            return message.fields.get("Recognition", "")
    return ""


def _read_event(message: Message, settings: ChannelSettings, branches: Container[str]) -> Intent:
    name, key = message.event.lower(), message.fields.get("EventKey", "").strip()
    match name:
        case "click" if key in CHOICES:
            return Intent(wish=Wish.CHOOSE, kind=CHOICES[key])
        case "click" if key == PROGRESS:
            return Intent(wish=Wish.ASK)
        case "click" if key == PEOPLE:
            return Intent(wish=Wish.PEOPLE)
        case "subscribe" | "scan":
            following = name == "subscribe"
            branch = find_branch(key, settings.scene_prefix, settings.scenes, branches, following=following)
            if branch:
                return Intent(wish=Wish.SCAN, branch=branch)
            return Intent(wish=Wish.FOLLOW) if name == "subscribe" else _NONE
    return _NONE


def _read_words(said: str, settings: ChannelSettings) -> Intent:
    text = unicodedata.normalize("NFKC", said[:_LOOKED_AT]).strip().casefold()
    if len(said) > _LOOKED_AT:
        return Intent(wish=Wish.SAY, kind=_read_heading(text, settings))
    order = text.rstrip(_CLOSING)
    # A question mark makes a question even of 完毕: "是完毕吗" has an answer to wait for.
    if text.rstrip(_CLOSING.replace("?", "")) in settings.end_words:
        return Intent(wish=Wish.END)
    if order in settings.people_words:
        return Intent(wish=Wish.PEOPLE)
    if len(text) <= _LONGEST_ORDER and (asked := _read_question(order, settings.progress_words)):
        return asked
    for kind, words in settings.kind_words.items():
        if order in words:
            # Who says that it is a complaint has begun one: it gets its number.
            return Intent(wish=Wish.SAY if kind is Kind.COMPLAINT else Wish.CHOOSE, kind=kind)
    return Intent(wish=Wish.SAY, kind=_read_heading(text, settings))


def _read_heading(text: str, settings: ChannelSettings) -> Kind | None:
    """Without anything behind it a word may be part of another (表扬信, 建议书): then the whole words decide later."""
    for kind, words in settings.kind_words.items():
        if any(_is_heading(word, text) for word in words):
            return kind
    return None


def _is_heading(word: str, text: str) -> bool:
    behind = _BEHIND_HAN if "\u4e00" <= word[-1] <= "\u9fff" else _BEHIND_LETTERS
    return text.startswith(word) and behind.match(text, len(word)) is not None


def _read_question(order: str, words: Sequence[str]) -> Intent | None:
    """The word alone, or the word and a number. Anything else behind it (查询余额) is not this question."""
    for word in sorted(words, key=len, reverse=True):
        if order == word:
            return Intent(wish=Wish.ASK)
        if order.startswith(word) and (number := _NUMBER.fullmatch(order[len(word) :].lstrip(" :,-"))):
            receipt = parse_receipt(number[1])
            return Intent(wish=Wish.ASK, receipt=receipt, misspelt=receipt is None)
    return None
