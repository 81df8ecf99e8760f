"""Which rules hit a text, and where. Nothing here knows a level: see `judge`."""

import re
from collections.abc import Iterator
from dataclasses import field
from itertools import pairwise

from gateway.contract.value import value
from gateway.triage.rules import Rules
from normalizers.lexicon import Scan

Span = tuple[int, int]
"""Start and end, characters of the compact folded text."""

_DIGITS = "一二三四五六七八九"
_AGE = re.compile(
    rf"(?<![0-9])([0-9]{{1,3}})(?:多|几|来)?岁|([{_DIGITS}]?十[{_DIGITS}]?)(?:多|几|来)?岁"
    rf"|(?:我|今年|[他她妈爸娘爹母亲父亲奶奶爷爷]都?快?)([{_DIGITS}]十[{_DIGITS}]?|(?<![0-9])[1-9][0-9])(?=了|的人)"
)
_PEOPLE = re.compile(
    rf"(?:(?<![0-9])(?:[2-9][0-9]|[1-9][0-9]{{2,4}})|[{_DIGITS}几]十[{_DIGITS}几]?|[{_DIGITS}两几上]?[百千][{_DIGITS}零十百]{{0,4}})"
    "(?:多|余|来|几)?(?:个|名|位|号|几)?(?:人|户|业主|储户|员工|工人|女工|老人|村民|牧民|家长|司机|客户|同事|股东|业户|学生)"
)
"""Twenty or more persons: by Order 2020-3 art. 29 the mark of a major complaint."""
_DENIAL = re.compile(
    # One look at the first character spares most places.
    "(?=[没不并从尚未唔冇niwdh])(?:(?<![有是])没(?:有|被|有被|人|有人|人被|有人被)?|(?<!是)不(?:是|是被|会|会被)|并(?:非|未|不是)|(?:并|从|尚)未(?:被)?|(?:唔系|冇)(?:俾人|被)?"
    "|not(?:been|a)?|(?:is|was|were|did|do|does|has|have)nt(?:been)?|never(?:been)?)$"
)
"""A denial right before a hit, in compact text; 有没有 and 是不是 ask."""
_DENIAL_LENGTH = 8


@value(kw_only=False)
class Found:
    """Hits of one text. `cues` feed the second opinion; `spans` hold, for each signal, where its rules hit;
    `sure` are the signals that the bank's own words raised; `denied` those of which every hit is denied (没被骗).
    """

    scan: Scan
    cues: set[str]
    concepts: set[str]
    groups: tuple[str, ...]
    spans: dict[str, list[Span]] = field(default_factory=dict)
    sure: frozenset[str] = frozenset()
    denied: frozenset[str] = frozenset()
    places: tuple[tuple[int, int, str], ...] = ()


def find_signals(text: str, rules: Rules) -> Found:
    """One pass over the text; then only the hits are looked at."""
    scan = rules.lexicon.scan(text)
    compact = scan.folded.text
    roles = rules.roles
    marked = [(start, end, role) for number, start, end in scan.hits if (role := roles[number])]
    harmless = [(start, end) for start, end, role in marked if role.strip]
    places: list[tuple[int, int, str]] = []
    groups: dict[str, Span] = {}
    spans: dict[str, list[Span]] = {}
    sure = set()
    cues = set()
    denied: set[str] = set()
    held: set[str] = set()
    for start, end, role in marked:
        if harmless and any(left <= start and end <= right and end - start < right - left for left, right in harmless):
            continue
        if _DENIAL.search(compact, max(0, start - _DENIAL_LENGTH), start):
            cues |= {f"n:{name}" for name in (*role.concepts, *role.signals)}
            denied.update(role.signals)
            for signal in role.signals:
                spans.setdefault(signal, []).append((start, end))
        else:
            places += [(start, end, concept) for concept in role.concepts]
            held.update(role.signals)
            for signal in role.signals:
                spans.setdefault(signal, []).insert(0, (start, end))
                cues.add(f"s:{signal}")
        for group in role.groups:
            groups.setdefault(group, (start, end))
        for signal in role.sure:
            spans.setdefault(signal, []).append((start, end))
            sure.add(signal)
    groups.update({group: span for group, span in _find_ages(compact, rules) if group not in groups})
    if any(unit in compact for unit in "十百千0123456789"):
        for match in _PEOPLE.finditer(compact):
            places += [(*match.span(), "twenty_people"), (*match.span(), "many_people")]
    places.sort()
    concepts = {concept for _, _, concept in places}
    if any(rules.file.group[group].vulnerable for group in groups):
        concepts.add("group_vulnerable")
    cues |= {f"c:{concept}" for concept in concepts} | {f"g:{group}" for group in groups}
    cues |= {f"p:{pair}" for pair in _pair(places, rules.file.within)}
    cues.add(f"l:{_measure(len(compact))}")
    composed = _compose(rules, places, concepts, spans)
    cues |= {f"a:{signal}" for signal in composed}
    for rule in rules.grouped:
        if rule.group in groups:
            spans.setdefault(rule.id, []).append(groups[rule.group])
    return Found(
        scan,
        cues,
        concepts,
        tuple(sorted(groups)),
        spans,
        frozenset(sure),
        frozenset(denied - held - composed),
        tuple(places),
    )


def _measure(size: int) -> str:
    """Length classes: very short cries for help, messages, letters."""
    return str(sum(size >= limit for limit in (15, 40, 100, 250)))


def _find_ages(compact: str, rules: Rules) -> Iterator[tuple[str, Span]]:
    if not any(mark in compact for mark in ("岁", "了", "的人")):
        return
    for match in _AGE.finditer(compact):
        said = next(filter(None, match.groups()))
        years = int(said) if said.isdecimal() else _read_tens(said)
        for name, group in rules.file.group.items():
            if group.ages and group.ages[0] <= years <= group.ages[1]:
                yield name, match.span()


def _read_tens(spoken: str) -> int:
    tens, _, ones = spoken.partition("十")
    return (_DIGITS.index(tens) + 1 if tens else 1) * 10 + (_DIGITS.index(ones) + 1 if ones else 0)


def _pair(places: list[tuple[int, int, str]], within: int) -> set[str]:
    pairs = set()
    for at, (_, end, first) in enumerate(places):
        for start, _, second in places[at + 1 : at + 40]:
            if start - end > within:
                break
            if first != second:
                pairs.add(f"{first}+{second}" if first < second else f"{second}+{first}")
    return pairs


def _compose(
    rules: Rules, places: list[tuple[int, int, str]], concepts: set[str], spans: dict[str, list[Span]]
) -> set[str]:
    composed = set()
    for rule in rules.composed:
        for names in rule.all:
            if concepts.issuperset(names) and (span := _find_together(names, places, rules.file.within)):
                spans.setdefault(rule.id, []).append(span)
                composed.add(rule.id)
    return composed


def _find_together(names: tuple[str, ...], places: list[tuple[int, int, str]], within: int) -> Span | None:
    """The first place where one hit of each concept stands in a chain with gaps of at most `within` characters."""
    latest: dict[str, Span] = {}
    wanted = set(names)
    for start, end, concept in places:
        if concept not in wanted:
            continue
        latest = {name: span for name, span in latest.items() if start - span[1] <= within * len(wanted)}
        latest[concept] = (start, end)
        if len(latest) == len(wanted):
            chain = sorted(latest.values())
            if all(right[0] - left[1] <= within for left, right in pairwise(chain)):
                return chain[0][0], max(right for _, right in chain)
    return None
