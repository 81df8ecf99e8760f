"""The labelled texts that stand beside the project, where they are present."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHARED = Path(__file__).parents[2] / "shared" / "data"


@dataclass(frozen=True)
class Labelled:
    """`part` keeps texts of one writer together: no writer is learned from and measured on. `kind` is empty where
    the label is none of ours.
    """

    id: str
    text: str
    level: str
    kind: str
    groups: frozenset[str]
    evidence: tuple[str, ...]
    part: str
    language: str
    source: str


def read_chinese() -> list[Labelled]:
    """written/urgency_dev_zh.jsonl: 960 messages by 60 imagined customers."""
    return [
        Labelled(
            id=row["id"],
            text=row["text"],
            level=row["level"],
            kind="" if row["kind"] == "other" else row["kind"],
            groups=frozenset(row["group"]),
            evidence=tuple(row["evidence"]),
            part=str(row["persona"]),
            language=row["lang"],
            source="written",
        )
        for row in _read("written/urgency_dev_zh.jsonl")
    ]


def read_spaced() -> list[Labelled]:
    """redistributable/urgency.jsonl: English and Arabic, urgent or not; borderline rows left out."""
    return [
        Labelled(
            id=row["id"],
            text=row["text"],
            level="critical" if row["urgent"] else "normal",
            kind="",
            groups=frozenset(),
            evidence=(),
            part=row["text"],
            language=row["lang"].partition("-")[0],
            source=row["source"],
        )
        for row in _read("redistributable/urgency.jsonl")
        if not row["borderline"]
    ]


def read_comments() -> list[Labelled]:
    """evaluate-only/text/urgency_zh.jsonl: real comments and guestbook entries; to be measured on, never learned from."""
    return [
        Labelled(
            id=row["id"],
            text=row["text"],
            level=row["level"],
            kind=row["kind"] if row["kind"] in {"complaint", "inquiry", "praise", "suggestion"} else "",
            groups=frozenset(),
            evidence=(),
            part=row["id"],
            language="zh",
            source=row["src"],
        )
        for row in _read("evaluate-only/text/urgency_zh.jsonl")
        if not row["borderline"]
    ]


def _read(name: str) -> Iterator[dict[str, Any]]:
    """Raises FileNotFoundError where the texts are absent."""
    with (SHARED / name).open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
