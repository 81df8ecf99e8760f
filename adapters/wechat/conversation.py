"""What an intent does to the conversation of one customer: which matter its envelope belongs to, and what it lends.

Whatever ends a matter takes the chosen kind back, so that a choice holds for the next matter and no other.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from adapters.wechat.intent import Intent, Wish
from adapters.wechat.settings import ChannelSettings
from gateway.contract.envelope import LENT_S, Thread


@dataclass(frozen=True, slots=True)
class Place:
    """Fields of an envelope."""

    receipt_wanted: bool = False
    thread: Thread | None = None
    hints: Mapping[str, str] | None = None


def find_place(intent: Intent, openid: str, settings: ChannelSettings) -> Place:
    """`openid` may be empty: then the words stand alone."""
    window_s = settings.conversation_window_s

    def thread(*, ends: bool = False) -> Thread | None:
        return Thread(key=openid, window_ms=window_s * 1000, ends=ends) if openid else None

    match intent.wish:
        case Wish.SAY:
            return Place(receipt_wanted=True, thread=thread())
        case Wish.END | Wish.ASK:
            return Place(thread=thread(ends=True), hints={"kind": "", LENT_S: str(window_s)})
        case Wish.CHOOSE:
            return Place(thread=thread(ends=True), hints={"kind": intent.kind or "", LENT_S: str(window_s)})
        case Wish.PEOPLE:
            return Place(thread=thread())
        case Wish.SCAN:
            return Place(thread=thread(), hints={"branch": intent.branch, LENT_S: str(settings.branch_window_s)})
        case Wish.FOLLOW | Wish.NONE:
            return Place()
