"""How well numbers that stand for a person, and names, are found in texts that nobody in this project wrote.

    python benchmarks/identifier_quality.py [--misses]

Reads ../shared/data/redistributable/pii and names. A number counts as found where its span touches the marked one;
`exact` is the share of those whose span is the marked one. Names: how often a name that was found is one that the text
marks as a person's, because these texts mark all persons and we want the customer's alone.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.labelled_texts import SHARED
from normalizers.identifier import IdentifierKind, find_identifiers
from normalizers.person import find_name, read_name
from normalizers.text import plain

FOLDER = SHARED / "redistributable"
MARKS = {
    "PHONE_NUMBER": IdentifierKind.PHONE,
    "CREDIT_CARD": IdentifierKind.BANK_CARD,
    "EMAIL_ADDRESS": IdentifierKind.EMAIL,
}
INTRODUCTIONS = ("我叫{}，我的卡被吞了。", "投诉人：{}，电话13800138000", "我要投诉。姓名：{}")


def read(name: str) -> Iterator[dict[str, Any]]:
    """Raises FileNotFoundError where the texts are absent."""
    with (FOLDER / name).open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def print_row(name: str, said: int, true: int, both: int, more: str = "") -> None:
    print(f"| {name} | {both / max(1, said):.3f} | {both / max(1, true):.3f} | {true} | {more} |")


def measure_numbers(*, misses: bool) -> None:
    """Telephones, cards and addresses in English texts with marked spans."""
    rows = [row for row in read("pii/english.jsonl") if "spans" in row]
    print(f"\n### numbers in {len(rows)} English texts\n| | precision | recall | marked | |\n|---|---|---|---|---|")
    for mark, kind in MARKS.items():
        said = true = both = exact = 0
        for row in rows:
            marked = [(span["start"], span["end"]) for span in row["spans"] if span["type"] == mark]
            found = [(one.start, one.end) for one in find_identifiers(plain(row["text"])) if one.kind is kind]
            hit = [(a, b) for a, b in marked if any(c < b and a < d for c, d in found)]
            said, true, both = said + len(found), true + len(marked), both + len(hit)
            exact += sum(span in found for span in hit)
            if misses and (len(hit) < len(marked) or len(found) > len(hit)):
                print("   ", mark, [row["text"][a:b] for a, b in marked], [row["text"][a:b] for a, b in found])
        print_row(kind.value, said, true, both, f"exact {exact / max(1, both):.3f}")


def measure_names(*, misses: bool) -> None:
    rows = [row for row in read("pii/english.jsonl") if "spans" in row]
    said = right = 0
    for row in rows:
        text = row["text"]
        name = find_name(plain(text), text)
        persons = [span["value"] for span in row["spans"] if span["type"] == "PERSON"]
        said += bool(name)
        good = any(name in person or person in name for person in persons)
        right += bool(name) and good
        if misses and name and not good:
            print("   ", name, persons)
    print(f"\nnames in the same texts: {said} found, {right} of them marked as a person's")
    for file in ("names/rare_names.jsonl", "names/rare_chars.jsonl"):
        names = [row["name"] for row in read(file)]
        forms = sum(read_name(name) == name for name in names)
        told = [
            find_name(plain(text), text) == name for name in names for text in (p.format(name) for p in INTRODUCTIONS)
        ]
        print(f"{file}: {forms} of {len(names)} whole from a form, {sum(told) / len(told):.3f} from an introduction")


def measure_validity(*, misses: bool) -> None:
    """ID numbers of public test suites, right and wrong ones."""
    asked = [row for row in read("pii/chinese_cases.jsonl") if row["kind"] == "cn_id"]
    wrong = []
    for row in asked:
        found = find_identifiers(f"身份证号{row['value']}")
        if any(one.kind is IdentifierKind.CN_ID and one.valid for one in found) != row["valid"]:
            wrong.append(row["value"])
    print(f"\nID numbers: {len(asked) - len(wrong)} of {len(asked)} judged as their suites say")
    if misses:
        print("   ", wrong)
    scans = [row["value"] for row in read("pii/chinese_cases.jsonl") if row["kind"] == "zh_log_scan"]
    for text in scans:
        print("   ", text, "->", [(one.kind.value, one.valid) for one in find_identifiers(plain(text))])


def main() -> int:
    parser = argparse.ArgumentParser(prog="identifier_quality")
    parser.add_argument("--misses", action="store_true", help="print what was missed or found wrongly")
    options = parser.parse_args()
    if not FOLDER.is_dir():
        print(f"ABSENT: there are no marked texts at {FOLDER}; nothing was measured.", file=sys.stderr)
        return 1
    for measure in (measure_numbers, measure_names, measure_validity):
        measure(misses=options.misses)
    return 0


if __name__ == "__main__":
    sys.exit(main())
