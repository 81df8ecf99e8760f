"""`python -m benchmarks.mail_reading`: how much of real mail is read as its own makers' test suites expect.

Reads ../shared where it stands beside the checkout. A field is right when it is equal after white space is folded; a
reply is right when nothing of the history is left and nothing of the answer is missing. Every mail must become a
Draft, Ignored or Unreadable: anything else is counted as broken and named.
"""

import difflib
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adapters.email.markup import read_html
from adapters.email.quoting import split_reply
from adapters.email.reading import Reader
from gateway.contract.draft import Draft
from gateway.contract.errors import Ignored, Unreadable

SHARED = Path(__file__).resolve().parents[2] / "shared"
DATA = SHARED / "data"
CLOSE = 0.9
"""Texts of the suites keep mark-up, signatures or white space that a complaint does not: this close counts as right."""


def walk_mails(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Each mail with what its suite expects ({} where it only wants survival)."""
    for path in sorted([*folder.rglob("*.eml"), *folder.rglob("*.tnef")]):
        expected = path.with_name("expected.json")
        yield path, json.loads(expected.read_text("utf-8")) if expected.exists() else {}


def read(raw: bytes) -> Draft | Ignored | Unreadable:
    try:
        return Reader().read_draft(raw)
    except (Ignored, Unreadable) as error:
        return error


def squeeze(text: str) -> str:
    return "".join(text.split())


def are_close(found: str, expected: str) -> bool:
    found, expected = squeeze(found)[:5_000], squeeze(expected)[:5_000]
    return found == expected or difflib.SequenceMatcher(None, found, expected, autojunk=False).ratio() >= CLOSE


def find_expected(expected: dict[str, Any]) -> dict[str, str]:
    """The forms of the three suites -> subject, address, text, as far as each says them."""
    given: dict[str, str] = {}
    if expected.get("subject"):
        given["subject"] = expected["subject"]
    senders = expected.get("from_") or []
    address = senders[0].get("address") if senders else expected.get("from_email")
    if address:
        given["sender"] = address
    bodies = expected.get("text_body")
    if isinstance(bodies, list):
        texts = [
            read_html(body["text"]).text if body["type"] == "html" else body["text"]
            for body in bodies
            if body.get("text")
        ]
        if "".join(texts).strip():
            given["text"] = "\n".join(texts)
    elif "text" in expected:
        given["text"] = expected["text"]
    elif expected.get("body"):
        body = expected["body"]
        given["text"] = read_html(body).text if expected.get("content_type") == "text/html" else body
    return given


def compare(draft: Draft, given: dict[str, str]) -> dict[str, bool]:
    right = {}
    if "subject" in given:
        right["subject"] = squeeze(draft.title) == squeeze(given["subject"])
    if "sender" in given:
        right["sender"] = given["sender"].lower().rstrip(".") in [address.lower() for address in draft.emails]
    if "text" in given:
        right["text"] = any(are_close(text, given["text"]) for text in (draft.text, f"{draft.text}\n{draft.quoted}"))
    return right


def score_parsing(folder: Path, *, verbose: bool) -> None:
    right: dict[str, list[bool]] = defaultdict(list)
    kinds: dict[str, int] = defaultdict(int)
    for path, expected in walk_mails(folder):
        try:
            outcome = read(path.read_bytes())
        except Exception as error:
            kinds["BROKEN"] += 1
            print(f"  broken: {path.relative_to(SHARED)}: {error!r}")
            continue
        kinds[type(outcome).__name__] += 1
        if not isinstance(outcome, Draft):
            continue
        for field, fits in compare(outcome, find_expected(expected)).items():
            right[field].append(fits)
            if verbose and not fits:
                print(f"  {field}: {path.relative_to(SHARED)}")
    say(folder, kinds, right)


def score_replies(folder: Path, *, verbose: bool) -> None:
    right: dict[str, list[bool]] = defaultdict(list)
    for expectation in sorted(folder.rglob("expected.json")):
        expected = json.loads(expectation.read_text("utf-8"))
        source = next(path for path in expectation.parent.iterdir() if path != expectation)
        if source.suffix == ".eml":
            outcome = read(source.read_bytes())
            found = outcome.text if isinstance(outcome, Draft) else ""
        elif source.suffix == ".html":
            rendered = read_html(source.read_bytes().decode("utf-8", "replace"))
            found = split_reply(rendered.text).text
        else:
            found = split_reply(source.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n")).text
        wanted = squeeze(expected.get("reply") or expected.get("reply_nospace") or "")
        right["exact"].append(squeeze(found) == wanted)
        right["close"].append(are_close(found, wanted))
        if verbose and not right["exact"][-1]:
            print(f"  reply: {source.relative_to(SHARED)}")
    say(folder, {}, right)


def score_bounces(folder: Path, *, verbose: bool) -> None:
    right: dict[str, list[bool]] = defaultdict(list)
    for path, _ in walk_mails(folder):
        outcome = read(path.read_bytes())
        right["dismissed"].append(isinstance(outcome, Ignored))
        right["not answered"].append(not isinstance(outcome, Draft) or outcome.acknowledge is None)
        if verbose and not right["dismissed"][-1]:
            print(f"  bounce: {path.relative_to(SHARED)}")
    say(folder, {}, right)


def say(folder: Path, kinds: dict[str, int], right: dict[str, list[bool]]) -> None:
    counted = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
    shares = ", ".join(
        f"{field} {sum(fits)}/{len(fits)} ({sum(fits) / len(fits):.0%})" for field, fits in right.items()
    )
    print(f"{folder.relative_to(SHARED)}: {'; '.join(filter(None, (counted, shares)))}", flush=True)


def main() -> int:
    if not DATA.is_dir():
        print(f"there is no {DATA}: the mails to be read are not part of the repository", file=sys.stderr)
        return 1
    verbose = "-v" in sys.argv[1:]
    free, closed = DATA / "redistributable/email", DATA / "evaluate-only"
    for name in ("parse", "structure", "survive"):
        score_parsing(free / name, verbose=verbose)
    for folder in (
        closed / "email/parse",
        closed / "email/survive",
        closed / "email_derived",
        SHARED / "samples/email",
    ):
        score_parsing(folder, verbose=verbose)
    for name in ("reply", "reply_html"):
        score_replies(free / name, verbose=verbose)
    score_bounces(free / "bounce", verbose=verbose)
    return 0


if __name__ == "__main__":
    sys.exit(main())
