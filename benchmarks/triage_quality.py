"""How well urgency and kind are told, on texts the models have not learned from.

    python benchmarks/triage_quality.py            five folds by writer: retrains for each fold, needs scikit-learn
    python benchmarks/triage_quality.py --shipped  the shipped tables on what they were made from (an upper bound)

The real comments and guestbook entries are never learned from, so they are measured with the shipped tables in both.
"""

import argparse
import sys
import timeit
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import md5
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.labelled_texts import SHARED, Labelled, read_chinese, read_comments, read_spaced
from config.kind import KindTables, load_kind_tables
from config.settings import TriageSettings
from config.triage import read_tables
from gateway.triage.judge import Judgement, judge
from gateway.triage.rules import Rules
from normalizers.kind import KindRules

FOLDS = 5


@dataclass(frozen=True)
class Answer:
    text: Labelled
    judgement: Judgement
    kind: str

    @property
    def level(self) -> str:
        return self.judgement.verdict.level.value


def pick_fold(text: Labelled) -> int:
    """All texts of one writer fall into one fold."""
    return int(text.part) % FOLDS if text.part.isdecimal() else int(md5(text.part.encode()).hexdigest(), 16) % FOLDS


def answer(text: Labelled, rules: Rules, decide: Callable[[str], str]) -> Answer:
    judgement = judge(text=text.text, turns=(), channel="", language=text.language, rules=rules)
    return Answer(text, judgement, decide(text.text))


def decide_by(tables: KindTables) -> Callable[[str], str]:
    rules = KindRules(tables)
    return lambda text: rules.choose(text).value


def measure_folds(texts: Sequence[Labelled], *, han: bool) -> list[Answer]:
    from benchmarks import train_models as training

    tables = read_tables(TriageSettings())
    features = training.read_features(texts, han=han)
    kind_features = training.read_kind_features(texts) if han else []
    folds = [pick_fold(text) for text in texts]
    plan, script = (training.CHINESE, "chinese") if han else (training.SPACED, "spaced")
    answers = []
    for fold in range(FOLDS):
        learned = [at for at in range(len(texts)) if folds[at] != fold]
        parts = [texts[at].part for at in learned]
        rows = training.train([features[at] for at in learned], [texts[at].level for at in learned], parts, plan)
        rules = Rules(replace(tables, models=tables.models | {script: training.as_text(rows)}))
        decide = decide_by(load_kind_tables())
        if han:
            kinds = [at for at in learned if texts[at].kind]
            rows = training.train(
                [kind_features[at] for at in kinds],
                [texts[at].kind for at in kinds],
                [texts[at].part for at in kinds],
                training.KIND,
            )
            decide = decide_by(replace(load_kind_tables(), model=training.as_text(rows)))
        answers += [answer(texts[at], rules, decide) for at in range(len(texts)) if folds[at] == fold]
    return answers


def print_levels(title: str, answers: Sequence[Answer]) -> None:
    print(f"\n### {title}: {len(answers)} texts")
    print("| | precision | recall | F1 | texts |\n|---|---|---|---|---|")
    for name, levels in (("critical", {"critical"}), ("high", {"high"}), ("critical or high", {"critical", "high"})):
        print_row(name, [a.level in levels for a in answers], [a.text.level in levels for a in answers])


def print_row(name: str, said: Sequence[bool], true: Sequence[bool]) -> None:
    if not any(true):
        return
    both = sum(s and t for s, t in zip(said, true, strict=True))
    precision, recall = both / max(1, sum(said)), both / sum(true)
    f1 = 2 * precision * recall / max(1e-9, precision + recall)
    print(f"| {name} | {precision:.3f} | {recall:.3f} | {f1:.3f} | {sum(true)} |")


def print_kinds(answers: Sequence[Answer]) -> None:
    answers = [a for a in answers if a.text.kind]
    right = sum(a.kind == a.text.kind for a in answers)
    print(f"kind: {right / len(answers):.3f} of {len(answers)} right")
    for name in ("complaint", "inquiry", "praise", "suggestion"):
        print_row(name, [a.kind == name for a in answers], [a.text.kind == name for a in answers])


