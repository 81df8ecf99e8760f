import asyncio
import json
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.contract.clock import Millis
from gateway.contract.draft import Address, AddressKind, Draft
from gateway.contract.envelope import LENT_S, Envelope, Thread
from gateway.contract.errors import Ignored, Unreadable
from gateway.contract.ports import Change, Event, Step
from gateway.contract.receipt import Receipt
from gateway.stages.register import find_address
from gateway.stages.settle import BUG_CEILING
from gateway.stages.ways import read_address, write_address
from gateway.stages.workers import CHUNK, LARGE_BATCHES, Workers
from gateway.states import EnvelopeState
from gateway.store.rows import Target
from gateway.store.sql_store import SqlStore
from tests.keyring import KEYRING
from tests.stages.conftest import CALM, DUTY, LADDER, URGENT, OpenHouse, Post, Tracker, make_call
from tests.store.conftest import Bench


class Odd:
    """A channel whose words are orders: what it does with an envelope stands in it."""

    def draft(self, envelope: Envelope) -> Draft:
        match envelope.raw:
            case b"bug":
                raise ZeroDivisionError("13800138000")
            case b"ignored":
                raise Ignored("auto_reply", "An answer of a machine.")
            case b"unreadable":
                raise Unreadable("no_words", "There are no words in it.")
        to = Address(AddressKind.EMAIL, "customer@example.org", "<m@example.org>")
        return Draft(text=envelope.raw.decode(), acknowledge=to)


def make_odd(raw: bytes, key: str, **more: bool) -> Envelope:
    return replace(make_call(**more), channel="odd", source_key=key, raw=raw, media_type="text/plain")


async def read_inbox(bench: Bench) -> dict[str, tuple[str, str]]:
    """Source key -> (state, code)."""
    kept = await bench.read_envelopes()
    rows = bench.query("SELECT id, state, code FROM inbox")
    return {kept[envelope_id].source_key: (state, code) for envelope_id, state, code in rows}


async def test_complaint_verdict_history_and_all_duties_are_one_commit(open_bank: OpenHouse, bench: Bench):
    bank = open_bank(systems={"a": Tracker(steps=("create", "attach")), "b": Tracker()},
                     notices={"duty": Post()}, escalation=LADDER)  # fmt: skip
    (receipt,) = await bank.accept(make_call(URGENT))
    assert await bank.register.work() == 1
    assert await bank.level(receipt) == (1, "critical")
    duties = [(d.target, d.instance, d.step) for d in await bank.duties(receipt)]
    assert duties == [
        (Target.SYSTEM, "a", "create"),
        (Target.SYSTEM, "a", "attach"),
        (Target.SYSTEM, "b", "create"),
        (Target.NOTICE, "duty", "warning:1:0"),
        (Target.NOTICE, "duty", "warning:1:last"),
    ]
    assert bench.query("SELECT count(*) FROM history WHERE event = 'complaint.registered'") == [(1,)]
    assert await bank.register.work() == 0


async def test_one_poison_item_in_a_batch_holds_back_none_of_its_neighbours(open_bank: OpenHouse, bench: Bench):
    bank = open_bank(systems={"a": Tracker()})
    register = bank.open_register({"odd": Odd()})
    bodies = (b"good 1", b"bug", b"ignored", b"unreadable", b"good 2")
    await bank.accept(*(make_odd(raw, f"k{n}") for n, raw in enumerate(bodies)))
    with capture_logs() as logs:
        assert await register.work() == 5
    assert await read_inbox(bench) == {
        "k0": ("registered", ""),
        "k1": ("accepted", "bug_ZeroDivisionError"),
        "k2": ("dismissed", "auto_reply"),
        "k3": ("set_aside", "no_words"),
        "k4": ("registered", ""),
    }
    (failure,) = [line for line in logs if line["event"] == "envelope.failed"]
    assert failure["code"] == "bug_ZeroDivisionError"
    assert "13800138000" not in str({k: v for k, v in failure.items() if k != "exc_info"})


