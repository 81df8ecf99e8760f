"""Notices to customers: counted per address, found by what the other side calls them, and made good where they failed."""

from dataclasses import replace

import pytest

from gateway.contract.clock import Millis
from gateway.contract.envelope import Thread
from gateway.contract.receipt import make_receipt
from gateway.states import NEWS_MOVES, DutyState
from gateway.store import telling
from gateway.store.rows import Duty, NewDuty, Settled, Target
from gateway.store.sql_store import SqlStore
from tests.store.conftest import LEASE, NOW, Bench, make_duty, make_envelope, register_one

ADDRESS, OTHER = b"a" * 16, b"b" * 16


def make_notice(address: bytes | None = ADDRESS, instance: str = "service") -> NewDuty:
    return replace(make_duty("progress", instance=instance, target=Target.NOTICE), address=address)


async def send(store: SqlStore, notice: NewDuty, *, key: str, reference: str = "", at: int = NOW) -> Duty:
    """A complaint of its own, with this notice done."""
    await register_one(store, notice, envelope=make_envelope(key))
    (duty,) = await store.claim_duties(Target.NOTICE, notice.instance, 10, Millis(at), LEASE)
    await store.settle([Settled(duty=duty, state=DutyState.DONE, reference=reference)], Millis(at))
    return duty


async def read_state(store: SqlStore, duty: Duty) -> tuple[DutyState, str]:
    trace = await store.trace(duty.receipt)
    assert trace is not None
    (found,) = [each for each in trace.duties if each.id == duty.id]
    return found.state, found.code


async def test_what_went_to_an_address_is_counted_over_all_complaints_of_one_way_and_since_then(store: SqlStore):
    for number in range(3):
        await send(store, make_notice(), key=f"k{number}", at=NOW + number)
    await send(store, make_notice(OTHER), key="of another")
    await send(store, make_notice(instance="template"), key="another way")
    await register_one(store, make_notice(), envelope=make_envelope("not sent yet"))
    assert await store.count_sent(store._vault.mark(ADDRESS), "service", NOW) == 3
    assert await store.count_sent(store._vault.mark(ADDRESS), "service", Millis(NOW + 1)) == 2
    assert await store.count_sent(store._vault.mark(ADDRESS), "template", NOW) == 1
    assert await store.count_sent(store._vault.mark(b"c" * 16), "service", NOW) == 0


async def test_a_thread_says_when_it_was_heard_last(store: SqlStore):
    thread = Thread(key="openid", window_ms=1000)
    assert await store.heard("95561", "openid") is None
    await store.accept([make_envelope("k1", thread=thread, at=NOW)])
    await store.accept([make_envelope("k2", thread=thread, at=NOW + 500)])
    assert await store.heard("95561", "openid") == NOW + 500
    assert await store.heard("another", "openid") is None


async def test_a_notice_is_found_by_its_reference_while_it_counts_as_done(store: SqlStore):
    duty = await send(store, make_notice(), key="k1", reference="wechat:200")
    found = await store.find_sent("wechat:200")
    assert found is not None
    assert (found.id, found.address) == (duty.id, store._vault.mark(ADDRESS))
    assert await store.find_sent("wechat:201") is None
    await store.undelivered(found, "blocked", None, NOW)
    assert await store.find_sent("wechat:200") is None


async def test_a_reference_of_a_system_of_record_is_none_of_a_notice(store: SqlStore):
    await register_one(store, make_duty("create"))
    (duty,) = await store.claim_duties(Target.SYSTEM, "ledger", 10, NOW, LEASE)
    await store.settle([Settled(duty=duty, state=DutyState.DONE, reference="T-1")], NOW)
    assert await store.find_sent("T-1") is None


@pytest.mark.parametrize("has_next", [True, False])
async def test_news_moves_a_done_notice_once(store: SqlStore, has_next: bool):
    duty = await send(store, make_notice(), key="k1", reference="wechat:200")
    then = make_notice(instance="sms") if has_next else None
    assert await store.undelivered(duty, "blocked", then, NOW)
    assert not await store.undelivered(duty, "blocked", then, NOW)
    state, code = await read_state(store, duty)
    assert (state, code) == (DutyState.DISMISSED if has_next else DutyState.PARKED, "blocked")
    assert (DutyState.DONE, state) in NEWS_MOVES
    born = await store.claim_duties(Target.NOTICE, "sms", 10, NOW, LEASE)
    assert [(each.complaint_id, each.address) for each in born] == [
        (duty.complaint_id, store._vault.mark(ADDRESS))
    ] * has_next


async def test_a_person_cannot_dismiss_what_is_done(store: SqlStore):
    duty = await send(store, make_notice(), key="k1")
    assert await store.dismiss([duty.id], "because", "cli:x", NOW) == [False]
    assert await read_state(store, duty) == (DutyState.DONE, "")


async def test_a_notice_is_owed_about_the_version_of_now(store: SqlStore):
    item = await register_one(store)
    assert item.receipt is not None
    assert await store.owe(item.receipt, [make_notice()], NOW)
    (duty,) = await store.claim_duties(Target.NOTICE, "service", 10, NOW, LEASE)
    assert (duty.receipt, duty.version, duty.document) == (item.receipt, 1, b'{"version": 1}')
    assert not await store.owe(make_receipt(99_999_999_999), [make_notice()], NOW)


@pytest.mark.parametrize(
    ("statement", "index"), [(telling._COUNT, "ix_duties_sent"), (telling._FIND, "ix_duties_reference")]
)
async def test_what_is_asked_for_each_notice_reads_an_index_of_notices_only(bench: Bench, statement, index: str):
    plan = await bench.explain(statement)
    # An empty table tells PostgreSQL nothing of which of the two is the shorter way.
    good = ("ix_duties_sent", "ix_duties_reference") if bench.is_postgres else (index,)
    assert any(name in line for line in plan for name in good), plan
