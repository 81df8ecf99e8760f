"""One channel floods the gateway, and some of what comes can never be read or taken: the neighbours must not wait for it."""

import asyncio
from contextlib import AbstractContextManager, nullcontext

from tests.faults.bank import Bank, Plan
from tests.faults.fault import Draw, Fault
from tests.faults.load import Message
from tests.faults.tracker import POISON

_FLOOD = 900
_NEIGHBOURS = {"guestbook": 20_000, "wechat": 30_000, "mail": 40_000}
"""Channel -> its first number."""


def make(channel: str, number: int, words: str = "排队太久了") -> Message:
    marker = f"件{number}号"
    return Message(channel, f"{channel}-{number}", f"{channel} {number}", marker, f"{words}，{marker}。")


def make_record(number: int) -> Message:
    """A call's record without its words (Tencent Cloud's contact centre): it waits for a person."""
    message = make("hotline", number)
    record = {"SdkAppId": 1400264214, "SessionId": message.source, "Caller": "008613800000000", "Callee": "008695561"}
    times = {"StartTimestamp": 1767232790, "AcceptTimestamp": 1767232800, "EndedTimestamp": 1767232824}
    return Message("hotline", message.source, message.matter, message.marker, "", record | times | {"Duration": 24})


UNREADABLE = [make_record(number) for number in (10_001, 10_003)]
REFUSED = [make("hotline", number, POISON) for number in (10_002, 10_004)]


def prepare(draw: Draw) -> AbstractContextManager[Plan]:
    del draw
    codes = ((UNREADABLE, "no_transcript"), (REFUSED, "status_422"))
    return nullcontext(
        Plan(
            roles="accept",
            least=0,
            poison={message.marker: code for messages, code in codes for message in messages},
        )
    )


async def strike(bank: Bank, draw: Draw) -> None:
    """The backlog builds up: poison first, then the flood, the neighbours last. Then the work begins."""
    neighbours = [make(channel, first + n) for channel, first in _NEIGHBOURS.items() for n in range(4)]
    draw.random.shuffle(neighbours)
    await bank.load.finish()
    await bank.load.send_all([*UNREADABLE, *REFUSED])
    await bank.load.send_all([make("hotline", 50_000 + n) for n in range(_FLOOD)])
    await bank.load.send_all(neighbours)
    assert await asyncio.to_thread(bank.node().stop) == 0
    bank.roles = ""
    await bank.start()
    waiting = await bank.rest()
    assert not waiting, waiting
    entries = sorted(bank.read_ledger(), key=lambda entry: entry["ticket"])
    places = [n for n, entry in enumerate(entries) if entry["channel"]["instance"] != "95561"]
    assert len(places) == len(neighbours)
    # Each takes its turn beside the flood, in one of the first batches: all are done before its last half begins.
    assert max(places) < _FLOOD / 2, f"the neighbours waited for the flood: {places}"


FAULTS = [Fault("flood and poison", strike, prepare=prepare)]
