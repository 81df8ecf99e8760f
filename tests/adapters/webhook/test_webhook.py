"""Signed events reach the receiver once, or the duty says why not. (Statuses: tests/contract/test_systems.py.)"""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from adapters.webhook.answers import find_ticket, read_retry_after
from adapters.webhook.guard import Guard
from adapters.webhook.settings import SystemSettings
from adapters.webhook.simulator import CURRENT, PREVIOUS, SETTINGS, Behaviour, Receiver
from adapters.webhook.system import ANSWER_LIMIT_BYTES, Webhook, open_system
from gateway.contract.errors import AlreadyThere, Misconfigured, Rejected, TryLater
from gateway.contract.ports import Event
from tests.contract.complaints import make_delivery, make_document
from tests.contract.house import ManualClock, make_house

NOW = datetime(2026, 1, 1, 2, tzinfo=UTC)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    party = Receiver()
    await party.open()
    yield party
    await party.close()


def make_webhook(tmp_path: Path, clock: ManualClock | None = None, **settings: object) -> Webhook:
    model = SystemSettings.model_validate(SETTINGS | settings)
    return open_system("crm", model, make_house(tmp_path, clock))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def webhook(tmp_path: Path, receiver: Receiver, clock: ManualClock) -> AsyncIterator[Webhook]:
    system = make_webhook(tmp_path, clock, url=receiver.url, timeout_s=2)
    yield system
    await system.close()


async def test_the_receiver_gets_the_event_with_the_complaint_and_gives_its_ticket(
    webhook: Webhook, receiver: Receiver
) -> None:
    delivered = await webhook.deliver(make_delivery("d-1"))
    assert delivered.ticket == "W-1"
    event = receiver.taken["d-1"]
    assert event["type"] == "complaint.registered"
    assert event["data"] == json.loads(make_document())


@pytest.mark.parametrize("event", list(Event))
async def test_each_event_has_its_type(webhook: Webhook, receiver: Receiver, event: Event) -> None:
    await webhook.deliver(make_delivery("d-1", event=event))
    assert receiver.taken["d-1"]["type"] == f"complaint.{event.value}"


async def test_identifier_and_body_stay_and_the_timestamp_moves_from_attempt_to_attempt(
    webhook: Webhook, receiver: Receiver, clock: ManualClock
) -> None:
    receiver.behaviour = [503]
    with pytest.raises(TryLater):
        await webhook.deliver(make_delivery("d-1"))
    clock.advance(60_000)
    await webhook.deliver(make_delivery("d-1", attempt=2))
    (id_1, time_1, body_1), (id_2, time_2, body_2) = receiver.seen
    assert (id_1, body_1) == (id_2, body_2)
    assert int(time_2) - int(time_1) == 60


@pytest.mark.parametrize("known", [CURRENT, PREVIOUS])
async def test_a_receiver_that_knows_either_secret_lets_us_in(tmp_path: Path, known: str) -> None:
    party = Receiver([known])
    await party.open()
    system = make_webhook(tmp_path, url=party.url)
    assert (await system.deliver(make_delivery())).ticket == "W-1"
    await system.close()
    await party.close()


async def test_a_receiver_with_another_secret_is_a_matter_of_settings(tmp_path: Path) -> None:
    party = Receiver(["whsec_YW5vdGhlci13ZWJob29rLXNlY3JldC0wMDAx"])
    await party.open()
    system = make_webhook(tmp_path, url=party.url)
    with pytest.raises(Misconfigured):
        await system.deliver(make_delivery())
    assert not party.taken
    await system.close()
    await party.close()


@pytest.mark.parametrize(
    ("behaviour", "uncertain"),
    [
        ("slow", True),
        ("drop", True),
        ("half", True),
        ("drop_after_commit", True),
        (502, True),
        (503, False),
        (429, False),
    ],
)
async def test_a_lost_answer_is_uncertain_and_the_next_attempt_finds_what_was_taken(
    webhook: Webhook, receiver: Receiver, behaviour: Behaviour, uncertain: bool
) -> None:
    webhook._timeout = webhook._timeout.__class__(total=0.3)
    receiver.behaviour = [behaviour]
    with pytest.raises(TryLater) as later:
        await webhook.deliver(make_delivery("d-1"))
    assert later.value.uncertain is uncertain
    taken = "d-1" in receiver.taken
    if taken:
        with pytest.raises(AlreadyThere) as there:
            await webhook.deliver(make_delivery("d-1", attempt=2))
        assert there.value.ticket == "W-1"
    else:
        assert (await webhook.deliver(make_delivery("d-1", attempt=2))).ticket == "W-1"
    assert list(receiver.taken) == ["d-1"]


