"""Text as people type it -> text as it is kept (`clean`) and text as it is matched (`fold`).

What is kept stays the customer's: only characters that nobody can see are taken out. What is matched may lose
everything that does not change the meaning: width, case, script (traditional or simplified), and, where asked for,
the spaces and dots by which words are hidden from filters (「自 殺」, 「投.诉」).
"""

import re
import unicodedata
from bisect import bisect_right
from functools import cache, cached_property, lru_cache

# Control, bidi-override and zero-width characters, lone surrogates and tag characters. ZWJ and the variation
# selectors are seen to below: inside an emoji they are part of what one sees.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200c"
    "\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff9-\ufffc\ud800-\udfff"
    "\U000e0000-\U000e0fff]"
)
_JOINERS = re.compile("(?<![\u2190-\u2bff\u3030-\u3299\ufe0f\U0001f000-\U0001faff])[\u200d\ufe0f]")
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_ODD = re.compile(f"[\r\u200d\ufe0f\x0b\x0c\x85\u2028\u2029{_INVISIBLE.pattern[1:-1]}]")
"""Anything of the three above; most texts hold none."""
_BLANK_LINES = re.compile(r"\n{3,}")

# Same word, other character; the character dictionary leaves these as they are.
_EXTRA = {"妳": "你", "祂": "他", "著": "着"}
# Arabic letters that people write one for the other, and the stroke that only fills a line.
_ARABIC = str.maketrans({"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ئ": "ي", "ؤ": "و", "ة": "ه", "ـ": None})
_TABLE_LIMIT = 40_000


def clean(text: str) -> str:
    """What is kept as narrative: NFC, `\\n` line ends, nothing invisible, at most one blank line in a row."""
    if _ODD.search(text):
        text = _LINE_ENDS.sub("\n", text)
        text = _INVISIBLE.sub("", text)
        text = _JOINERS.sub("", text)
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    if "\n" in text:
        text = "\n".join([line.rstrip() for line in text.split("\n")])
        text = _BLANK_LINES.sub("\n\n", text)
    return text.strip()


class Folded:
    """Text for matching, with the way back: offsets in `text` -> offsets in `original`."""

    __slots__ = ("__dict__", "_table", "original", "text")

    def __init__(self, original: str, table: "_Table") -> None:
        self.original = original
        self.text = original.translate(table)
        self._table = table

    @cached_property
    def _starts(self) -> list[int]:
        """Where in the original each folded character comes from; made only when something was found."""
        table = self._table
        if table.widened.isdisjoint(self.original):
            dropped = table.dropped
            return [at for at, char in enumerate(self.original) if char not in dropped]
        return [at for at, char in enumerate(self.original) for _ in table[ord(char)]]

    @property
    def _unchanged(self) -> bool:
        return self.text == self.original

    def start(self, i: int) -> int:
        """Offset in the original of folded character `i`; the end of the original for `i == len(text)`."""
        if i >= len(self.text):
            return len(self.original)
        return i if self._unchanged else self._starts[i]

    def span(self, i: int, j: int) -> tuple[int, int]:
        """Folded [i, j) -> original [start, end): whole characters, nothing dropped at the edges taken along."""
        if i >= j:
            return self.start(i), self.start(i)
        return self.start(i), self.start(j - 1) + 1

    def index(self, start: int) -> int:
        """Offset in the original -> offset of the first folded character at or after it."""
        if self._unchanged:
            return min(start, len(self.text))
        return bisect_right(self._starts, start - 1)


# All rules look at the same few texts of a complaint, one after the other.
@lru_cache(8)
def fold(text: str, *, compact: bool = False) -> Folded:
    """NFKC, casefold and traditional -> simplified, character by character, so that every offset has a way back.

    `compact` also drops punctuation, symbols and spaces. Linear; never raises.
    """
    return Folded(text, _table(compact=compact))


@lru_cache(8)
def plain(text: str) -> str:
    """Same length, same offsets: full-width ASCII -> ASCII, digits of any script -> ASCII, traditional -> simplified;
    for rules that cut out spans.
    """
    return text.translate(_plain_table())


class _Table(dict[int, str]):
    """Code point -> what it folds to. Fills itself as characters are met; bounded against hostile variety."""

    def __init__(self, *, compact: bool) -> None:
        super().__init__()
        self.compact = compact
        self.simplified = _simplified()
        # Of all characters ever met here, those that fold to none and to more than one.
        self.dropped: set[str] = set()
        self.widened: set[str] = set()

    def __missing__(self, code: int) -> str:
        folded = self._fold(code)
        if len(folded) != 1:
            (self.widened if folded else self.dropped).add(chr(code))
        if len(self) < _TABLE_LIMIT:
            self[code] = folded
        return folded

    def _fold(self, code: int) -> str:
        plain = unicodedata.normalize("NFKC", self.simplified.get(code, chr(code))).casefold()
        # NFKC once more: casefolding can undo it (U+1E9E), and a compatibility form may hide a traditional character.
        plain = unicodedata.normalize("NFKC", plain).translate(self.simplified)
        return "".join(char for char in plain.translate(_ARABIC) if self._keeps(char))

    def _keeps(self, char: str) -> bool:
        category = unicodedata.category(char)
        if category in {"Cf", "Cc", "Cs"} or char in "\u034f\u115f\u1160\u3164":
            return char in "\n\t" and not self.compact
        # Variation selectors are marks; so are the vowel signs of Arabic, which people write or leave out at will.
        if category == "Mn":
            return not ("\ufe00" <= char <= "\ufe0f" or "\u0610" <= char <= "\u06ed" or char >= "\U000e0100")
        return not (self.compact and category[0] in "PSZ")


@cache
def _table(*, compact: bool) -> _Table:
    return _Table(compact=compact)


class _PlainTable(dict[int, str]):
    def __missing__(self, code: int) -> str:
        # A miss costs `str.translate` an exception; one entry per character ever seen does not.
        char = chr(code)
        digit = unicodedata.decimal(char, -1)
        char = str(digit) if digit >= 0 else char
        if len(self) < _TABLE_LIMIT:
            self[code] = char
        return char


@cache
def _plain_table() -> _PlainTable:
    widths = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    # Sentence marks keep their width: they end Chinese sentences, their ASCII likes stand inside numbers and names.
    for mark in "，。！？；：（）":
        widths.pop(ord(mark), None)
    return _PlainTable(_simplified() | widths | {0x3000: " "})


@cache
def _simplified() -> dict[int, str]:
    return to_simplified() | {ord(char): plain for char, plain in _EXTRA.items()}


@cache
def to_simplified() -> dict[int, str]:
    """Traditional code point -> simplified character, from OpenCC's dictionary (about 4,600 of them, 30 ms once)."""
    import opencc

    characters = [
        chr(code)
        for first, last in ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0x20000, 0x2A6DF))
        for code in range(first, last + 1)
    ]
    # A line each: the converter prefers phrases, and offsets need single characters.
    simple = opencc.OpenCC("t2s").convert("\n".join(characters)).split("\n")
    return {ord(old): new for old, new in zip(characters, simple, strict=True) if old != new and len(new) == 1}
