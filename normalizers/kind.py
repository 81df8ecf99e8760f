"""Is it a complaint, praise, a suggestion or an inquiry? What the customer chose holds; else the words decide.

In doubt it is a complaint: only a complaint carries rights and clocks (Order 2020-3 art. 2).
"""

from functools import cache

from config.kind import load_kind_tables
from gateway.contract.complaint import Kind
from normalizers.lexicon import Lexicon, Scan
from normalizers.model import Model, read_model
from normalizers.speakers import keep_customer
from normalizers.text import Folded

MADE_BY = "rules:kind"
_EDGE = 14
"""Characters at either end that count as the opening and the close of a message."""
_LENGTHS = (15, 40, 100, 250)
_JUDGED = 4_000
"""Characters that are looked at: what a message is stands at its beginning."""


def decide(text: str, folded: Folded, chosen: Kind | None) -> Kind:
    """`text` may be a whole conversation; only the customer's words count. Linear; never raises."""
    if chosen is not None:
        return chosen
    if not folded.text.strip():
        return Kind.COMPLAINT
    return Kind(max(weigh(text).items(), key=_by_weight)[0])


def weigh(text: str) -> dict[str, float]:
    """Kind -> probability."""
    words = keep_customer(text[:_JUDGED])
    lexicon, cue_words, model = _compile()
    scan = lexicon.scan(words)
    names = _list_cues(words, scan, cue_words)
    known = {word for word in (_words()[hit[0]] for hit in scan.hits) if word in model.words}
    return model.judge(known, names)


def find_cues(words: str) -> set[str]:
    """Notions in a customer's words, with where they stand."""
    lexicon, cue_words, _ = _compile()
    return _list_cues(words, lexicon.scan(words), cue_words)


def _list_cues(words: str, scan: Scan, cue_words: dict[int, tuple[str, ...]]) -> set[str]:
    size = len(scan.folded.text)
    cues = {f"length:{sum(size >= limit for limit in _LENGTHS)}"}
    for number, start, end in scan.hits:
        for notion in cue_words.get(number, ()):
            cues.add(notion)
            if start < _EDGE:
                cues.add(f"opens:{notion}")
            if end > size - _EDGE:
                cues.add(f"closes:{notion}")
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


def _by_weight(item: tuple[str, float]) -> tuple[float, bool]:
    return item[1], item[0] == Kind.COMPLAINT


@cache
def _words() -> tuple[str, ...]:
    tables = load_kind_tables()
    cues = (word for words in tables.cues.values() for word in words)
    return tuple(dict.fromkeys((*cues, *read_model(tables.model).words)))


@cache
def _compile() -> tuple[Lexicon, dict[int, tuple[str, ...]], Model]:
    tables = load_kind_tables()
    words = _words()
    notions: dict[str, list[str]] = {}
    for notion, members in tables.cues.items():
        for word in members:
            notions.setdefault(word, []).append(notion)
    numbered = {number: tuple(notions[word]) for number, word in enumerate(words) if word in notions}
    return Lexicon(words), numbered, read_model(tables.model)