def print_groups(answers: Sequence[Answer]) -> None:
    pairs = [(set(a.judgement.groups), set(a.text.groups)) for a in answers]
    both = sum(len(said & true) for said, true in pairs)
    precision = both / max(1, sum(len(said) for said, _ in pairs))
    recall = both / max(1, sum(len(true) for _, true in pairs))
    print(
        f"groups: precision {precision:.3f}, recall {recall:.3f}, F1 {2 * precision * recall / (precision + recall):.3f}"
    )
    for name in sorted({group for _, true in pairs for group in true}):
        print_row(name, [name in said for said, _ in pairs], [name in true for _, true in pairs])


def print_evidence(answers: Sequence[Answer]) -> None:
    """Of urgent texts found urgent: whether a leading signal's evidence touches the marked words, and how much."""
    touched, shares = 0, []
    urgent = [a for a in answers if a.text.evidence and a.level != "normal" and a.text.level != "normal"]
    for a in urgent:
        marked: set[int] = set()
        for words in a.text.evidence:
            at = a.text.text.find(words)
            marked.update(range(at, at + len(words)))
        top = a.judgement.verdict.signals[0].priority
        said: set[int] = set()
        for signal in a.judgement.verdict.signals:
            if signal.priority is top:
                said.update(range(signal.evidence.start, signal.evidence.end))
        touched += bool(said & marked)
        shares.append(len(said & marked) / max(1, len(said | marked)))
    print(
        f"evidence: touches the marked words in {touched / len(urgent):.3f} of {len(urgent)}, overlap {sum(shares) / len(shares):.3f}"
    )


def print_speed(rules: Rules, texts: Sequence[Labelled]) -> None:
    near = [t for t in texts if 250 <= len(t.text) <= 350]
    for name, some in (
        ("normal", [t for t in near if t.level == "normal"]),
        ("urgent", [t for t in near if t.level != "normal"]),
    ):
        rounds = [timeit.timeit(partial(judge_all, some, rules), number=5) / 5 / max(1, len(some)) for _ in range(5)]
        size = sum(len(t.text) for t in some) / max(1, len(some))
        print(f"speed: {min(rounds) * 1e6:.0f} us for a {name} text of {size:.0f} characters")


def judge_all(texts: Sequence[Labelled], rules: Rules) -> None:
    for text in texts:
        judge(text=text.text, turns=(), channel="", language="", rules=rules)


def main() -> int:
    parser = argparse.ArgumentParser(prog="triage_quality")
    parser.add_argument("--shipped", action="store_true", help="measure the shipped tables, no retraining")
    options = parser.parse_args()
    if not SHARED.is_dir():
        print(f"ABSENT: there are no labelled texts at {SHARED}; nothing was measured.", file=sys.stderr)
        return 1
    rules = Rules(read_tables(TriageSettings()))
    decide_shipped = decide_by(load_kind_tables())
    chinese, spaced = read_chinese(), read_spaced()
    how = "shipped tables, seen texts" if options.shipped else f"{FOLDS} folds by writer"
    if options.shipped:
        answers = [answer(text, rules, decide_shipped) for text in chinese]
        others = [answer(text, rules, decide_shipped) for text in spaced]
    else:
        answers, others = measure_folds(chinese, han=True), measure_folds(spaced, han=False)
    print_levels(f"written Chinese, {how}", answers)
    for language in ("zh-Hans", "zh-Hant", "mixed"):
        print_levels(f"of these {language}", [a for a in answers if a.text.language == language])
    print_kinds(answers)
    print_groups(answers)
    print_evidence(answers)
    for language in ("en", "ar"):
        print_levels(f"{language}, urgent or not, {how}", [a for a in others if a.text.language == language])
    try:
        comments = [answer(text, rules, decide_shipped) for text in read_comments()]
    except FileNotFoundError:
        print("ABSENT: the real comments (evaluate-only) are not there and were not measured.", file=sys.stderr)
    else:
        print_levels("real comments and guestbook entries, never learned from", comments)
        print_kinds(comments)
    print_speed(rules, chinese)
    return 0


if __name__ == "__main__":
    sys.exit(main())
