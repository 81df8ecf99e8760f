"""What every system of record promises to the forward stage."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.contract.complaint import Kind
from gateway.contract.errors import AdapterError, AlreadyThere, Misconfigured, Rejected, TryLater
from gateway.contract.ports import BatchSystem, Change, Delivered, Delivery, Event, House, System
from gateway.contract.receipt import make_receipt
from gateway.contract.verdict import Level
from tests.contract.complaints import make_delivery
from tests.contract.parties import SYSTEMS, having, load, open_system

REMOTE = [party for party in SYSTEMS if party in having("simulator.py", "\nclass Receiver")]
LATER, PARKED, SETTINGS = TryLater, Rejected, Misconfigured


@asynccontextmanager
async def running(party: str, house: House) -> AsyncIterator[tuple[System, Any]]:
    """The system against its party's simulator (`Receiver`, where there is an outside), else by itself."""
    receiver = load(party, "simulator").Receiver() if party in REMOTE else None
    if receiver:
        await receiver.open()
    system = open_system(party, house, **({"url": receiver.url} if receiver else {}))
    try:
        yield system, receiver
    finally:
        await system.close()
        if receiver:
            await receiver.close()


async def try_deliver(system: System, delivery: Delivery) -> Delivered | AdapterError:
    try:
        return await system.deliver(delivery)
    except AdapterError as error:
        return error


@pytest.mark.parametrize("event", list(Event))
@pytest.mark.parametrize("party", SYSTEMS)
async def test_a_plan_is_the_same_each_time_and_names_every_step_once(party: str, event: Event, house: House) -> None:
    system = open_system(party, house)
    change = Change(event=event, version=2, kind=Kind.COMPLAINT, level=Level.HIGH)
    steps = system.plan(change)
    assert list(steps) == list(system.plan(change))
    assert len({step.name for step in steps}) == len(steps)
    await system.close()


@pytest.mark.parametrize("party", SYSTEMS)
async def test_a_later_version_is_another_step(party: str, house: House) -> None:
    system = open_system(party, house)
    plans = [
        system.plan(Change(event=Event.SUPPLEMENTED, version=version, kind=Kind.COMPLAINT, level=Level.NORMAL))
        for version in (2, 3)
    ]
    assert {step.name for step in plans[0]}.isdisjoint(step.name for step in plans[1])
    await system.close()


@pytest.mark.parametrize("party", SYSTEMS)
async def test_delivered_twice_is_one_ticket(party: str, house: House) -> None:
    async with running(party, house) as (system, _):
        first = await try_deliver(system, make_delivery())
        second = await try_deliver(system, make_delivery(attempt=2))
        assert isinstance(first, Delivered)
        assert isinstance(second, (Delivered, AlreadyThere))
        assert first.ticket
        assert first.ticket == second.ticket


@pytest.mark.parametrize("party", SYSTEMS)
async def test_two_complaints_are_two_tickets(party: str, house: House) -> None:
    async with running(party, house) as (system, _):
        one = await system.deliver(make_delivery("d-1"))
        other = await system.deliver(make_delivery("d-2", receipt=make_receipt(10_000_000_001)))
        assert one.ticket != other.ticket


@pytest.mark.parametrize("party", SYSTEMS)
async def test_a_document_that_is_none_is_parked_without_being_repeated(party: str, house: House) -> None:
    async with running(party, house) as (system, _):
        outcome = await try_deliver(system, make_delivery(document='{"title": "蒙面超人"}'.encode()))
        assert isinstance(outcome, Rejected)
        assert "蒙面超人" not in str(outcome)


@pytest.mark.parametrize("party", SYSTEMS)
async def test_a_batch_gives_one_outcome_each_in_order(party: str, house: House) -> None:
    async with running(party, house) as (system, _):
        if not isinstance(system, BatchSystem):
            return
        broken = make_delivery("d-2", receipt=make_receipt(10_000_000_001), document=b"[]")
        outcomes = await system.deliver_many([make_delivery("d-1"), broken, make_delivery("d-1", attempt=2)])
        assert [type(each) for each in outcomes] == [Delivered, Rejected, AlreadyThere]


@pytest.mark.parametrize("party", SYSTEMS)
async def test_a_check_changes_nothing_and_says_what_it_found(party: str, house: House) -> None:
    async with running(party, house) as (system, receiver):
        assert await system.check()
        assert not receiver or not receiver.taken


def expect(status: int) -> type[AdapterError]:
    if status in {408, 425, 429} or status >= 500:
        return LATER
    if status == 409:
        return AlreadyThere
    return SETTINGS if status in {401, 403, 404, 405, 407, 410} or status < 400 else PARKED


@pytest.mark.parametrize(
    "status", [300, 301, 302, 303, 304, 307, 308, *range(400, 432), 451, *range(500, 512), 520, 599]
)
@pytest.mark.parametrize("party", REMOTE)
async def test_every_status_is_later_parked_or_settings(party: str, status: int, house: House) -> None:
    async with running(party, house) as (system, receiver):
        receiver.behaviour = [status]
        outcome = await try_deliver(system, make_delivery())
        assert type(outcome) is expect(status)
        assert not receiver.taken
