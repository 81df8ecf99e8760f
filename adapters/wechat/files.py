"""Files of kept pushes: one XML push, one JSON document, or JSON Lines.

A JSON value holds a push when it is one, or when it carries one under `xml` or `body` (the way request logs and test
collections keep them), or a list of such values, bare or under `requests`. Anything else is handed on as it is, so that
a person sees it.
"""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

FORMATS = ("xml", "json", "jsonl")

_PUSH_MARKS = frozenset({"MsgType", "Encrypt", "InfoType"})


def split_pushes(source: BinaryIO, name: str, format_name: str | None) -> Iterator[bytes]:
    """The raw bytes of each push, in the order of the file."""
    if format_name == "jsonl" or (format_name is None and name.lower().endswith((".jsonl", ".ndjson"))):
        for line in source:
            yield from _split_line(line)
        return
    whole = source.read()
    if format_name == "xml" or whole.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        yield whole
        return
    value = _load(whole)
    if value is not None:
        # A file that is one push keeps its own bytes: they are the ones that were pushed.
        yield from (whole,) if _is_push(value) else _find_pushes(value)
    elif format_name is None and _load(whole.lstrip().partition(b"\n")[0]) is not None:
        for line in whole.splitlines(keepends=True):
            yield from _split_line(line)
    else:
        yield whole


def _split_line(line: bytes) -> Iterator[bytes]:
    line = line.strip()
    if not line:
        return
    value = _load(line)
    if value is None or _is_push(value):
        yield line
    else:
        yield from _find_pushes(value)


def _find_pushes(value: Any) -> Iterator[bytes]:
    # Walked with a list of its own: how deep the file nests is not ours to choose.
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting += reversed(item)
        elif isinstance(item, dict) and isinstance(item.get("requests"), list):
            waiting += reversed(item["requests"])
        elif isinstance(item, dict) and not _is_push(item) and (held := item.get("xml") or item.get("body")):
            if isinstance(held, str):
                yield held.encode(errors="replace")
            else:
                waiting.append(held)
        else:
            yield json.dumps(item, ensure_ascii=False).encode(errors="replace")


def _is_push(value: Any) -> bool:
    return isinstance(value, dict) and not _PUSH_MARKS.isdisjoint(value)


def _load(text: bytes) -> Any:
    """None for what is no JSON (and for `null`, which is no push either)."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
