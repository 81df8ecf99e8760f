"""Many words looked for at once, in any script, with their places.

Chinese has no spaces and speech recognition puts commas inside words; Arabic glues articles, prepositions and pronouns
to its words: words in these scripts are looked for in compact folded text, anywhere. All other words are looked for
between word boundaries, punctuation counting as a space; a trailing `*` marks a stem.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable

from ahocorasick_rs import AhoCorasick

from gateway.contract.value import value
from normalizers.text import Folded, fold

Hit = tuple[int, int, int]
"""Index of the word, start, end; offsets are characters of the compact folded text."""

_GLUED = "\u0600-\u06ff\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_GLUED_WORD = re.compile(f"[{_GLUED}]")
_NUMBER = re.compile("[0-9]{4}")
_LETTERS = re.compile(f"[^\\W\\d_{_GLUED}]{{2}}")


@value(kw_only=False)
class Scan:
    """Hits in the order of their places. `folded` is compact and leads back to the text."""

    folded: Folded
    hits: list[Hit]


class Lexicon:
    """Compiled once; `scan` is linear in the text. Words that fold to nothing never match.

    `words` are the given ones in the order in which hits number them.
    """

    def __init__(self, words: Iterable[str]) -> None:
        dense: dict[str, str] = {}
        spaced: dict[str, str] = {}
        for word in words:
            if _GLUED_WORD.search(word) or word.isdecimal():
                dense[word] = fold(word, compact=True).text
            elif pattern := _spaced_pattern(word):
                spaced[word] = pattern
        self.words = (*dense, *spaced)
        self._first_spaced = len(dense)
        self._numbers = frozenset(number for number, word in enumerate(dense) if word.isdecimal())
        self._closing = [1 if pattern.endswith(" ") else 0 for pattern in spaced.values()]
        self._dense = _build(list(dense.values()))
        self._spaced = _build(list(spaced.values()))

    def scan(self, text: str) -> Scan:
        folded = fold(text, compact=True)
        hits = self._dense(folded.text)
        if self._numbers and _NUMBER.search(folded.text):
            hits = [hit for hit in hits if hit[0] not in self._numbers or _stands_alone(folded.text, hit)]
        if self._closing and _LETTERS.search(folded.text):
            plain = fold(text)
            back = _leads_to(plain, folded)
            for pattern, start, end in self._spaced(f" {plain.text.translate(_SPACED)} "):
                # The pattern begins with a space and the text was padded by one, so `start` is the word's own place.
                last = end - 2 - self._closing[pattern]
                hits.append((self._first_spaced + pattern, back(start), back(last) + 1))
            hits.sort(key=_by_place)
        return Scan(folded, hits)


def _stands_alone(text: str, hit: Hit) -> bool:
    """A hotline's number is not a part of a longer number."""
    return not (text[hit[1] - 1 : hit[1]].isdecimal() or text[hit[2] : hit[2] + 1].isdecimal())


def _by_place(hit: Hit) -> int:
    return hit[1]


def _leads_to(plain: Folded, compact: Folded) -> Callable[[int], int]:
    return lambda place: compact.index(plain.start(place))


def _build(patterns: list[str]) -> Callable[[str], list[Hit]]:
    if not patterns:
        return lambda _: []
    automaton = AhoCorasick(patterns)

    def find(text: str) -> list[Hit]:
        found: list[Hit] = automaton.find_matches_as_indexes(text, overlapping=True)
        return found

    return find


def _spaced_pattern(word: str) -> str:
    stem = word.endswith("*")
    plain = " ".join(fold(word.rstrip("*")).text.translate(_SPACED).split())
    return f" {plain}" + ("" if stem else " ") if plain else ""


class _Spaced(dict[int, str]):
    """Letters and digits of scripts with spaces stay, everything else becomes one space: offsets do not move."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        keeps = unicodedata.category(char)[0] in "LN" and not _GLUED_WORD.match(char)
        self[code] = char if keeps else " "
        return self[code]


_SPACED = _Spaced()
