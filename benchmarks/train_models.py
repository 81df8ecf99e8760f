"""Makes the tables of the second opinion (`config/tables/*_model.csv`) from the labelled texts in ../shared/data.

Needs scikit-learn, which the gateway itself does not. Run `python benchmarks/train_models.py` after the words in
`config/triage.toml` or `config/tables/kind.toml` changed, then `python benchmarks/triage_quality.py`.
Only texts that may be copied are learned from (../shared/data/README.md); the tables hold words of at most three
characters (Chinese) or three words (English, Arabic) used by several writers, never sentences.
"""

import csv
import math
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.labelled_texts import Labelled, read_chinese, read_spaced
from config.kind import load_kind_tables
from config.settings import TriageSettings
from config.triage import read_tables
from gateway.triage.rules import Rules
from gateway.triage.signals import find_signals
from normalizers.kind import KindRules
from normalizers.speakers import keep_customer
from normalizers.text import fold

TABLES = Path(__file__).parents[1] / "config" / "tables"
_HAN = re.compile("[\u4e00-\u9fff\u3400-\u4dbf]+")
_ARABIC = re.compile("[\u0621-\u064a]+")
_WORD = re.compile(r"[^\W_\u0600-\u06ff\u3400-\u9fff]+")
_BREAK = re.compile(r"[\W_\u0600-\u06ff\u3400-\u9fff]{2,}")


@dataclass(frozen=True)
class Plan:
    """How one model is made. `strength` is the inverse of the L2 penalty, `cue` what a cue measures beside the
    `spread` of all words (the more, the less it is penalised), `seen` how many writers must have used a feature."""

    classes: tuple[str, ...]
    words: int = 2500
    strength: float = 0.2
    cue: float = 2.0
    spread: float = 7.0
    seen: int = 3


Features = tuple[frozenset[str], frozenset[str]]
"""Words and cues of one text."""


def list_words(text: str, *, han: bool) -> set[str]:
    """Candidates: one to three Chinese characters, three to five Arabic letters or one to three other words in a row."""
    found = set()
    compact = fold(text, compact=True).text
    runs, sizes = (_HAN.findall(compact), (1, 2, 3)) if han else (_ARABIC.findall(compact), (3, 4, 5))
    for run in runs:
        found |= {run[i : i + size] for size in sizes for i in range(len(run) - size + 1)}
    for run in _BREAK.split(fold(text).text):
        words = _WORD.findall(run)
        for size in (1, 2, 3):
            for at in range(len(words) - size + 1):
                if not any(word.isdecimal() for word in words[at : at + size]):
                    found.add(" ".join(words[at : at + size]))
    return found


def train(features: Sequence[Features], labels: Sequence[str], parts: Sequence[str], plan: Plan) -> list[list[str]]:
    """Rows of the table, rounded to thousandths: what is measured is what ships."""
    writers = {(name, part) for (words, cues), part in zip(features, parts, strict=True) for name in (*words, *cues)}
    seen = Counter(name for name, _ in writers)
    usual = {name for name, count in seen.items() if count >= plan.seen}
    all_words = frozenset(word for words, _ in features for word in words)

    def fit(kept: set[str]) -> tuple[list[str], LogisticRegression]:
        rows = []
        for words, cues in features:
            mine = words & kept
            say = plan.spread / math.sqrt(max(1, len(mine)))
            rows.append({f"w\t{word}": say for word in mine} | {f"c\t{cue}": plan.cue for cue in cues & kept})
        vectorizer = DictVectorizer()
        matrix = vectorizer.fit_transform(rows)
        classifier = LogisticRegression(C=plan.strength, max_iter=4000, class_weight="balanced")
        classifier.fit(matrix, np.array(labels))
        return list(vectorizer.get_feature_names_out()), classifier

    names, first = fit(usual)
    weight = dict(zip(names, np.abs(first.coef_).max(axis=0), strict=True))
    words = sorted((name for name in names if name[0] == "w"), key=lambda name: (-weight[name], name))[: plan.words]
    kept = {name[2:] for name in words} | (usual - all_words)
    names, final = fit(kept)
    order = list(final.classes_)
    coefficients, bias = final.coef_, final.intercept_
    if len(order) == 2:  # the library keeps one row for two classes
        coefficients, bias = np.vstack([-coefficients[0], coefficients[0]]) / 2, np.array([-bias[0], bias[0]]) / 2
    columns = [order.index(name) for name in plan.classes]
    rows = [["sort", "feature", *plan.classes]]
    rows.append(["bias", "", *(f"{bias[c]:.3f}" for c in columns)])
    rows.append(["spread", "", *([f"{plan.spread:g}"] * len(columns))])
    for position in sorted(range(len(names)), key=lambda i: names[i]):
        sort, name = names[position].split("\t")
        scale = plan.cue if sort == "c" else 1.0
        weights = [f"{coefficients[c][position] * scale:.3f}" for c in columns]
        if any(float(value) for value in weights):
            rows.append([{"w": "word", "c": "cue"}[sort], name, *weights])
    return rows


def write(rows: list[list[str]], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def as_text(rows: list[list[str]]) -> str:
    return "\n".join(",".join(row) for row in rows) + "\n"


def read_features(texts: Sequence[Labelled], *, han: bool) -> list[Features]:
    """With the shipped words for concepts, and candidates in place of the model's own words."""
    tables = read_tables(TriageSettings())
    empty = "sort,feature,normal\nbias,,0\nspread,,1\n"
    rules = Rules(replace(tables, models={"chinese": empty, "spaced": empty}))
    features = []
    for text in texts:
        words = keep_customer(text.text)
        features.append((frozenset(list_words(words, han=han)), frozenset(find_signals(words, rules).cues)))
    return features


CHINESE = Plan(("critical", "high", "normal"))
SPACED = Plan(("critical", "normal"), words=2000, seen=2)
KIND = Plan(("complaint", "inquiry", "praise", "suggestion"), words=2000, strength=0.1, cue=1.0)


def read_kind_features(texts: Sequence[Labelled]) -> list[Features]:
    rules = KindRules(load_kind_tables())
    return [
        (
            frozenset(list_words(words, han=True)),
            frozenset(rules.find_cues(words)),
        )
        for words in (keep_customer(text.text) for text in texts)
    ]


def main() -> None:
    chinese = read_chinese()
    spaced = read_spaced()
    kinds = [text for text in chinese if text.kind]
    for name, texts, features, labels, plan in (
        ("triage_chinese", chinese, read_features(chinese, han=True), [text.level for text in chinese], CHINESE),
        ("triage_spaced", spaced, read_features(spaced, han=False), [text.level for text in spaced], SPACED),
        ("kind", kinds, read_kind_features(kinds), [text.kind for text in kinds], KIND),
    ):
        write(train(features, labels, [text.part for text in texts], plan), TABLES / f"{name}_model.csv")


if __name__ == "__main__":
    main()
