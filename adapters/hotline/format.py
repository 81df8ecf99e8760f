"""What a transcript format is: how to know it, the call it belongs to, and the Draft in it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from config.branches import BranchEntry
from gateway.contract.draft import Draft
from gateway.contract.errors import Unreadable


@dataclass(frozen=True, slots=True)
class Context:
    """What a reader may know of the bank: its zone for times without one, its numbers (digits), its branches."""

    zone: tzinfo
    own_numbers: frozenset[str]
    branches: Mapping[str, BranchEntry]


def accept_any(value: Any) -> Mapping[str, str]:  # noqa: ARG001 - the shape of `Format.check`
    return {}


def find_no_id(value: Any) -> str:  # noqa: ARG001 - the shape of `Format.find_call_id`
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """`matches`, `find_call_id` and `check` run before the 2xx: cheap, and they never raise.

    They and `read` take parsed JSON, or the text of a body that is none. `check` says what is missing: field path ->
    what is wrong. `read` raises Unreadable.
    """

    name: str
    matches: Callable[[Any], bool]
    read: Callable[[Any, Context], Draft]
    find_call_id: Callable[[Any], str] = find_no_id
    check: Callable[[Any], Mapping[str, str]] = accept_any


def require_words(draft: Draft) -> Draft:
    """The draft, if anybody said anything in it."""
    if draft.text or draft.turns or draft.attachments:
        return draft
    raise Unreadable("no_transcript", "There are no words in it. Take the text from the recording and send it again.")