async def test_a_bug_is_tried_again_later_and_later_and_then_set_aside_never_lost(open_bank: OpenHouse, bench: Bench):
    bank = open_bank()
    register = bank.open_register({"odd": Odd()})
    await bank.accept(make_odd(b"bug", "k"))
    with capture_logs():
        for attempt in range(1, BUG_CEILING + 1):
            assert await register.work() == 1
            assert await register.work() == 0, "not before its pause is over"
            state = "accepted" if attempt < BUG_CEILING else "set_aside"
            assert await read_inbox(bench) == {"k": (state, "bug_ZeroDivisionError")}
            bank.advance(301)
        assert await register.work() == 0
    (parked,) = await bank.store.parked(10)
    assert await bank.store.release([parked.id], "test", bench.clock.now) == [True]
    assert await bank.open_register({"odd": Odd()}).work() == 1


async def test_a_system_that_cannot_plan_one_complaint_holds_back_only_that_one(open_bank: OpenHouse, bench: Bench):
    class Picky(Tracker):
        def plan(self, change: Change) -> Sequence[Step]:
            if change.level == "critical":
                raise KeyError("no queue for it")
            return super().plan(change)

    bank = open_bank(systems={"picky": Picky()})
    urgent, calm = await bank.accept(make_call(URGENT), make_call(CALM))
    with capture_logs() as logs:
        assert await bank.register.work() == 2
    states = {row[0]: row[1] for row in bench.query("SELECT receipt, state FROM inbox")}
    assert states == {urgent: "accepted", calm: "registered"}
    assert [line["code"] for line in logs if line["event"] == "envelope.failed"] == ["bug_KeyError"]


async def test_an_outcome_the_store_cannot_take_holds_back_only_itself(open_bank: OpenHouse, bench: Bench):
    class Surrogate(Tracker):
        def plan(self, change: Change) -> Sequence[Step]:
            return [Step("create \udc80")] if change.level == "critical" else [Step("create")]

    bank = open_bank(systems={"odd": Surrogate()})
    _, calm, _ = await bank.accept(make_call(URGENT), make_call(CALM), make_call(CALM))
    with capture_logs() as logs:
        assert await bank.register.work() == 3
    assert sorted((await read_inbox(bench)).values()) == [
        ("accepted", "bug_UnicodeEncodeError"),
        ("registered", ""),
        ("registered", ""),
    ]
    assert [line["event"] for line in logs] == ["envelope.failed"]
    assert [d.step for d in await bank.duties(calm)] == ["create"]


async def test_words_kept_without_a_receipt_wait_for_a_person_and_get_one_on_release(
    open_bank: OpenHouse, bench: Bench
):
    bank = open_bank(systems={"a": Tracker()})
    assert await bank.accept(make_call(receipt_wanted=False)) == [None]
    await bank.register.work()
    (parked,) = await bank.store.parked(10)
    assert (parked.code, parked.receipt) == ("without_receipt", None)
    await bank.store.release([parked.id], "test", bench.clock.now)
    await bank.register.work()
    ((receipt, state),) = bench.query("SELECT receipt, state FROM inbox")
    assert state == EnvelopeState.REGISTERED
    assert [d.step for d in await bank.duties(receipt)] == ["create"]


async def test_a_supplement_is_judged_with_what_was_said_before_and_wakes_people_if_it_is_worse(open_bank: OpenHouse):
    bank = open_bank(systems={"a": Tracker()}, notices={"duty": Post()}, escalation=LADDER)
    (receipt,) = await bank.accept(make_call(CALM, call_id="C-1"))
    await bank.register.work()
    assert await bank.level(receipt) == (1, "normal")
    assert [d.step for d in await bank.duties(receipt)] == ["create"]
    (again,) = await bank.accept(make_call(URGENT, call_id="C-1"))
    assert again == receipt
    await bank.register.work()
    assert await bank.level(receipt) == (2, "critical")
    new = [d for d in await bank.duties(receipt) if d.version == 2]
    assert [(d.step, d.event) for d in new] == [
        ("create", Event.SUPPLEMENTED),
        ("warning:2:0", Event.SUPPLEMENTED),
        ("warning:2:last", Event.SUPPLEMENTED),
    ]


