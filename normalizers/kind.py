"""Is it a complaint, praise, a suggestion or an inquiry? What the customer chose holds; else the words decide.

In doubt it is a complaint: only a complaint carries rights and clocks (Order 2020-3 art. 2).
"""

from functools import cache

from config.kind import KindTables, load_kind_tables
from gateway.contract.complaint import Kind
from normalizers.lexicon import Lexicon, Scan
from normalizers.model import Scorer, read_model
from normalizers.speakers import keep_customer
from normalizers.text import Folded

_EDGE = 14
"""Characters at either end that count as the opening and the close of a message."""
_LENGTHS = (15, 40, 100, 250)
_DOUBT = 1.5
"""How much more likely another kind must be. Higher: better on terse public comments, worse on letters (docs/triage.md)."""
_GRIEVANCE = 12.0
"""The same where a demand, a harm or an annoyance is stated, and neither asked about nor wrapped in thanks or a proposal."""
_STATED = frozenset({"demanding", "harmed", "annoyed"})
_WRAPPED = frozenset({"question", "asking", "thankful", "proposing"})
_PRAISING = frozenset({"thankful", "helped"})
"""Without one of these nothing is praise: the words around (a lobby manager, a staff number) stand in complaints too."""
_JUDGED = 4_000
"""Characters that are looked at: what a message is stands at its beginning."""


def decide(text: str, folded: Folded, chosen: Kind | None) -> Kind:
    """`text` may be a whole conversation; only the customer's words count. Linear; never raises."""
    if chosen is not None:
        return chosen
    if not folded.text.strip():
        return Kind.COMPLAINT
    return _shipped().choose(text)


class KindRules:
    """Compiled tables."""

    def __init__(self, tables: KindTables) -> None:
        model = read_model(tables.model)
        notions: dict[str, tuple[str, ...]] = {}
        for notion, words in tables.cues.items():
            for word in words:
                notions[word] = (*notions.get(word, ()), notion)
        self._lexicon = Lexicon({**dict.fromkeys(notions), **dict.fromkeys(model.words)})
        self._notions = [notions.get(word, ()) for word in self._lexicon.words]
        self._scorer = Scorer(model, self._lexicon.words)

    def choose(self, text: str) -> Kind:
        words = keep_customer(text[:_JUDGED])
        scan = self._lexicon.scan(words)
        cues = self._list_cues(words, scan)
        weights = self._scorer.judge({hit[0] for hit in scan.hits}, cues)
        plain = not cues.isdisjoint(_STATED) and cues.isdisjoint(_WRAPPED)
        weights[Kind.COMPLAINT] *= _DOUBT * (_GRIEVANCE if plain else 1)
        if cues.isdisjoint(_PRAISING):
            weights[Kind.PRAISE] = 0
        return max(Kind, key=lambda kind: (weights[kind], kind is Kind.COMPLAINT))

    def find_cues(self, words: str) -> set[str]:
        """Notions in a customer's words, with where they stand."""
        return self._list_cues(words, self._lexicon.scan(words))

    def _list_cues(self, words: str, scan: Scan) -> set[str]:
        size = len(scan.folded.text)
        cues = {f"length:{sum(size >= limit for limit in _LENGTHS)}"}
        table = self._notions
        # Most hits are words of the model alone.
        for notions, start, end in [(table[number], start, end) for number, start, end in scan.hits if table[number]]:
            cues.update(notions)
            if start < _EDGE:
                cues.update([f"opens:{notion}" for notion in notions])
            if end > size - _EDGE:
                cues.update([f"closes:{notion}" for notion in notions])
        questions = words.count("?") + words.count("？")
        if questions:
            cues.add("question")
            if words.rstrip()[-1:] in ("?", "？"):
                cues.add("closes:question")
            if questions > 1:
                cues.add("questions")
        if words.count("!") + words.count("！") > 1:
            cues.add("exclaims")
        return cues


@cache
def _shipped() -> KindRules:
    return KindRules(load_kind_tables())
