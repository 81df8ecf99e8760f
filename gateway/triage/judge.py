"""How urgent a complaint is, and why. Signals only raise attention; they never close, refuse or delay.

Two opinions are joined. Rules find words and words that stand together; they name the signal and its evidence. A linear
scorer, which has learned from labelled messages, says how much the whole reads like an urgent one: it finds what has no
telling word, and keeps stories that are over, exercises and jokes from waking anybody. Nothing lowers what a bank
added as its own words; words of life and safety (`floor` 0) are lowered only where the text itself puts them in doubt.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence

from gateway.contract.complaint import Speaker, Turn
from gateway.contract.value import value
from gateway.contract.verdict import Evidence, Level, Priority, Signal, Verdict
from gateway.triage.rules import Rules
from gateway.triage.signals import Found, Span, find_signals
from normalizers.model import Scorer
from normalizers.speakers import split_speakers

JUDGED = 20_000
"""Characters that are looked at; what is longer keeps its beginning and its end."""

_ORDER = {priority: rank for rank, priority in enumerate((Priority.P0, Priority.P1, Priority.P2, Priority.INFO))}
"""The strongest signal is shown first."""
_BREAK = re.compile(r"[\s，,。.！!？?；;…、：:]+")
_CHINESE = re.compile("[\u3400-\u9fff]+")


@value(kw_only=False)
class Judgement:
    """`groups`: the vulnerable or professional groups of the writer or the person concerned, e.g. `elderly`."""

    verdict: Verdict
    groups: tuple[str, ...]


@value(kw_only=False)
class _Part:
    """A stretch of the customer's words: where it stands in the judged text, and where in the complaint."""

    at: int
    text: str
    turn: int | None
    offset: int = 0


def judge(*, text: str, turns: Sequence[Turn], channel: str, language: str, rules: Rules) -> Judgement:
    """`text` is the narrative, `turns` the conversation; of turns only the customer's count. Linear; never raises.

    `channel` and `language` are for rules to come: today every text is judged by its own words.
    """
    del channel, language
    parts = _list_parts(text, turns)
    joined = "\n".join(part.text for part in parts)
    if not joined.strip():
        return Judgement(Verdict(made_by=rules.version), ())
    found = find_signals(joined, rules)
    chances = _weigh(found, rules)
    signals: dict[str, Signal] = {}
    for name, spans in found.spans.items():
        priority = _rate(name, found, chances, rules)
        span = min(spans, key=lambda span: (span[0] - span[1], span[0]))
        signals[name] = _show(name, priority, found.scan.folded.span(*span), parts, joined, rules)
    _add_pattern(signals, found, chances, parts, joined, rules)
    ordered = tuple(sorted(signals.values(), key=lambda signal: (_ORDER[signal.priority], signal.id)))
    return Judgement(Verdict(level=_find_level(ordered, rules), signals=ordered, made_by=rules.version), found.groups)


def _list_parts(text: str, turns: Sequence[Turn]) -> list[_Part]:
    parts: list[_Part] = []
    own = text
    for turn in turns:
        # The narrative may repeat the conversation; what was said there is judged once, as a turn.
        if turn.text and turn.text in own:
            own = own.replace(turn.text, " " * len(turn.text), 1)
    spoken = [
        (None, part.start, text[part.start : part.end])
        for part in split_speakers(own)
        if part.speaker is Speaker.CUSTOMER
    ]
    if not turns and spoken:
        pieces: list[tuple[int | None, int, str]] = list(spoken)
    else:
        pieces = [(None, 0, own)] if own.strip() else []
    pieces += [(number, 0, turn.text) for number, turn in enumerate(turns) if turn.speaker is Speaker.CUSTOMER]
    at = 0
    for number, offset, words in pieces:
        for begin, piece in _cut(words):
            parts.append(_Part(at, piece, number, offset + begin))
            at += len(piece) + 1
    return parts


def _cut(words: str) -> list[tuple[int, str]]:
    if len(words) <= JUDGED:
        return [(0, words)]
    half = JUDGED // 2
    return [(0, words[:half]), (len(words) - half, words[-half:])]


def _pick_scorer(found: Found, rules: Rules) -> Scorer:
    text = found.scan.folded.text[:500]
    return rules.scorers["chinese" if 5 * sum(map(len, _CHINESE.findall(text))) >= len(text) else "spaced"]


def _weigh(found: Found, rules: Rules) -> dict[str, float]:
    numbers = {hit[0] for hit in found.scan.hits}
    return {"high": 0.0} | _pick_scorer(found, rules).judge(numbers, found.cues)