async def test_retry_after_is_passed_on(webhook: Webhook, receiver: Receiver) -> None:
    receiver.behaviour, receiver.headers = [429], {"Retry-After": "17"}
    with pytest.raises(TryLater) as later:
        await webhook.deliver(make_delivery())
    assert later.value.after_s == 17


async def test_a_redirect_is_not_followed(webhook: Webhook, receiver: Receiver) -> None:
    receiver.behaviour = ["redirect"]
    with pytest.raises(Misconfigured):
        await webhook.deliver(make_delivery())
    assert len(receiver.seen) == 1


async def test_an_answer_without_end_is_read_to_its_limit_only(webhook: Webhook, receiver: Receiver) -> None:
    receiver.behaviour = ["endless"]
    delivered = await asyncio.wait_for(webhook.deliver(make_delivery()), 2)
    assert delivered.ticket is None
    assert ANSWER_LIMIT_BYTES < 1_000_000


async def test_nobody_listening_is_tried_later_and_certain(tmp_path: Path) -> None:
    system = make_webhook(tmp_path)
    with pytest.raises(TryLater) as later:
        await system.deliver(make_delivery())
    assert (later.value.code, later.value.uncertain) == ("unreachable", False)
    await system.close()


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "10.0.0.7", "192.168.1.1", "169.254.169.254", "[::ffff:10.0.0.7]", "0.0.0.0"],
)
async def test_an_address_that_is_not_public_is_not_called(tmp_path: Path, host: str) -> None:
    system = make_webhook(tmp_path, url=f"http://{host}:9/", allow_loopback=False)
    with pytest.raises(Misconfigured) as refused:
        await system.deliver(make_delivery())
    assert refused.value.code == "address_closed"
    await system.close()


def test_private_and_loopback_addresses_are_opened_one_by_one() -> None:
    private, loopback = Guard(allow_private=True, allow_loopback=False), Guard(allow_private=False, allow_loopback=True)
    for guard in (private, loopback):
        guard.check("203.0.114.9")
        with pytest.raises(Misconfigured):
            guard.check("169.254.169.254")
    private.check("10.0.0.7")
    loopback.check("::1")
    with pytest.raises(Misconfigured):
        private.check("127.0.0.1")
    with pytest.raises(Misconfigured):
        loopback.check("10.0.0.7")


@pytest.mark.parametrize("secret", ["short", "whsec_", "whsec_!!!!", "whsec_" + "QUJD" * 40])
def test_a_weak_secret_refuses_to_start_without_being_repeated(secret: str) -> None:
    with pytest.raises(ValidationError) as refused:
        SystemSettings.model_validate(SETTINGS | {"secrets": [secret]})
    assert secret not in str(refused.value.errors(include_input=False))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("17", 17),
        ("Thu, 01 Jan 2026 02:00:30 GMT", 30),
        ("Thu, 01 Jan 2026 01:00:00 GMT", 0),
        ("99999999", 86_400),
        ("soon", 0),
        ("", 0),
        ("-5", 0),
    ],
)
def test_retry_after_is_read_in_both_its_forms(value: str, seconds: float) -> None:
    assert read_retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    ("answer", "ticket"),
    [
        (b'{"ticket":"T-1","id":2}', "T-1"),
        (b'{"id":2}', "2"),
        (b'{"id":true}', None),
        (b"[]", None),
        (b"<html>", None),
        (b'{"ticket":"a\\nb"}', None),
        (b"[" * 100_000, None),
    ],
)
def test_a_ticket_is_taken_from_json_only(answer: bytes, ticket: str | None) -> None:
    assert find_ticket(answer) == ticket


async def test_a_refused_complaint_is_parked(webhook: Webhook, receiver: Receiver) -> None:
    receiver.behaviour = [422]
    with pytest.raises(Rejected):
        await webhook.deliver(make_delivery())
