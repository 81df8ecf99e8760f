"""Several nodes on one PostgreSQL: what two of them want at once goes to one of them, whole."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from gateway.contract.clock import Millis
from gateway.contract.envelope import Envelope, Thread
from gateway.contract.ports import Event
from gateway.states import DutyState, EnvelopeState
from gateway.store import accepting, registering, settling
from gateway.store.numbering import Stock, reserve
from gateway.store.plan import Plan
from gateway.store.port import KeyConflict
from gateway.store.postgres_connection import Transaction
from gateway.store.postgres_statements import run
from gateway.store.rows import Moved, Settled, Target
from gateway.store.sql_store import SqlStore
from tests.postgres_server import PASSWORD
from tests.store.conftest import (
    LEASE,
    NOW,
    Bench,
    make_duty,
    make_envelope,
    make_registered,
    on_postgres,
    register_one,
)

pytestmark = on_postgres


class Held:
    """A Plan that has run in a transaction of its own, which is not committed before `let_go`."""

    def __init__(self, store: SqlStore, plan: Plan[object]) -> None:
        self._ran = asyncio.Event()
        self._go = asyncio.Event()
        self.task = asyncio.create_task(self._transact(store, plan))

    async def _transact(self, store: SqlStore, plan: Plan[object]) -> object:
        async def work(transaction: Transaction) -> object:
            result = await run(transaction, plan)
            await transaction.send()
            self._ran.set()
            await self._go.wait()
            return result

        return await store._engine._server.transact("held", work)  # type: ignore[attr-defined]

    async def until_it_ran(self) -> "Held":
        await self._ran.wait()
        return self

    async def let_go(self) -> object:
        self._go.set()
        return await self.task


async def hold(store: SqlStore, plan: Plan[object]) -> Held:
    return await Held(store, plan).until_it_ran()


async def hold_accept(store: SqlStore, envelope: Envelope) -> Held:
    engine = store._engine
    stock = Stock(engine.numbering)
    stock.add(await engine.write("reserve", lambda: reserve(10)))
    return await hold(store, accepting.keep([accepting.Call([envelope])], NOW, stock, store._vault))


async def until_it_waits(bench: Bench, task: asyncio.Task[object]) -> None:
    """Until the server says that somebody waits for a lock; the task must not have ended before."""
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    while bench.query(waits) == [(0,)]:
        assert not task.done(), task
        await asyncio.sleep(0.01)


async def open_two(bench: Bench) -> tuple[SqlStore, SqlStore]:
    return await bench.open(), await bench.open()


# --- accept --------------------------------------------------------------------------------------------------------


async def test_the_same_key_at_two_nodes_at_once_is_one_envelope_and_one_receipt(bench: Bench):
    nodes = await open_two(bench)
    for round_ in range(10):
        keys = [f"{round_}-{n}" for n in range(20)]
        one, other = await asyncio.gather(
            *(asyncio.gather(*(node.accept([make_envelope(key)]) for key in keys)) for node in nodes)
        )
        assert [a.receipt for (a,) in one] == [a.receipt for (a,) in other]
        assert [(a.duplicate, b.duplicate) for (a,), (b,) in zip(one, other, strict=True)].count((False, False)) == 0
    assert bench.query("SELECT count(*), count(DISTINCT key) FROM inbox") == [(200, 200)]


async def test_the_same_key_with_two_contents_at_two_nodes_is_kept_once_and_refused_once(bench: Bench):
    nodes = await open_two(bench)
    answers = await asyncio.gather(
        *(node.accept([make_envelope("k", raw=bytes([n]))]) for n, node in enumerate(nodes)), return_exceptions=True
    )
    assert [isinstance(answer, KeyConflict) for answer in answers].count(True) == 1
    assert bench.query("SELECT count(*) FROM envelopes") == [(1,)]


async def test_two_nodes_adding_to_one_thread_give_one_receipt_and_every_part_its_place(bench: Bench):
    nodes = await open_two(bench)
    envelopes = [make_envelope(f"m{n}", thread=Thread(key="call-7")) for n in range(60)]
    answers = await asyncio.gather(*(nodes[n % 2].accept([envelope]) for n, envelope in enumerate(envelopes)))
    assert len({a.receipt for (a,) in answers}) == 1
    assert bench.query("SELECT part FROM inbox ORDER BY part") == [(n,) for n in range(60)]
    assert [a.supplement for (a,) in answers].count(False) == 1


async def test_two_nodes_adding_to_one_receipt_give_every_part_its_place(bench: Bench):
    nodes = await open_two(bench)
    (first,) = await nodes[0].accept([make_envelope("first")])
    joining = [make_envelope(f"m{n}", joins=first.receipt) for n in range(40)]
    await asyncio.gather(*(nodes[n % 2].accept([envelope]) for n, envelope in enumerate(joining)))
    assert bench.query("SELECT part FROM inbox ORDER BY part") == [(n,) for n in range(41)]


async def test_a_supplement_waits_for_one_that_is_just_being_kept_and_follows_it(bench: Bench):
    store, other = await open_two(bench)
    first = await register_one(store)
    held = await hold_accept(store, make_envelope("b", joins=first.receipt))
    following = asyncio.create_task(other.accept([make_envelope("c", joins=first.receipt)]))
    await until_it_waits(bench, following)
    await held.let_go()
    await following
    assert bench.query("SELECT part FROM inbox ORDER BY part") == [(0,), (1,), (2,)]


async def test_what_is_being_registered_is_not_overlooked_by_a_supplement(bench: Bench):
    store, other = await open_two(bench)
    (first,) = await store.accept([make_envelope("a", thread=Thread(key="t"))])
    await store.accept([make_envelope("b", joins=first.receipt)])
    (item,) = await store.claim_inbox(10, NOW, LEASE)
    await store.register([make_registered(item)], NOW)
    (item,) = await store.claim_inbox(10, NOW, LEASE)
    held = await hold(store, registering.register(store._vault, [make_registered(item)], NOW))
    supplement = asyncio.create_task(other.accept([make_envelope("c", joins=first.receipt)]))
    await until_it_waits(bench, supplement)
    await held.let_go()
    await supplement
    assert bench.query("SELECT part FROM inbox ORDER BY part") == [(0,), (1,), (2,)]


async def test_two_nodes_moving_the_cursor_of_one_channel_both_succeed(bench: Bench):
    nodes = await open_two(bench)
    for turn in range(10):
        await asyncio.gather(
            *(node.accept([make_envelope(f"{turn}", channel="mail")], cursor=f"{turn}") for node in nodes)
        )
    assert await nodes[0].cursor("mail") == "9"
    assert bench.query("SELECT count(*) FROM envelopes") == [(10,)]


async def test_readiness_checks_of_two_nodes_do_not_disturb_each_other(bench: Bench):
    nodes = await open_two(bench)
    await asyncio.gather(*(node.probe() for node in nodes * 10))
    assert bench.query("SELECT count(*) FROM probes") == [(1,)]


# --- claims --------------------------------------------------------------------------------------------------------


async def test_nodes_working_side_by_side_register_and_settle_everything_once(bench: Bench):
    nodes = [await bench.open() for _ in range(3)]
    await nodes[0].accept([make_envelope(f"k{n}", channel=f"c{n % 4}") for n in range(150)])
    settled: list[str] = []

    async def work(node: SqlStore) -> None:
        while items := await node.claim_inbox(7, NOW, LEASE):
            results = [make_registered(item, make_duty("create"), make_duty("note")) for item in items]
            assert all(await node.register(results, NOW))
        while duties := await node.claim_duties(Target.SYSTEM, "ledger", 5, NOW, LEASE):
            assert all(await node.settle([Settled(duty=duty, state=DutyState.DONE) for duty in duties], NOW))
            settled.extend(duty.id for duty in duties)

    await asyncio.gather(*(work(node) for node in nodes for _ in range(2)))
    await work(nodes[0])
    assert (len(settled), len(set(settled))) == (300, 300)
    assert bench.query("SELECT count(*), count(DISTINCT receipt) FROM complaints") == [(150, 150)]
    assert bench.query("SELECT count(*) FROM duties WHERE state <> 'done' OR claim <> 1") == [(0,)]


async def test_a_claim_takes_nothing_that_another_is_just_claiming_and_does_not_wait(bench: Bench):
    store, other = await open_two(bench)
    await store.accept([make_envelope(f"k{n}") for n in range(10)])
    held = await hold(store, registering.claim_inbox(store._vault, 6, NOW, LEASE))
    rest = await other.claim_inbox(10, NOW, LEASE)
    taken = await held.let_go()
    assert {item.envelope.source_key for item in rest} == {"k6", "k7", "k8", "k9"}
    assert len(taken) == 6  # type: ignore[arg-type]


async def test_a_stale_worker_at_another_node_cannot_complete_a_later_claim(bench: Bench):
    store, other = await open_two(bench)
    await register_one(store, make_duty())
    (stale,) = await store.claim_duties(Target.SYSTEM, "ledger", 1, NOW, LEASE)
    (fresh,) = await other.claim_duties(Target.SYSTEM, "ledger", 1, Millis(NOW + LEASE), LEASE)
    late, own = await asyncio.gather(
        store.settle([Settled(duty=stale, state=DutyState.DONE, ticket="T-stale")], NOW),
        other.settle([Settled(duty=fresh, state=DutyState.DONE, ticket="T-fresh")], NOW),
    )
    assert (late, own) == ([False], [True])
    assert bench.query("SELECT ticket FROM tickets") == [("T-fresh",)]


async def test_two_views_of_one_complaint_registered_at_once_become_one_version_and_one_try_again(bench: Bench):
    nodes = await open_two(bench)
    (first,) = await nodes[0].accept([make_envelope("a")])
    await nodes[0].accept([make_envelope("b", joins=first.receipt)])
    (aside,) = await nodes[0].claim_inbox(10, NOW, LEASE)
    await nodes[0].register([Moved(item=aside, state=EnvelopeState.SET_ASIDE, code="no_text")], NOW)
    (second,) = await nodes[0].claim_inbox(10, NOW, LEASE)
    await nodes[0].release([aside.id], "desk:li", NOW)
    (released,) = await nodes[1].claim_inbox(10, NOW, LEASE)
    kept = await asyncio.gather(
        nodes[0].register([make_registered(second)], NOW), nodes[1].register([make_registered(released)], NOW)
    )
    assert sorted(kept) == [[False], [True]]
    (again,) = await nodes[0].claim_inbox(10, NOW, LEASE)
    assert await nodes[0].register([make_registered(again)], NOW) == [True]
    assert bench.query("SELECT version FROM complaints") == [(2,)]


# --- steps ---------------------------------------------------------------------------------------------------------


async def claim_supplement(store: SqlStore, receipt: str | None) -> object:
    await store.accept([make_envelope("more", joins=receipt)])
    (item,) = await store.claim_inbox(10, NOW, LEASE)
    return make_registered(item, make_duty("note", event=Event.SUPPLEMENTED))


async def test_a_step_planned_while_the_one_before_it_finishes_is_not_left_behind(bench: Bench):
    store, other = await open_two(bench)
    first = await register_one(store, make_duty("create"))
    (create,) = await store.claim_duties(Target.SYSTEM, "ledger", 1, NOW, LEASE)
    supplement = await claim_supplement(store, first.receipt)
    done = Settled(duty=create, state=DutyState.DONE, ticket="T-1")
    held = await hold(store, registering.register(store._vault, [supplement], NOW))  # type: ignore[list-item]
    settling_ = asyncio.create_task(other.settle([done], NOW))
    await until_it_waits(bench, settling_)
    assert await held.let_go() == [True]
    assert await settling_ == [True]
    assert [d.step for d in await other.claim_duties(Target.SYSTEM, "ledger", 9, NOW, LEASE)] == ["note"]


async def test_a_step_that_finishes_first_leaves_the_way_open_for_one_planned_meanwhile(bench: Bench):
    store, other = await open_two(bench)
    first = await register_one(store, make_duty("create"))
    (create,) = await store.claim_duties(Target.SYSTEM, "ledger", 1, NOW, LEASE)
    supplement = await claim_supplement(store, first.receipt)
    held = await hold(store, settling.settle(store._vault, [Settled(duty=create, state=DutyState.DONE)], NOW))
    planning = asyncio.create_task(other.register([supplement], NOW))  # type: ignore[list-item]
    await until_it_waits(bench, planning)
    await held.let_go()
    assert await planning == [True]
    assert [d.step for d in await other.claim_duties(Target.SYSTEM, "ledger", 9, NOW, LEASE)] == ["note"]


async def test_an_acknowledgement_stops_the_rung_that_is_born_at_the_same_moment(bench: Bench):
    store, other = await open_two(bench)
    rung = make_duty("warning:1:last", instance="sms", target=Target.NOTICE)
    item = await register_one(store, rung)
    assert item.receipt is not None
    (told,) = await store.claim_duties(Target.NOTICE, "sms", 1, NOW, LEASE)
    then = replace(rung, due_ms=Millis(NOW + 600_000))
    held = await hold(store, settling.settle(store._vault, [Settled(duty=told, state=DutyState.DONE, then=then)], NOW))
    cancelling = asyncio.create_task(other.cancel_warnings(item.receipt, "duty:zhang", NOW))
    await until_it_waits(bench, cancelling)
    await held.let_go()
    assert await cancelling == 1
    assert await other.claim_duties(Target.NOTICE, "sms", 9, Millis(NOW + 10**7), LEASE) == []


# --- a node dies ---------------------------------------------------------------------------------------------------

NODE = """
import asyncio, sys
from gateway.contract.clock import Millis
from gateway.ops.time import SystemClock
from gateway.states import DutyState
from gateway.store.rows import Settled, Target
from tests.store.conftest import Bench, make_duty, make_envelope, make_registered

