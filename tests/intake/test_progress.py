"""A customer who asks in a channel how far it is gets an answer there, about nobody else's matter."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from structlog.testing import capture_logs

from gateway.contract.call import Call, Reply
from gateway.contract.envelope import Accepted, Envelope, Thread
from gateway.contract.pages.links import PURPOSE, check_link_secret
from gateway.contract.progress import Ask, Progress, Untold
from gateway.contract.receipt import Receipt, parse_receipt
from gateway.intake.progress import Teller
from gateway.states import EnvelopeState
from gateway.store.port import StoreUnavailable
from gateway.store.rows import Moved
from gateway.store.sql_store import SqlStore
from tests.contract.house import make_house
from tests.intake.conftest import Open, Party
from tests.store.conftest import LEASE, NOW, make_envelope, make_registered


@dataclass
class Talk(Party):
    """`<person>: <words>`; the words `?` and `? <number>` ask."""

    def receive(self, call: Call) -> Sequence[Envelope] | Reply:
        (envelope,) = super().receive(call)
        person, _, words = call.body.decode().partition(": ")
        asks = words.startswith("?")
        return [replace(envelope, thread=Thread(key=person, ends=asks), receipt_wanted=not asks)]

    def reply(self, call: Call, accepted: Sequence[Accepted]) -> Reply | Ask:
        person, _, words = call.body.decode().partition(": ")
        if not words.startswith("?"):
            return super().reply(call, accepted)
        return Ask(thread=person, receipt=parse_receipt(words[1:]), write=write)


def write(told: Progress | Untold) -> Reply:
    if isinstance(told, Untold):
        return Reply(200, told.value.encode())
    return Reply(200, json.dumps([told.receipt, [name for name, _ in told.steps]]).encode())


async def test_the_answer_is_of_the_person_who_asks(open_site: Open, tmp_path: Path):
    tellers: list[Teller] = []

    async def tell(channel: str, ask: Ask) -> Reply:
        return await tellers[0].tell(channel, ask)

    site = await open_site(Talk(), Talk("other", ("/intake/other",)), answer_ask=tell)
    tellers.append(Teller(site.store, make_house(tmp_path)))

    async def say(words: str, path: str = "/intake/party") -> bytes:
        status, _, body = await site.ask("POST", path, words.encode())
        assert status in (200, 201)
        return body

    assert await say("li: ?") == b"unknown"
    receipt = json.loads(await say("li: 我的卡被吞了"))["receipt"]
    other = json.loads(await say("wang: 排队太久"))["receipt"]
    assert json.loads(await say("li: ? ")) == [receipt, ["received"]]
    assert json.loads(await say(f"li: ? {receipt[:4]} {receipt[4:8]} {receipt[8:]}")) == [receipt, ["received"]]
    assert await say(f"li: ? {other}") == b"unknown"
    assert await say("li: ?", "/intake/other") == b"unknown"
    assert await say(f"li: ? {receipt}", "/intake/other") == b"unknown"


async def test_without_a_teller_the_question_is_kept_and_answered_that_it_cannot_be_told(open_site: Open):
    site = await open_site(Talk())
    assert (await site.ask("POST", "/intake/party", b"li: ?"))[2] == b"away"


class Broken(Talk):
    def reply(self, call: Call, accepted: Sequence[Accepted]) -> Reply | Ask:
        return Ask(thread="li", write=lambda told: Reply(200, told.nonsense))  # type: ignore[union-attr]


async def test_a_channel_that_cannot_write_the_answer_leaves_nobody_waiting(open_site: Open):
    site = await open_site(Broken())
    with capture_logs() as logs:
        status, headers, _ = await site.ask("POST", "/intake/party", b"li: ?")
    assert (status, headers["Content-Type"]) == (503, "application/problem+json")
    assert [line["event"] for line in logs] == ["answer.failed"]
    assert (await site.ask("GET", "/live"))[0] == 200


def keep(told: list[Progress | Untold]) -> Callable[[Progress | Untold], Reply]:
    def take(progress: Progress | Untold) -> Reply:
        told.append(progress)
        return Reply(200)

    return take


async def test_what_has_happened_is_told_in_order_and_what_was_dismissed_is_not(store: SqlStore, tmp_path: Path):
    house = make_house(tmp_path)
    thread = Thread(key="li")
    (accepted,) = await store.accept([make_envelope("k1", thread=thread, at=NOW)])
    await store.accept([make_envelope("k2", thread=thread, at=NOW + 1), make_envelope("k3", thread=thread, at=NOW + 2)])
    told: list[Progress | Untold] = []
    ask = Ask(thread="li", write=keep(told))
    await Teller(store, house).tell("95561", ask)
    for state in (None, EnvelopeState.DISMISSED, None):
        (item,) = await store.claim_inbox(10, NOW, LEASE)
        moved = Moved(item=item, state=state, code="end") if state else make_registered(item)
        document = json.dumps({"complainant": {"phones": []}, "kind": "complaint", "due": None}).encode()
        await store.register([moved if isinstance(moved, Moved) else replace(moved, document=document)], NOW)
    await Teller(store, house).tell("95561", ask)
    before, after = told
    assert isinstance(before, Progress)
    assert isinstance(after, Progress)
    assert [name for name, _ in before.steps] == ["received", "supplemented", "supplemented"]
    assert [name for name, _ in after.steps] == ["received", "registered", "supplemented"]
    assert after.receipt == accepted.receipt
    assert after.deadline == date(2025, 6, 30)
    address, _, secret = after.link.partition("?s=")
    assert address == f"{house.public_url}/r/{after.receipt}"
    assert check_link_secret(house.derive_all(PURPOSE), after.receipt, secret)


class Away:
    async def find_matter(self, channel: str, thread: str, *, sequential: bool = False) -> Receipt | None:
        raise StoreUnavailable("away")


async def test_a_store_that_is_away_is_said_and_no_error(tmp_path: Path):
    told: list[Progress | Untold] = []
    teller = Teller(Away(), make_house(tmp_path))  # type: ignore[arg-type]
    assert await teller.tell("95561", Ask(thread="li", write=keep(told))) == Reply(200)
    assert told == [Untold.AWAY]
