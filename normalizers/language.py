"""Which language, as a BCP 47 tag, told by script and a few marker words: no model, no probability.

A text in two languages counts as the one its reader needs most: Chinese with English words in it is Chinese.
"""

import re
from functools import cache

from normalizers.text import to_simplified

_SAMPLE = 4_000
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U000323af]+")
_LATIN_WORD = re.compile(r"[A-Za-z\u00c0-\u024f]+(?:['’][A-Za-z]+)?")
_ARABIC = re.compile(r"[\u0620-\u064a\u066e-\u06d3]")
_NOT_ARABIC = re.compile(r"[\u067e\u0686\u0698\u06af\u06cc\u06a9\u0679\u0688\u0691\u06ba\u06d2\u06c6\u06d0]")
_KANA = re.compile(r"[\u3041-\u309f\u30a1-\u30fa]")
_HANGUL = re.compile(r"[\uac00-\ud7a3]")
_ENGLISH = re.compile(
    r"(?<![\w'])(?:the|and|i|i'm|to|of|is|was|my|you|your|in|for|it|have|has|not|this|that|with|on|are|please|me|we|"
    r"what|how|why|when|can|do|account|card|bank|money|help|thanks|hello|hi|complaint)(?![\w'])",
    re.IGNORECASE,
)
_CANTONESE = frozenset("嘅咗喺嚟冇佢啲唔咁嗰哋嘢攞畀諗瞓")

_TAGS = {
    "zh": "zh-Hans",
    "zh-cn": "zh-Hans",
    "zh-sg": "zh-Hans",
    "zh-hans": "zh-Hans",
    "cmn": "zh-Hans",
    "zh-tw": "zh-Hant",
    "zh-hk": "zh-Hant",
    "zh-mo": "zh-Hant",
    "zh-hant": "zh-Hant",
    "yue": "zh-Hant",
}
_TAG = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{2,8})*")


def read_tag(given: str) -> str:
    """What a channel says (`zh_CN`, `zh-Hans-CN`, `en-US`) -> our tag; empty for what is no tag."""
    tag = given.strip().replace("_", "-").lower()
    if not _TAG.fullmatch(tag) or tag == "und":
        return ""
    if tag.startswith(("zh", "yue", "cmn")):
        return next((ours for start, ours in sorted(_TAGS.items(), reverse=True) if tag.startswith(start)), "zh-Hans")
    return tag.partition("-")[0]


def find_language(text: str) -> str:
    """`zh-Hans`, `zh-Hant`, `en`, `ar`, `ja`, `ko`, or `und`. Reads the first 4,000 characters."""
    text = text[:_SAMPLE]
    words = len(_LATIN_WORD.findall(text))
    if text.isascii() or not _HAN.search(text):
        return _find_other(text, words)
    han = sum(map(len, _HAN.findall(text)))
    if len(_KANA.findall(text)) * 3 > han:
        return "ja"
    # A Chinese word has about two characters.
    if words * 2 > han:
        return _find_other(text, words) if _ENGLISH.search(text) else _find_chinese(text)
    return _find_chinese(text)


def _find_other(text: str, words: int) -> str:
    arabic = len(_ARABIC.findall(text))
    if arabic and arabic >= words:
        return "und" if _NOT_ARABIC.search(text) else "ar"
    if _HANGUL.search(text):
        return "ko"
    if _KANA.search(text):
        return "ja"
    if words and len(_ENGLISH.findall(text)) * 12 >= words:
        return "en"
    return "und"


def _find_chinese(text: str) -> str:
    traditional, simplified = _scripts()
    characters = set(text)
    if traditional.isdisjoint(characters) and _CANTONESE.isdisjoint(characters):
        return "zh-Hans"
    old = len(traditional & characters) + len(_CANTONESE & characters)
    new = len(simplified & characters)
    # 后, 里, 干 and their like stand in both, so that traditional writing seems to hold a few simple characters.
    return "zh-Hant" if old * 2 >= new else "zh-Hans"


@cache
def _scripts() -> tuple[frozenset[str], frozenset[str]]:
    """Characters that only traditional writing has, and those that only simplified has."""
    pairs = {chr(old): new for old, new in to_simplified().items()}
    traditional = frozenset(pairs)
    return traditional, frozenset(pairs.values()) - traditional
