"""From words to a class of one facet of JR/T 0169-2018: a suggestion with its evidence, for a person to confirm."""

from functools import lru_cache

from config.codes import CodeClass, CodeTable
from gateway.contract.complaint import Code
from normalizers.lexicon import Lexicon
from normalizers.speakers import keep_customer
from normalizers.text import Folded

_JUDGED = 4_000
"""Characters that are looked at."""
_EARLY = 40
"""Characters in which people usually say what it is about."""
_SURE = 0.95


def suggest(folded: Folded, codes: CodeTable, facet: str, made_by: str) -> Code | None:
    """The class whose hints weigh most, or None where no word suggests any. Linear in the text.

    A hint weighs by its length, once, and more where it stands early; a class inherits a part of its children's
    weight, so that a special class wins only by words of its own.
    """
    lexicon, owners = _compile(codes, facet)
    words = keep_customer(folded.original[:_JUDGED])
    scan = lexicon.scan(words)
    weights: dict[str, float] = {}
    evidence: dict[str, tuple[int, int]] = {}
    seen = set()
    for number, start, end in scan.hits:
        if number in seen:
            continue
        seen.add(number)
        weight = (1 + 0.35 * (min(end - start, 6) - 2)) * (1.3 if start < _EARLY else 1.0)
        for key in owners[number]:
            weights[key] = weights.get(key, 0.0) + weight
            if key not in evidence or end - start > evidence[key][1] - evidence[key][0]:
                evidence[key] = (start, end)
    if not weights:
        return None
    totals = {key: _add_family(key, weights) for key in weights}
    best, top = max(totals.items(), key=_by_weight)
    rivals = [total for key, total in totals.items() if not (key.startswith(best) or best.startswith(key))]
    start, end = scan.folded.span(*evidence[best])
    entry = codes.classes[best]
    return Code(
        key=best,
        code=entry.code,
        name=entry.name_zh,
        confidence=round(min(_SURE, top / (top + max(rivals, default=0.0) + 0.5)), 2),
        made_by=made_by,
        evidence=words[start:end],
    )


def _add_family(key: str, weights: dict[str, float]) -> float:
    """Its own weight, and its parents': what speaks for bank cards speaks for credit cards, if that is said at all."""
    return sum(weight for other, weight in weights.items() if key == other or key.startswith(f"{other}."))


def _by_weight(item: tuple[str, float]) -> tuple[float, str]:
    return item[1], item[0]


@lru_cache(maxsize=16)
def _compile(codes: CodeTable, facet: str) -> tuple[Lexicon, tuple[tuple[str, ...], ...]]:
    owners: dict[str, tuple[str, ...]] = {}
    entries: list[CodeClass] = [entry for entry in codes.classes.values() if entry.facet == facet]
    for entry in entries:
        for hint in entry.hints:
            owners[hint] = (*owners.get(hint, ()), entry.key)
    lexicon = Lexicon(owners)
    return lexicon, tuple(owners[word] for word in lexicon.words)