LEASE = 2_000

async def main():
    name, url = sys.argv[1:]
    bench = Bench(url)
    bench.clock = clock = SystemClock()
    store = await bench.open()

    async def accept():
        for number in range(10**6):
            key = f"{name}-{number}"
            (accepted,) = await store.accept([make_envelope(key)])
            print("accepted", key, accepted.receipt, flush=True)
            await asyncio.sleep(0.005)

    async def register():
        while True:
            items = await store.claim_inbox(20, clock.now_ms(), LEASE)
            await asyncio.sleep(0.02)
            await store.register([make_registered(i, make_duty()) for i in items], clock.now_ms())

    async def settle():
        while True:
            duties = await store.claim_duties(Target.SYSTEM, "ledger", 20, clock.now_ms(), LEASE)
            for duty in duties:
                print("delivered", duty.id, int(duty.uncertain), flush=True)
            await asyncio.sleep(0.02)
            done = [Settled(duty=d, state=DutyState.DONE, ticket=f"T-{d.id}") for d in duties]
            await store.settle(done, clock.now_ms())

    await asyncio.gather(accept(), register(), settle())

asyncio.run(main())
"""


def start_node(name: str, bench: Bench) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", NODE, name, bench.url], stdout=subprocess.PIPE, text=True, env=environment
    )


async def wait_for(bench: Bench, sql: str, good: Callable[[int], bool]) -> None:
    async with asyncio.timeout(180):
        while True:
            if good(bench.query(sql)[0][0]):
                return
            await asyncio.sleep(0.05)


async def test_a_node_killed_under_load_is_taken_over_and_nothing_is_lost_or_doubled(bench: Bench):
    nodes = [start_node(name, bench) for name in "12"]
    open_ = "SELECT count(*) FROM inbox WHERE state = 'accepted'"
    leased = "SELECT count(*) FROM duties WHERE state = 'waiting' AND lease_until_ms > 0"
    await wait_for(bench, "SELECT count(*) FROM duties WHERE state = 'done'", lambda n: n > 150)
    # Killed while it is known to hold something: then all that is still leased an instant later is its own or the
    # other's, and the other goes on.
    await wait_for(bench, leased, lambda n: n > 0)
    nodes[0].send_signal(signal.SIGKILL)
    killed, _ = nodes[0].communicate(timeout=60)
    before = bench.query("SELECT count(*) FROM duties WHERE state = 'done'")[0][0]
    await wait_for(bench, "SELECT count(*) FROM duties WHERE state = 'done'", lambda n: n > before + 100)
    nodes[1].send_signal(signal.SIGSTOP)
    nodes[1].send_signal(signal.SIGKILL)
    left, _ = nodes[1].communicate(timeout=60)

    # Whoever comes last finishes what both left: after a lease at most, and no claim is needed twice for that.
    last = await bench.open()
    bench.clock.now = Millis(2**45)
    while items := await last.claim_inbox(100, bench.clock.now, LEASE):
        assert all(await last.register([make_registered(item, make_duty()) for item in items], bench.clock.now))
    delivered = Counter[str]()
    while duties := await last.claim_duties(Target.SYSTEM, "ledger", 100, bench.clock.now, LEASE):
        delivered.update(duty.id for duty in duties)
        doubtful = {duty.id for duty in duties if duty.uncertain}
        assert all(await last.settle([Settled(duty=d, state=DutyState.DONE) for d in duties], bench.clock.now))
        told = {line.split()[1] for line in (killed + left).splitlines() if line.startswith("delivered")}
        # What a dead node may have delivered already is known to be in doubt, so that its system is asked first.
        assert {duty.id for duty in duties} & told <= doubtful
    said = [line.split() for line in (killed + left).splitlines() if line.count(" ") == 2]
    acknowledged = {key: receipt for word, key, receipt in said if word == "accepted"}
    assert len(acknowledged) > 150
    envelopes = await bench.read_envelopes()
    registered = bench.query(
        "SELECT v.envelope_id, c.receipt FROM complaint_versions v JOIN complaints c ON c.id = v.complaint_id"
    )
    kept = {envelopes[envelope_id].source_key: receipt for envelope_id, receipt in registered}
    assert acknowledged.items() <= kept.items()
    assert bench.query(open_) == [(0,)]
    counts = "SELECT (SELECT count(*) FROM {}), (SELECT count(DISTINCT {}) FROM {})"
    everything = len(kept)
    for table, key in (("envelopes", "id"), ("inbox", "key"), ("complaints", "receipt"), ("duties", "complaint_id")):
        assert bench.query(counts.format(table, key, table)) == [(everything, everything)]
    assert bench.query("SELECT count(*) FROM duties WHERE state = 'done'") == [(everything,)]


async def test_what_a_killed_node_had_claimed_comes_free_when_its_lease_lapses_and_not_before(bench: Bench):
    script = """
import asyncio, sys, os, signal
from tests.store.conftest import LEASE, NOW, Bench, make_envelope

async def main():
    store = await Bench(sys.argv[1]).open()
    await store.accept([make_envelope(f"k{n}") for n in range(5)])
    await store.claim_inbox(5, NOW, LEASE)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    node = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script, bench.url], env=environment, check=False
    )
    assert node.returncode == -signal.SIGKILL
    store = await bench.open()
    assert await store.claim_inbox(5, Millis(NOW + LEASE - 1), LEASE) == []
    items = await store.claim_inbox(5, Millis(NOW + LEASE), LEASE)
    assert [(item.envelope.source_key, item.claim) for item in items] == [(f"k{n}", 2) for n in range(5)]


def test_the_password_is_not_in_what_a_store_says_of_itself(bench: Bench):
    store = bench.make()
    engine = store._engine
    for thing in (store, engine, engine._server, engine._server._address):  # type: ignore[attr-defined]
        assert PASSWORD not in repr(thing)
