"""Submissions in files -> (content type, body, token)."""

import json
from collections.abc import Iterator

from gateway.contract.pages.forms import FORM, MULTIPART

JSON = "application/json"


def split_submissions(data: bytes, name: str, format_name: str | None) -> Iterator[tuple[str, bytes, str]]:
    """The token is empty where the file does not hold it."""
    form = format_name or _tell_format(data, name)
    if form == "multipart":
        boundary = data.partition(b"\n")[0].strip().removeprefix(b"--").decode("latin-1")
        yield f"{MULTIPART}; boundary={boundary}", data, ""
    elif form == "form":
        yield FORM, data.strip(), ""
    else:
        yield from _split_json(data)


def _tell_format(data: bytes, name: str) -> str:
    if name.lower().endswith(".json") or data.lstrip()[:1] in (b"{", b"["):
        return "json"
    return "multipart" if data.startswith(b"--") else "form"


def _split_json(data: bytes) -> Iterator[tuple[str, bytes, str]]:
    try:
        document = json.loads(data)
    except ValueError:
        yield JSON, data, ""
        return
    for item in document if isinstance(document, list) else [document]:
        # Request logs and test collections keep a submission under `body`.
        if isinstance(item, dict) and isinstance(item.get("body"), dict):
            item = item["body"]  # noqa: PLW2901 - the wrapping is of no further use
        token = item.get("t") if isinstance(item, dict) else ""
        yield JSON, json.dumps(item, ensure_ascii=False).encode(), token if isinstance(token, str) else ""
