"""JSON Lines in, verdicts out: what `huiyin triage` prints. Pure, one line at a time, so that it streams."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from config.codes import CodeTable
from gateway.contract.complaint import Code
from gateway.triage.judge import Judgement, judge
from gateway.triage.rules import Rules
from normalizers import business_code, kind, reason_code
from normalizers.facet import find_hints
from normalizers.text import clean, fold


def triage_lines(lines: Iterable[str], rules: Rules, codes: CodeTable) -> Iterator[str]:
    """`{id, text, channel?, language?}` -> `{id, kind, urgency, business, reason, groups}`, a line each, in order.

    Offsets are characters into `text`, the text as it was given. Empty lines are passed over; one that is no such
    object gives `{"id", "error": {"code", "message"}, "line"}` and the lines behind it go on.
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield json.dumps(_triage(line, number, rules, codes), ensure_ascii=False)


def _triage(line: str, number: int, rules: Rules, codes: CodeTable) -> dict[str, object]:
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError):
        return _refuse(None, number, "not_json", "The line is no JSON.")
    if not isinstance(row, dict):
        return _refuse(None, number, "not_an_object", "The line holds no JSON object.")
    text = row.get("text")
    if not isinstance(text, str):
        return _refuse(row.get("id"), number, "text_missing", "The object needs a string `text`.")
    judgement = judge(
        text=text,
        turns=(),
        channel=str(row.get("channel") or ""),
        language=str(row.get("language") or ""),
        rules=rules,
    )
    # Classes and kind see what a complaint's narrative would hold; the evidence keeps the offsets of the given text.
    words = clean(text)
    hints = find_hints(words, codes)
    return {
        "id": row.get("id"),
        "kind": kind.decide(words, fold(words, compact=True), None).value,
        "urgency": _describe(judgement),
        "business": _name(business_code.classify(hints)),
        "reason": _name(reason_code.classify(hints)),
        "groups": list(judgement.groups),
    }


def _describe(judgement: Judgement) -> dict[str, object]:
    return {
        "level": judgement.verdict.level.value,
        "signals": [
            {
                "id": signal.id,
                "priority": signal.priority.value,
                "evidence": signal.evidence.text,
                "start": signal.evidence.start,
                "end": signal.evidence.end,
            }
            for signal in judgement.verdict.signals
        ],
    }


def _name(code: Code | None) -> dict[str, object] | None:
    if code is None:
        return None
    return {"key": code.key, "code": code.code, "name": code.name, "confidence": code.confidence}


def _refuse(identifier: object, number: int, code: str, message: str) -> dict[str, object]:
    return {"id": identifier, "error": {"code": code, "message": message}, "line": number}
