"""Many words looked for at once, in any script, with their places.

Chinese has no spaces and speech recognition puts commas inside words: words with Chinese characters are looked for in
compact folded text. All other words are looked for between word boundaries, punctuation counting as a space; a
trailing `*` marks a stem.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ahocorasick_rs import AhoCorasick

from normalizers.text import Folded, fold

Hit = tuple[int, int, int]
"""Index of the word, start, end; offsets are characters of the compact folded text."""

_CHINESE = re.compile("[\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_LETTERS = re.compile("[^\\W\\d_\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]{2}")


@dataclass(frozen=True, slots=True)
class Scan:
    """Hits in the order of their places. `folded` is compact and leads back to the text."""

    folded: Folded
    hits: list[Hit]


class Lexicon:
    """Compiled once; `scan` is linear in the text. Words that fold to nothing never match."""

    def __init__(self, words: Iterable[str]) -> None:
        dense: list[str] = []
        spaced: list[str] = []
        self._dense_words: list[int] = []
        self._numbers: set[int] = set()
        self._spaced_words: list[tuple[int, int]] = []
        for number, word in enumerate(words):
            if _CHINESE.search(word) or word.isdecimal():
                dense.append(fold(word, compact=True).text)
                self._dense_words.append(number)
                if word.isdecimal():
                    self._numbers.add(number)
            elif pattern := _spaced_pattern(word):
                spaced.append(pattern)
                self._spaced_words.append((number, 1 if pattern.endswith(" ") else 0))
        self._dense = _build(dense)
        self._spaced = _build(spaced)

    def scan(self, text: str) -> Scan:
        folded = fold(text, compact=True)
        words = self._dense_words
        hits = [(words[pattern], start, end) for pattern, start, end in self._dense(folded.text)]
        if self._numbers:
            hits = [hit for hit in hits if hit[0] not in self._numbers or _stands_alone(folded.text, hit)]
        if _LETTERS.search(folded.text):
            plain = fold(text)
            back = _leads_to(plain, folded)
            for pattern, start, end in self._spaced(f" {plain.text.translate(_SPACED)} "):
                # The pattern begins with a space and the text was padded by one, so `start` is the word's own place.
                word, closing = self._spaced_words[pattern]
                hits.append((word, back(start), back(end - 2 - closing) + 1))
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
        keeps = unicodedata.category(char)[0] in "LN" and not _CHINESE.match(char)
        self[code] = char if keeps else " "
        return self[code]


_SPACED = _Spaced()