async def test_a_supplement_that_is_no_worse_wakes_nobody_again(open_bank: OpenHouse):
    bank = open_bank(notices={"duty": Post()}, escalation=LADDER)
    (receipt,) = await bank.accept(make_call(URGENT, call_id="C-1"))
    await bank.register.work()
    await bank.accept(make_call(URGENT + "请尽快。", call_id="C-1"))
    await bank.register.work()
    assert [d.step for d in await bank.duties(receipt)] == ["warning:1:0", "warning:1:last"]


async def test_imported_history_is_registered_and_forwarded_but_nobody_is_woken_or_written_to(open_bank: OpenHouse):
    bank = open_bank(systems={"a": Tracker()}, notices={"duty": Post()}, escalation=LADDER)
    old, mail = await bank.accept(make_call(URGENT, backfill=True), make_odd(URGENT.encode(), "k", backfill=True))
    await bank.open_register({"95561": bank.reader._channels["95561"], "odd": Odd()}).work()
    for receipt in (old, mail):
        assert await bank.level(receipt) == (1, "critical")
        assert [d.step for d in await bank.duties(receipt)] == ["create"]


async def test_a_customer_is_told_the_receipt_where_the_channel_could_not_and_only_once(open_bank: OpenHouse):
    bank = open_bank(notices={"sms": Post(serves=("phone",)), "duty": Post()})
    first = replace(make_odd(CALM.encode(), "k1"), thread=make_call(call_id="T").thread)
    (receipt,) = await bank.accept(first)
    register = bank.open_register({"odd": Odd()})
    await register.work()
    await bank.accept(replace(first, source_key="k2", raw=b"and more"))
    await register.work()
    assert [(d.instance, d.step) for d in await bank.duties(receipt)] == [("duty", "acknowledgement")]


def test_addresses_of_a_ladder_are_told_apart_and_survive_the_store():
    for text, kind in ((DUTY, "email"), ("13800138000", "phone"), ("wechat:oABC", "wechat")):
        address = find_address(text)
        assert (address.kind, address.value) == (kind, text.removeprefix("wechat:"))
        assert read_address(write_address(address)) == address


# --- worker processes ----------------------------------------------------------------------------------------------


async def read_items(bank_store: SqlStore, bench: Bench, count: int) -> Sequence[object]:
    await bank_store.accept([make_call(URGENT if n % 2 else CALM) for n in range(count)])
    return await bank_store.claim_inbox(count, bench.clock.now, 60_000)


async def test_under_a_backlog_worker_processes_read_and_when_they_die_the_gateway_reads_itself(
    open_bank: OpenHouse, bench: Bench
):
    bank = open_bank(processes=1)
    items = list(await read_items(bank.store, bench, CHUNK + 5))
    workers = Workers(bank.settings, KEYRING, bank.reader)
    here = [(o.level, o.signals, o.kind) for o in await workers.read(items[:1] * CHUNK + items[CHUNK:])]  # type: ignore[union-attr]
    for _ in range(LARGE_BATCHES - 1):
        there = await workers.read(items)
    assert workers._pool is not None
    assert [o.level for o in there] == ["normal" if n % 2 == 0 else "critical" for n in range(CHUNK + 5)]  # type: ignore[union-attr]
    assert here[0] == (there[0].level, there[0].signals, there[0].kind)  # type: ignore[union-attr]
    for pid in list(workers._pool._processes):
        os.kill(pid, signal.SIGKILL)
    with capture_logs() as logs:
        again = await workers.read(items)
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["workers.died"]
    assert [o.level for o in again] == [o.level for o in there]  # type: ignore[union-attr]
    workers.close()