def _rate(name: str, found: Found, chances: dict[str, float], rules: Rules) -> Priority:
    """The priority of a hit in its sense."""
    rule = rules.signals[name]
    priority = Priority(rule.priority)
    if name in found.sure:
        return priority
    if rule.only_with and not found.concepts.intersection(rule.only_with):
        return Priority(rule.otherwise)
    limits = rules.file.model
    urgent = chances["critical"] + chances["high"]
    damped = name in found.denied or not found.concepts.isdisjoint(rule.unless)
    if priority is Priority.P0:
        floor = limits.critical_floor if rule.floor is None else rule.floor
        if chances["critical"] >= (limits.critical if damped else floor):
            return priority
        return Priority.P1 if urgent >= limits.high else Priority.INFO
    if priority is Priority.P1:
        floor = limits.high_floor if rule.floor is None else rule.floor
        if urgent >= (limits.high if damped else floor):
            return priority
        return Priority.INFO if damped else Priority.P2
    return priority


def _add_pattern(
    signals: dict[str, Signal], found: Found, chances: dict[str, float], parts: list[_Part], joined: str, rules: Rules
) -> None:
    limits = rules.file.model
    priorities = {signal.priority for signal in signals.values()}
    if chances["critical"] >= limits.critical and Priority.P0 not in priorities:
        name, priority = "pattern_critical", Priority.P0
    elif chances["critical"] + chances["high"] >= limits.high and not priorities & {Priority.P0, Priority.P1}:
        name, priority = "pattern_high", Priority.P1
    else:
        return
    if name not in rules.off:
        span = _find_telling(found, rules, joined)
        signals[name] = _show(name, priority, span, parts, joined, rules)


def _find_telling(found: Found, rules: Rules, joined: str) -> Span:
    """The clause that spoke most for urgency, in characters of the judged text."""
    scorer = _pick_scorer(found, rules)
    clauses = _list_clauses(joined)
    folded = found.scan.folded
    starts = [folded.index(start) for start, _ in clauses]
    weights = [0.0] * len(clauses)
    hits = found.scan.hits
    say, telling = scorer.share_say({hit[0] for hit in hits}), scorer.telling
    # Each word counts once, where it stands first; most words of the lexicon say nothing here.
    places = {number: start for number, start, _ in reversed(hits) if telling[number]}
    for number, start in places.items():
        weights[bisect_right(starts, start) - 1] += say * telling[number]
    notions = {concept: start for start, _, concept in reversed(found.places)}
    for concept, start in notions.items():
        weights[bisect_right(starts, start) - 1] += scorer.weigh_cue(f"c:{concept}")
    best = max(range(len(clauses)), key=lambda at: weights[at])
    first = last = best
    while True:
        # The evidence grows by neighbours that speak for urgency as well, as long as it can be read at a glance.
        before = weights[first - 1] if first else 0.0
        after = weights[last + 1] if last + 1 < len(clauses) else 0.0
        grown = (first - 1, last) if before >= after else (first, last + 1)
        if (
            max(before, after) < weights[best] / 4
            or clauses[grown[1]][1] - clauses[grown[0]][0] > rules.file.clause_limit
        ):
            return clauses[first][0], clauses[last][1]
        first, last = grown


def _list_clauses(text: str) -> list[Span]:
    spans = []
    start = 0
    for mark in _BREAK.finditer(text):
        if mark.start() > start:
            spans.append((start, mark.start()))
        start = mark.end()
    if start < len(text):
        spans.append((start, len(text)))
    return spans or [(0, len(text))]


def _show(name: str, priority: Priority, span: Span, parts: list[_Part], joined: str, rules: Rules) -> Signal:
    """A hit with its clause around it, in the offsets of the complaint. What crosses turns shows its first turn."""
    start, end = span
    part = next((part for part in reversed(parts) if part.at <= start), parts[0])
    end = min(end, part.at + len(part.text))
    room = rules.file.clause_limit - (end - start)
    left = max((mark.end() for mark in _BREAK.finditer(joined, max(part.at, start - room), start)), default=None)
    if left is None:
        left = part.at if start - part.at <= room else start
    room -= start - left
    limit = part.at + len(part.text)
    close = _BREAK.search(joined, end, min(end + max(room, 0), limit))
    right = close.start() if close else limit if limit - end <= room else end
    at = left - part.at
    return Signal(
        id=name,
        priority=priority,
        evidence=Evidence(
            text=joined[left:right],
            turn=part.turn,
            start=part.offset + at,
            end=part.offset + at + right - left,
        ),
    )


def _find_level(signals: Sequence[Signal], rules: Rules) -> Level:
    priorities = [signal.priority for signal in signals]
    if Priority.P0 in priorities:
        return Level.CRITICAL
    several = rules.file.several
    if Priority.P1 in priorities or (several and priorities.count(Priority.P2) >= several):
        return Level.HIGH
    return Level.NORMAL
