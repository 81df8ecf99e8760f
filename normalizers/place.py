"""Which branch: by the code given, by the name given, or by a name or alias in the words of the customer."""

import re
from collections.abc import Mapping

import ahocorasick_rs

from config.branches import BranchEntry
from gateway.contract.complaint import Branch
from normalizers.text import Folded, fold

_SHORTEST = 3


class BranchIndex:
    """The branch table, ready for one linear scan of a text. Pickles as its table."""

    def __init__(self, branches: Mapping[str, BranchEntry]) -> None:
        self._branches = dict(branches)
        self._names = _collect_names(self._branches)
        self._patterns = list(self._names)
        self._automaton = ahocorasick_rs.AhoCorasick(self._patterns, matchkind=ahocorasick_rs.MatchKind.LeftmostLongest)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self._branches,)

    def find(self, *, code: str, name: str, words: Folded) -> Branch | None:
        """A code that the table does not know is kept all the same: a signed poster outlives its branch.

        `words` is folded with `compact`. Of several branches in the text the first one counts.
        """
        code, name = code.strip(), name.strip()
        if code:
            entry = self._branches.get(code)
            return _show(entry, "code") if entry else Branch(code=code, name=name, matched_by="code")
        return (self._search(fold(name, compact=True)) if name else None) or self._search(words)

    def _search(self, words: Folded) -> Branch | None:
        for pattern, start, end in self._automaton.find_matches_as_indexes(words.text):
            code, matched_by = self._names[self._patterns[pattern]]
            if matched_by == "code" and not _stands_alone(words, start, end):
                continue
            return _show(self._branches[code], matched_by)
        return None


def _show(entry: BranchEntry, matched_by: str) -> Branch:
    return Branch(code=entry.code, name=entry.name, region=entry.region, matched_by=matched_by)


def _stands_alone(words: Folded, start: int, end: int) -> bool:
    """A code inside a longer number or word is none."""
    begin, finish = words.span(start, end)
    original = words.original
    return not re.match(r"[0-9A-Za-z]", original[finish : finish + 1]) and not re.match(
        r"[0-9A-Za-z]", original[max(0, begin - 1) : begin]
    )


def _collect_names(branches: Mapping[str, BranchEntry]) -> dict[str, tuple[str, str]]:
    """Folded name -> (code, how it matched). What fits more than one branch fits none; full names go first."""
    names: dict[str, tuple[str, str]] = {}
    for matched_by, collect in (("name", _full_name), ("code", _code), ("alias", _aliases)):
        found: dict[str, set[str]] = {}
        for entry in branches.values():
            for name in collect(entry):
                folded = fold(name, compact=True).text
                if len(folded) >= _SHORTEST and folded not in names:
                    found.setdefault(folded, set()).add(entry.code)
        names.update({name: (codes.pop(), matched_by) for name, codes in found.items() if len(codes) == 1})
    return names


def _full_name(entry: BranchEntry) -> list[str]:
    return [entry.name]


def _code(entry: BranchEntry) -> list[str]:
    # Short codes are found in every phone number and amount.
    return [entry.code] if len(entry.code) >= 5 else []


def _aliases(entry: BranchEntry) -> list[str]:
    """The given ones, and the name without the city in front of it: 福州五一支行 -> 五一支行."""
    aliases = list(entry.aliases)
    for size in range(min(6, len(entry.name) - _SHORTEST), 1, -1):
        if entry.name[:size] in entry.region and len(entry.name) - size > _SHORTEST:
            aliases.append(entry.name[size:])
            break
    return aliases
