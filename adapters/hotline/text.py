"""Plain text: a narrative, or lines that begin with who speaks (`客服：…`, `Customer: …`, `[0:0.720,0:3.100,1]  …`)."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from adapters.hotline.format import Context, Format, require_words
from adapters.hotline.speakers import Utterance, assign_speakers, name_speaker
from adapters.hotline.values import clean
from gateway.contract.draft import Draft

_LABELLED = re.compile(r"(?:[\[(【]?\d{1,2}(?::\d{2}){1,2}(?:[.,]\d+)?[\])】]?\s*)?([^:：\n]{1,24})[:：]\s*(.*)")
_TIMED = re.compile(r"\[(\d{1,4}):(\d{1,2}(?:\.\d{1,6})?),(\d{1,4}):(\d{1,2}(?:\.\d{1,6})?)(?:,(\d{1,4}))?\]\s*(.*)")
"""Lines of a recogniser: minutes:seconds of begin and end, and the number of the voice."""


def split_label(line: str) -> tuple[str, str] | None:
    """`座席1023: 您好` -> (`座席1023`, `您好`); None where the words before the colon name no speaker."""
    found = _LABELLED.fullmatch(line.strip())
    return (found[1].strip(), found[2]) if found and name_speaker(found[1]) else None


def read_lines(text: str) -> tuple[Utterance, ...]:
    """The utterances of a text that has speakers, else nothing. A line without a label goes on with the last one's words.

    What stands before the first label (a heading, a note) is kept as the words of nobody named.
    """
    found: list[tuple[Utterance, list[str]]] = []
    labels = 0
    for line in text.splitlines():
        if timed := _TIMED.fullmatch(line.strip()):
            begin, end = (round((int(timed[i]) * 60 + float(timed[i + 1])) * 1000) for i in (1, 3))
            found.append((Utterance(timed[5] or "", "", begin, end), [timed[6]]))
            labels += 1
        elif labelled := split_label(line):
            found.append((Utterance(labelled[0], ""), [labelled[1]]))
            labels += 1
        elif line.strip():
            if not found:
                found.append((Utterance("", ""), []))
            found[-1][1].append(line)
    if not labels:
        return ()
    utterances = (replace(said, text=clean("\n".join(lines))) for said, lines in found)
    return tuple(each for each in utterances if each.text)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _check(value: Any) -> Mapping[str, str]:
    return (
        {} if isinstance(value, str) and not value.isspace() and value else {"body": "must hold the words of the call"}
    )


def _read(value: Any, context: Context) -> Draft:  # noqa: ARG001 - the shape of `Format.read`
    turns = assign_speakers(read_lines(value))
    return require_words(Draft(turns=turns, text="" if turns else clean(value)))


FORMAT = Format(name="text", matches=_is_text, read=_read, check=_check)
