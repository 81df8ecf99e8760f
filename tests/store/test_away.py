"""PostgreSQL goes away, comes back, goes silent, or is cut off in the middle of a commit."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Iterator
from itertools import count
from typing import Any

import pytest

from config.secret import Secret
from gateway.contract.clock import Millis
from gateway.contract.envelope import Accepted, Thread
from gateway.store import postgres_connection
from gateway.store.port import StoreUnavailable
from gateway.store.postgres_connection import StatementFailed, Transaction
from gateway.store.postgres_hints import Hints
from gateway.store.sql_store import SqlStore
from tests.cable import Cable
from tests.postgres_server import PASSWORD, PostgresServer
from tests.store.conftest import LEASE, NOW, Bench, make_envelope, make_registered, on_postgres, register_one
from tests.store.test_nodes import hold, hold_accept

RECOVERY_LIMIT_S = 180


async def read_receipts(bench: Bench) -> dict[str, str]:
    """Source key -> receipt."""
    kept = await bench.read_envelopes()
    return {
        kept[envelope_id].source_key: receipt for envelope_id, receipt in bench.query("SELECT id, receipt FROM inbox")
    }


@pytest.fixture
def own_server(patience: None) -> Iterator[PostgresServer]:
    server = PostgresServer(durable=True)
    yield server
    server.remove()


@pytest.fixture
async def own_bench(own_server: PostgresServer) -> AsyncIterator[Bench]:
    bench = Bench(own_server.url(own_server.make_database()), own_server)
    yield bench
    await bench.close()


async def accept_until_it_works(store: SqlStore, key: str, **options: Any) -> Accepted:
    """As a sender does: again and again, under the same key."""
    async with asyncio.timeout(RECOVERY_LIMIT_S):
        while True:
            try:
                (accepted,) = await store.accept([make_envelope(key, **options)])
            except StoreUnavailable:
                await asyncio.sleep(0.02)
            else:
                return accepted


# --- the server stops ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
async def test_while_the_server_is_down_every_caller_hears_it_and_nothing_acknowledged_is_lost(
    own_server: PostgresServer, own_bench: Bench, how: signal.Signals
):
    store = await own_bench.open()
    acknowledged: dict[str, str | None] = {}
    refused: list[StoreUnavailable] = []
    numbers = count()
    over = asyncio.Event()

    async def send() -> None:
        while not over.is_set():
            key = f"k{next(numbers)}"
            while key not in acknowledged:
                try:
                    (accepted,) = await store.accept([make_envelope(key)])
                    acknowledged[key] = accepted.receipt
                except StoreUnavailable as error:
                    refused.append(error)
                    await asyncio.sleep(0.01)

    async def reach(number: int) -> None:
        async with asyncio.timeout(RECOVERY_LIMIT_S):
            while len(acknowledged) < number:  # noqa: ASYNC110 - the senders' doing
                await asyncio.sleep(0.01)

    senders = [asyncio.create_task(send()) for _ in range(8)]
    await reach(100)
    await asyncio.to_thread(own_server.stop, how)
    for ask in (
        lambda: store.trace(acknowledged["k0"]),
        store.probe,
        store.standings,
        lambda: store.claim_inbox(1, NOW, LEASE),
    ):
        with pytest.raises(StoreUnavailable) as told:
            await ask()
        assert told.value.after_s >= 1
        assert PASSWORD not in str(told.value)
    while len(refused) < 20:  # noqa: ASYNC110 - the senders' doing
        await asyncio.sleep(0.01)
    so_far = len(acknowledged)
    await asyncio.to_thread(own_server.start)
    await reach(so_far + 100)
    over.set()
    await asyncio.gather(*senders)
    kept = await read_receipts(own_bench)
    assert kept == acknowledged
    items = await store.claim_inbox(1000, NOW, LEASE)
    assert len(items) == len(acknowledged)


async def test_a_store_cannot_be_opened_while_the_server_is_down_and_can_when_it_is_back(
    own_server: PostgresServer, own_bench: Bench
):
    own_server.stop()
    with pytest.raises(StoreUnavailable, match="cannot be used now"):
        await own_bench.open()
    own_server.start()
    assert (await (await own_bench.open()).accept([make_envelope()]))[0].receipt


async def test_closing_while_the_server_is_down_tells_those_who_wait(own_server: PostgresServer, own_bench: Bench):
    store = await own_bench.open()
    await store.accept([make_envelope("before")])
    own_server.stop(signal.SIGQUIT)
    waiting = [asyncio.create_task(store.accept([make_envelope(str(n))])) for n in range(20)]
    await asyncio.sleep(0)
    await store.close()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(answer, StoreUnavailable) for answer in answers)
    own_server.start()


@on_postgres
async def test_connections_that_the_server_ends_cost_their_callers_one_retry(bench: Bench, store: SqlStore):
    await store.accept([make_envelope("a")])
    await store.standings()
    bench.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert await accept_until_it_works(store, "b")
    assert bench.query("SELECT count(*) FROM envelopes") == [(2,)]


@on_postgres
async def test_a_node_that_stops_in_the_middle_of_a_transaction_lets_go_of_its_locks(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    from gateway.store import registering

    other = await bench.open()
    monkeypatch.setattr(postgres_connection, "IDLE_IN_TRANSACTION_S", 0.3)
    stopped = await bench.open()
    await other.accept([make_envelope()])
    held = await hold(stopped, registering.claim_inbox(stopped._vault, 1, NOW, LEASE))
    async with asyncio.timeout(RECOVERY_LIMIT_S):
        while not (items := await other.claim_inbox(1, NOW, LEASE)):  # noqa: ASYNC110 - the server's doing
            await asyncio.sleep(0.02)
    with pytest.raises(StoreUnavailable):
        await held.let_go()
    assert await other.register([make_registered(items[0])], NOW) == [True]


@on_postgres
async def test_a_row_that_is_held_too_long_is_told_as_busy_and_not_waited_for_without_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    from gateway.states import DutyState
    from gateway.store import settling
    from gateway.store.rows import Settled, Target
    from tests.store.conftest import make_duty

    monkeypatch.setattr(postgres_connection, "LOCK_S", 0.2)
    store = await bench.open()
    await register_one(store, make_duty())
    (duty,) = await store.claim_duties(Target.SYSTEM, "ledger", 1, NOW, LEASE)
    done = [Settled(duty=duty, state=DutyState.DONE)]
    held = await hold(store, settling.settle(store._vault, done, NOW))
    with pytest.raises(StoreUnavailable, match="busy"):
        await store.settle(done, NOW)
    assert await held.let_go() == [True]
    assert await store.settle(done, NOW) == [False]


@on_postgres
async def test_a_call_that_waits_for_a_row_held_elsewhere_holds_up_none_of_its_neighbours(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(postgres_connection, "LOCK_S", 0.2)
    store = await bench.open()
    thread = Thread(key="call-7")
    await store.accept([make_envelope("first", thread=thread)])
    held = await hold_accept(store, make_envelope("second", thread=thread))
    calls = [make_envelope(f"k{n}") for n in range(20)]
    calls[7] = make_envelope("k7", thread=thread)
    calls[11] = make_envelope("second", thread=thread)
    answers = await asyncio.gather(*(store.accept([call]) for call in calls), return_exceptions=True)
    assert [n for n, answer in enumerate(answers) if isinstance(answer, StoreUnavailable)] == [7, 11]
    ((kept,),) = await held.let_go()  # type: ignore[misc]
    (again,) = await store.accept([calls[11]])
    assert (again.duplicate, again.receipt) == (True, kept.receipt)


@on_postgres
async def test_more_work_at_once_than_there_are_connections_waits_its_turn(bench: Bench):
    store = await bench.open(pool_size=2)
    await store.accept([make_envelope()])
    assert len(await asyncio.gather(*(store.standings() for _ in range(30)))) == 30
    own = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'huiyin' AND datname = current_database()"
    assert bench.query(own)[0][0] <= 2 + 2


# --- the network ---------------------------------------------------------------------------------------------------


@pytest.fixture
async def cable(bench: Bench, postgres_server: PostgresServer) -> AsyncIterator[Cable]:
    cable = await Cable.lay(postgres_server.port)
    bench.url = re.sub(r":\d+/", f":{cable.port}/", bench.url)
    yield cable
    await cable.close()


@on_postgres
@pytest.mark.parametrize("committed", [True, False])
async def test_cut_off_in_the_middle_of_a_commit_the_caller_does_not_know_and_its_retry_finds_out(
    bench: Bench, cable: Cable, committed: bool
):
    store = await bench.open()
    await store.accept([make_envelope("before")])
    # The whole transaction is one message, which these words are in.
    cable.break_at(b"95561", deliver_first=committed)
    answers = await asyncio.gather(*(store.accept([make_envelope(f"k{n}")]) for n in range(10)), return_exceptions=True)
    assert all(isinstance(answer, StoreUnavailable) for answer in answers)
    assert cable.breaks == 1
    kept: dict[str, str] = {}
    if committed:
        async with asyncio.timeout(RECOVERY_LIMIT_S):
            while bench.query("SELECT count(*) FROM inbox") != [(11,)]:  # noqa: ASYNC110 - another process's doing
                await asyncio.sleep(0.01)
        kept = await read_receipts(bench)
    again = await asyncio.gather(*(accept_until_it_works(store, f"k{n}") for n in range(10)))
    assert [accepted.duplicate for accepted in again] == [committed] * 10
    if committed:
        assert [accepted.receipt for accepted in again] == [kept[f"k{n}"] for n in range(10)]
    assert bench.query("SELECT count(*), count(DISTINCT key) FROM inbox") == [(11, 11)]


@on_postgres
async def test_cut_off_before_the_commit_locks_are_let_go_in_time_and_the_retry_is_the_first(
    bench: Bench, cable: Cable, monkeypatch: pytest.MonkeyPatch
):
    # The server does not know that we are gone, and holds our locks for this long.
    monkeypatch.setattr(postgres_connection, "IDLE_IN_TRANSACTION_S", 0.5)
    store = await bench.open()
    thread = Thread(key="call-7")
    (first,) = await store.accept([make_envelope("before", thread=thread)])
    cable.break_at(b"COMMIT\0", deliver_first=False)
    with pytest.raises(StoreUnavailable):
        await store.accept([make_envelope("k", thread=thread)])
    again = await accept_until_it_works(store, "k", thread=thread)
    assert (again.duplicate, again.supplement, again.receipt) == (False, True, first.receipt)
    assert bench.query("SELECT count(*) FROM envelopes") == [(2,)]


@on_postgres
async def test_cut_off_while_registering_the_item_is_registered_once(bench: Bench, cable: Cable):
    store = await bench.open()
    await store.accept([make_envelope()])
    (item,) = await store.claim_inbox(1, NOW, LEASE)
    cable.break_at(b"COMMIT\0", deliver_first=True)
    with pytest.raises(StoreUnavailable):
        await store.register([make_registered(item)], NOW)
    async with asyncio.timeout(RECOVERY_LIMIT_S):
        while bench.query("SELECT count(*) FROM complaints") == [(0,)]:  # noqa: ASYNC110 - another process's doing
            await asyncio.sleep(0.01)
    assert await store.register([make_registered(item)], NOW) == [False]
    assert await store.claim_inbox(1, Millis(NOW + LEASE), LEASE) == []
    assert bench.query("SELECT count(*) FROM complaint_versions") == [(1,)]


@on_postgres
async def test_a_network_that_swallows_everything_is_not_waited_for_without_end(
    bench: Bench, cable: Cable, monkeypatch: pytest.MonkeyPatch
):
    for name in ("COMMAND_S", "CONNECT_S", "WAIT_S"):
        monkeypatch.setattr(postgres_connection, name, 0.5)
    store = await bench.open()
    await store.accept([make_envelope("before")])
    cable.silence()
    with pytest.raises(StoreUnavailable):
        await store.accept([make_envelope("swallowed")])
    with pytest.raises(StoreUnavailable):
        await store.standings()
    cable.mend()
    assert await accept_until_it_works(store, "swallowed")
    assert bench.query("SELECT count(*) FROM envelopes") == [(2,)]


@on_postgres
async def test_while_the_server_is_away_one_caller_at_a_time_tries_to_reach_it(
    bench: Bench, cable: Cable, monkeypatch: pytest.MonkeyPatch
):
    store = await bench.open()
    cable.refuse()
    monkeypatch.setattr(postgres_connection, "SHORTEST_PAUSE_S", 0.0)
    while not cable.refused:  # the first finds out that an open connection is none any more
        with pytest.raises(StoreUnavailable):
            await store.standings()
    cable.refused = 0
    answers = await asyncio.gather(*(store.standings() for _ in range(50)), return_exceptions=True)
    assert all(isinstance(answer, StoreUnavailable) for answer in answers)
    assert cable.refused <= 2, "with TLS and, as that was refused, without"
    cable.mend()
    assert await accept_until_it_works(store, "after")


# --- bad values ----------------------------------------------------------------------------------------------------


async def test_a_call_that_cannot_be_stored_spoils_none_of_its_many_neighbours(store: SqlStore, bench: Bench):
    calls = [make_envelope(f"k{n}", at=2**70 if n == 23 else NOW) for n in range(60)]
    answers = await asyncio.gather(*(store.accept([call]) for call in calls), return_exceptions=True)
    assert [n for n, answer in enumerate(answers) if isinstance(answer, Exception)] == [23]
    assert not isinstance(answers[23], StoreUnavailable), "trying again would not help"
    assert str(2**70) not in str(answers[23])
    assert bench.query("SELECT count(*), count(DISTINCT receipt) FROM inbox") == [(59, 59)]


async def test_a_zero_character_in_a_key_is_kept_on_either_engine(store: SqlStore):
    (first,) = await store.accept([make_envelope("call\0-7", raw=b"\0raw\0", hints={"branch": "01\0"})])
    (again,) = await store.accept([make_envelope("call\0-7", raw=b"\0raw\0")])
    (other,) = await store.accept([make_envelope("call-7", raw=b"\0raw\0")])
    assert (again.duplicate, again.receipt) == (True, first.receipt)
    assert other.receipt != first.receipt
    item = await store.find_envelope(first.envelope_id)
    assert item is not None
    assert item.envelope.raw == b"\0raw\0"


@on_postgres
async def test_what_the_server_says_of_a_bad_value_does_not_carry_the_value(store: SqlStore):
    envelope = make_envelope(channel="x", hints={"a": "b"})
    object.__setattr__(envelope, "received_at", "13800138000")
    with pytest.raises(StatementFailed) as told:
        await store.accept([envelope])
    assert "13800138000" not in str(told.value)
    assert told.value.__suppress_context__


# --- durability and hints ------------------------------------------------------------------------------------------


@on_postgres
async def test_a_server_set_to_commit_lazily_is_made_to_sync_for_us(bench: Bench):
    name = bench.url.rpartition("/")[2]
    bench.query(f"ALTER DATABASE {name} SET synchronous_commit = off")
    store = await bench.open()

    async def ask(transaction: Transaction) -> object:
        return await (await transaction.begin()).fetchval("SHOW synchronous_commit")

    assert await store._engine._server.transact("read", ask) == "on"  # type: ignore[attr-defined]


class Ear:
    def __init__(self) -> None:
        self.heard: list[str] = []
        self._something = asyncio.Event()

    def __call__(self, word: str) -> None:
        self.heard.append(word)
        self._something.set()

    async def until(self, word: str) -> None:
        async with asyncio.timeout(RECOVERY_LIMIT_S):
            while word not in self.heard:
                self._something.clear()
                await self._something.wait()


@on_postgres
async def test_a_hint_reaches_the_other_nodes_and_not_the_one_that_gave_it(bench: Bench):
    ears = [Ear(), Ear()]
    nodes = [Hints(bench.url, Secret(PASSWORD), ear) for ear in ears]
    for node, ear in zip(nodes, ears, strict=True):
        node.start()
        await ear.until("")
    nodes[0].tell("register")
    nodes[0].tell("forward")
    await ears[1].until("register")
    await ears[1].until("forward")
    nodes[1].tell("notify")
    await ears[0].until("notify")
    assert set(ears[0].heard) == {"", "notify"}
    for node in nodes:
        await node.stop()


@on_postgres
async def test_after_a_lost_connection_everybody_is_woken_as_hints_may_have_been_lost(bench: Bench):
    ear = Ear()
    hints = Hints(bench.url, Secret(PASSWORD), ear)
    hints.start()
    await ear.until("")
    ear.heard.clear()
    bench.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await ear.until("")
    await hints.stop()
