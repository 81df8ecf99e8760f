"""From words to a class of one facet of JR/T 0169-2018: a suggestion with its evidence, for a person to confirm."""

from collections.abc import Mapping
from functools import lru_cache

from config.codes import CodeTable
from gateway.contract.complaint import Code
from gateway.contract.value import value
from normalizers.lexicon import Lexicon
from normalizers.speakers import keep_customer
from normalizers.text import Folded

_JUDGED = 4_000
"""Characters that are looked at."""
_EARLY = 40
"""Characters in which people usually say what it is about."""
_SURE = 0.95

_Weighed = dict[str, tuple[float, int, int]]
"""Key of a class -> weight of its words, start and end of the longest of them."""


@value(kw_only=False)
class Hints:
    """The words of the code table in a customer's words, found once for all facets."""

    codes: CodeTable
    words: str
    folded: Folded
    weighed: Mapping[str, _Weighed]

    def suggest(self, facet: str, made_by: str) -> Code | None:
        """The class whose hints weigh most, or None where no word suggests any.

        A class inherits its parents' weight, so that a special class wins only by words of its own.
        """
        weighed = self.weighed.get(facet)
        if not weighed:
            return None
        totals = {key: _add_family(key, weighed) for key in weighed}
        best, top = max(totals.items(), key=_by_weight)
        rivals = [total for key, total in totals.items() if not (key.startswith(best) or best.startswith(key))]
        start, end = self.folded.span(*weighed[best][1:])
        entry = self.codes.classes[best]
        return Code(
            key=best,
            code=entry.code,
            name=entry.name_zh,
            confidence=round(min(_SURE, top / (top + max(rivals, default=0.0) + 0.5)), 2),
            made_by=made_by,
            evidence=self.words[start:end],
        )


def find_hints(text: str, codes: CodeTable) -> Hints:
    """`text` may be a whole conversation; only the customer's words count. Linear in the text.

    A hint weighs by its length, once, and more where it stands early.
    """
    lexicon, owners = _compile(codes)
    words = keep_customer(text[:_JUDGED])
    scan = lexicon.scan(words)
    weighed: dict[str, _Weighed] = {}
    seen = set()
    for number, start, end in scan.hits:
        if number in seen:
            continue
        seen.add(number)
        weight = (1 + 0.35 * (min(end - start, 6) - 2)) * (1.3 if start < _EARLY else 1.0)
        for key in owners[number]:
            found = weighed.setdefault(key[0], {})
            before, first, last = found.get(key, (0.0, start, start))
            longer = end - start > last - first
            found[key] = (before + weight, start if longer else first, end if longer else last)
    return Hints(codes, words, scan.folded, weighed)


def _add_family(key: str, weighed: _Weighed) -> float:
    """Its own weight, and its parents': what speaks for bank cards speaks for credit cards, if that is said at all."""
    return sum(found[0] for other, found in weighed.items() if key == other or key.startswith(f"{other}."))


def _by_weight(item: tuple[str, float]) -> tuple[float, str]:
    return item[1], item[0]


@lru_cache(maxsize=16)
def _compile(codes: CodeTable) -> tuple[Lexicon, tuple[tuple[str, ...], ...]]:
    """All hint words in one automaton, and for each the classes it suggests."""
    owners: dict[str, tuple[str, ...]] = {}
    for entry in codes.classes.values():
        for hint in entry.hints:
            owners[hint] = (*owners.get(hint, ()), entry.key)
    lexicon = Lexicon(owners)
    return lexicon, tuple(owners[word] for word in lexicon.words)