async def test_idle_processes_are_not_taken_from_a_lane_that_still_reads(
    open_bank: OpenHouse, bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    bank = open_bank(processes=1)
    items = list(await read_items(bank.store, bench, CHUNK * 4))
    workers = Workers(bank.settings, KEYRING, bank.reader)
    monkeypatch.setattr("gateway.stages.workers.QUIET_S", -1)
    for _ in range(LARGE_BATCHES - 1):
        await workers.read(items[:CHUNK])
    reading = asyncio.create_task(workers.read(items))
    while not reading.done():
        workers.rest()
        await asyncio.sleep(0.01)
    assert len(await reading) == CHUNK * 4
    workers.rest()
    assert workers._pool is None


async def test_two_lanes_register_a_backlog_together_and_nothing_twice(open_bank: OpenHouse, bench: Bench):
    bank = open_bank(systems={"a": Tracker()})
    await bank.accept(*(make_call() for _ in range(60)))
    lanes = [bank.open_register(batch=10) for _ in range(3)]

    async def run(register: object) -> int:
        done = 0
        while count := await register.work():  # type: ignore[attr-defined]
            done += count
        return done

    assert sum(await asyncio.gather(*map(run, lanes))) == 60
    assert bench.query("SELECT count(*), count(DISTINCT receipt) FROM duties") == [(60, 60)]


class Lending(Odd):
    """Says what was lent to it."""

    def draft(self, envelope: Envelope) -> Draft:
        if not envelope.receipt_wanted:
            raise Ignored("scan", "A code was scanned.")
        return Draft(text=envelope.raw.decode(), branch_code=envelope.hints.get("branch", ""))


async def test_what_was_scanned_before_the_first_word_holds_for_the_matter_and_its_later_words(open_bank: OpenHouse):
    bank = open_bank()
    register = bank.open_register({"odd": Lending()})
    thread = Thread(key="o1", window_ms=60_000)

    def say(key: str, **changes: Any) -> Envelope:
        return replace(make_odd(key.encode(), key), **{"thread": thread, **changes})

    async def read_branch(envelope: Envelope) -> str:
        (receipt,) = await bank.accept(envelope)
        await register.work()
        assert receipt is not None
        trace = await bank.store.trace(receipt)
        assert trace is not None
        branch = json.loads(trace.versions[-1][3])["branch"]
        return branch["code"] if branch else ""

    at = bank.bench.clock.now
    scan = {"receipt_wanted": False, "hints": {"branch": "F0591001", LENT_S: "3600"}}
    await bank.accept(say("scan", received_at=at, **scan))
    await register.work()
    assert await read_branch(say("first", received_at=at + 1_000)) == "F0591001"
    assert await read_branch(say("second", received_at=at + 2_000, hints={"branch": ""})) == "F0591001"
    (receipt,) = await bank.accept(say("third", received_at=at + 3_000))
    await register.work()
    assert await read_branch(make_joining(receipt, at + 4_000)) == "F0591001", "the status page adds to it as well"
    assert await read_branch(say("new", received_at=at + 3_601_000)) == "", "no longer lent"
    assert await read_branch(say("other", received_at=at + 1_000, thread=Thread(key="o2"))) == ""
    taken_back = {"receipt_wanted": False, "hints": {"branch": "", LENT_S: "3600"}}
    await bank.accept(say("scan 2", received_at=at + 4_000_000, **scan))
    await bank.accept(say("end", received_at=at + 4_001_000, **taken_back))
    assert await read_branch(say("after", received_at=at + 4_002_000)) == ""


def make_joining(receipt: Receipt | None, at: int) -> Envelope:
    return replace(make_odd(b"on the page", "page"), joins=receipt, received_at=Millis(at))
