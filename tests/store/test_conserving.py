import asyncio
import random

import pytest

from gateway.contract.clock import Millis
from gateway.states import DutyState, EnvelopeState
from gateway.store import conserving
from gateway.store.chain import CAME, TOTAL
from gateway.store.conserving import UNFINISHED
from gateway.store.rows import Balance, Duty, Imbalance, InboxItem, Moved, NewDuty, Settled, Target
from gateway.store.sealing import TALLIES
from gateway.store.sqlite import SqliteStore
from gateway.store.sqlite_connection import connect, explain
from tests.store.chains import DAY_MS, DAYS, live, seal_all, tamper
from tests.store.conftest import LEASE, NOW, Bench, make_duty, make_envelope, make_registered, on_sqlite, register_one

DAY, NEXT_DAY = "2025-06-15", "2025-06-16"


async def check(store: SqliteStore) -> Balance:
    """With everything counted again, as that must agree where nothing was tampered with."""
    balance = await store.check_balance(DAYS, recount=True)
    assert await store.check_balance(DAYS) == balance
    return balance


async def read_books(store: SqliteStore, since: str = "", until: str = "") -> dict[tuple[str, ...], int]:
    return {tuple(tally): count for tally, count in (await store.read_books(DAYS, since, until)).items() if count}


async def make_all_states(store: SqliteStore) -> list[Duty]:
    """Envelopes in every state; a duty in every state at a system, one waiting notice."""
    steps = [make_duty(step, instance=step) for step in ("done", "parked", "dismissed", "waiting")]
    await register_one(store, *steps, make_duty("warning", target=Target.NOTICE, instance="duty"))
    duties = []
    for state in (DutyState.DONE, DutyState.PARKED, DutyState.DISMISSED):
        (duty,) = await store.claim_duties(Target.SYSTEM, state.value, 1, NOW, LEASE)
        await store.settle([Settled(duty=duty, state=state)], NOW)
        duties.append(duty)
    await store.accept([make_envelope("k2"), make_envelope("k3", channel="mail")])
    for item in await store.claim_inbox(2, NOW, LEASE):
        state = EnvelopeState.SET_ASIDE if item.envelope.channel == "mail" else EnvelopeState.DISMISSED
        await store.register([Moved(item=item, state=state, code="odd")], NOW)
    await store.accept([make_envelope("k4")])
    return duties


EXPECTED = {
    (DAY, "envelope", "95561", "", CAME): 3,
    (DAY, "envelope", "95561", "", "registered"): 1,
    (DAY, "envelope", "95561", "", "dismissed"): 1,
    (DAY, "envelope", "95561", "", "accepted"): 1,
    (DAY, "envelope", "mail", "", CAME): 1,
    (DAY, "envelope", "mail", "", "set_aside"): 1,
    **{(DAY, "system", "95561", state, CAME): 1 for state in ("done", "parked", "dismissed", "waiting")},
    **{(DAY, "system", "95561", state, state): 1 for state in ("done", "parked", "dismissed", "waiting")},
    (DAY, "notice", "95561", "duty", CAME): 1,
    (DAY, "notice", "95561", "duty", "waiting"): 1,
}


async def test_every_state_is_in_the_books_of_its_channel_and_day_sealed_or_not(store: SqliteStore):
    await make_all_states(store)
    assert await read_books(store) == EXPECTED
    assert (await check(store)).unsealed == 16
    await seal_all(store)
    assert await read_books(store) == EXPECTED
    balance = await check(store)
    assert (balance.imbalances, balance.unsealed, balance.unsealed_ms) == ([], 0, None)
    assert balance.heard == {"95561": NOW, "mail": NOW}


async def test_what_people_decide_and_what_is_born_of_an_outcome_is_in_the_books(store: SqliteStore, bench: Bench):
    await make_all_states(store)
    await seal_all(store)
    for parked in await store.parked(10):
        await (store.release if parked.subject == "envelope" else store.dismiss)(
            [parked.id], *(["why"] if parked.subject == "duty" else []), "test", NOW
        )
    (warning,) = await store.claim_duties(Target.NOTICE, "duty", 1, NOW, LEASE)
    then: NewDuty = make_duty("warning", target=Target.NOTICE, instance="duty")
    await store.settle([Settled(duty=warning, state=DutyState.DONE, then=then)], NOW)
    (receipt,) = bench.query("SELECT receipt FROM complaints")[0]
    await store.cancel_warnings(receipt, "test", NOW)
    assert not (await check(store)).imbalances
    await seal_all(store)
    assert not (await check(store)).imbalances
    books = await read_books(store)
    assert books[DAY, "notice", "95561", "duty", CAME] == 2
    assert books[DAY, "notice", "95561", "duty", "dismissed"] == 1
    assert books[DAY, "envelope", "mail", "", "accepted"] == 1
    assert books[DAY, "system", "95561", "parked", "dismissed"] == 1


async def test_a_notice_that_did_not_arrive_and_one_more_that_is_owed_are_in_the_books(store: SqliteStore):
    told = make_duty("acknowledgement", target=Target.NOTICE, instance="wechat")
    item = await register_one(store, told)
    (duty,) = await store.claim_duties(Target.NOTICE, "wechat", 1, NOW, LEASE)
    await store.settle([Settled(duty=duty, state=DutyState.DONE, reference="m1")], NOW)
    await seal_all(store)
    other_way = make_duty("acknowledgement", target=Target.NOTICE, instance="mail")
    assert await store.undelivered(duty, "refused", other_way, NOW)
    assert item.receipt is not None
    assert await store.owe(item.receipt, [make_duty("progress", target=Target.NOTICE, instance="mail")], NOW)
    for _ in range(2):
        assert not (await check(store)).imbalances
        assert (await read_books(store))[DAY, "notice", "95561", "mail", "waiting"] == 2
        assert (await read_books(store))[DAY, "notice", "95561", "wechat", "dismissed"] == 1
        await seal_all(store)


async def test_a_later_move_is_booked_on_the_day_the_envelope_came(store: SqliteStore, bench: Bench):
    await store.accept([make_envelope()])
    await seal_all(store)
    later = Millis(NOW + 30 * DAY_MS)
    (item,) = await store.claim_inbox(1, later, LEASE)
    await store.register([make_registered(item, make_duty(due_ms=later))], later)
    for _ in range(2):
        assert await read_books(store, DAY, DAY) == {
            (DAY, "envelope", "95561", "", CAME): 1,
            (DAY, "envelope", "95561", "", "registered"): 1,
        }
        assert await read_books(store, NEXT_DAY) == {
            ("2025-07-15", "system", "95561", "ledger", CAME): 1,
            ("2025-07-15", "system", "95561", "ledger", "waiting"): 1,
        }
        await seal_all(store, later)


LOSSES = {
    "DELETE FROM inbox WHERE state = 'accepted'": Imbalance(
        subject="envelope", where="95561", state="accepted", told=1, found=0
    ),
    "UPDATE inbox SET state = 'dismissed' WHERE state = 'set_aside'": Imbalance(
        subject="envelope", where="mail", state="set_aside", told=1, found=0
    ),
    "DELETE FROM duties WHERE state = 'waiting' AND target = 'system'": Imbalance(
        subject="system", where="waiting", state="waiting", told=1, found=0
    ),
    "UPDATE duties SET state = 'done' WHERE state = 'parked'": Imbalance(
        subject="system", where="parked", state="parked", told=1, found=0
    ),
    "DELETE FROM duties WHERE target = 'notice'": Imbalance(
        subject="notice", where="duty", state="waiting", told=1, found=0
    ),
}


@pytest.mark.parametrize("loss", LOSSES)
async def test_a_thing_that_is_lost_or_moved_without_a_trace_is_found(store: SqliteStore, bench: Bench, loss: str):
    await make_all_states(store)
    await seal_all(store)
    tamper(bench, loss)
    assert LOSSES[loss] in (await store.check_balance(DAYS)).imbalances


@pytest.mark.parametrize(
    ("loss", "state"),
    [
        ("DELETE FROM inbox WHERE state = 'registered'", "registered"),
        ("DELETE FROM inbox WHERE state = 'dismissed'", "dismissed"),
        ("DELETE FROM duties WHERE state = 'done'", "done"),
    ],
)
async def test_a_finished_thing_that_is_gone_is_found_by_a_recount(
    store: SqliteStore, bench: Bench, loss: str, state: str
):
    await make_all_states(store)
    await seal_all(store)
    tamper(bench, loss)
    assert not (await store.check_balance(DAYS)).imbalances
    (found,) = (await store.check_balance(DAYS, recount=True)).imbalances
    assert (found.state, found.told, found.found) == (state, 1, 0)


async def test_a_move_that_is_in_the_history_twice_does_not_balance(store: SqliteStore, bench: Bench):
    await make_all_states(store)
    tamper(
        bench,
        "INSERT INTO history (at_ms, subject, subject_id, event, before, after, detail) "
        "SELECT at_ms, subject, subject_id, event, before, after, detail FROM history WHERE event = 'duty.done'",
    )
    for _ in range(2):
        states = {(one.state, one.told) for one in (await store.check_balance(DAYS)).imbalances}
        assert ("waiting", -1) in states
        await seal_all(store)


async def test_an_envelope_that_was_kept_without_history_is_found(store: SqliteStore, bench: Bench):
    await store.accept([make_envelope()])
    tamper(bench, "DELETE FROM history")
    (found,) = (await store.check_balance(DAYS)).imbalances
    assert found == Imbalance(subject="envelope", where="95561", state="accepted", told=0, found=1)


async def test_the_books_balance_at_every_moment_while_everything_moves(store: SqliteStore, bench: Bench):
    random.seed(7)
    going = True

    async def live_on() -> None:
        for n in range(60):
            await store.accept([make_envelope(f"k{n}-{part}", channel=f"c{part}") for part in range(3)])
            items: list[InboxItem] = list(await store.claim_inbox(2, NOW, LEASE))
            await store.register(
                [
                    random.choice(
                        [
                            make_registered(item, make_duty(), make_duty("note")),
                            Moved(item=item, state=EnvelopeState.SET_ASIDE, code="odd"),
                        ]
                    )
                    for item in items
                ],
                NOW,
            )
            for duty in await store.claim_duties(Target.SYSTEM, "ledger", 2, NOW, LEASE):
                state = random.choice([DutyState.DONE, DutyState.PARKED, DutyState.WAITING])
                await store.settle([Settled(duty=duty, state=state, due_ms=NOW)], NOW)
            for parked in await store.parked(1):
                if random.random() < 0.5:
                    await store.release([parked.id], "t", NOW)
                else:
                    await store.dismiss([parked.id], "w", "t", NOW)

    async def seal_on() -> None:
        while going:
            await seal_all(store)
            await asyncio.sleep(0)

    async def check_on() -> int:
        checks = 0
        while going:
            assert (await store.check_balance(DAYS, recount=True)).imbalances == []
            checks += 1
        return checks

    sealing, checking = asyncio.create_task(seal_on()), asyncio.create_task(check_on())
    await live_on()
    going = False
    await sealing
    assert await checking > 3


async def test_with_a_long_tail_nothing_is_compared_and_that_is_said(
    store: SqliteStore, bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(conserving, "TAIL_LIMIT", 3)
    await store.accept([make_envelope(f"k{n}") for n in range(4)])
    tamper(bench, "DELETE FROM inbox")
    balance = await store.check_balance(DAYS)
    assert (balance.behind, balance.imbalances, balance.unsealed_ms) == (True, (), NOW)
    await seal_all(store)
    assert (await store.check_balance(DAYS)).imbalances


@on_sqlite
async def test_the_check_reads_one_row_per_channel_target_and_state_however_many_days_there_are(
    store: SqliteStore, bench: Bench
):
    await live(store, bench, *range(5), each=1)
    totals = [row for row in bench.query("SELECT day FROM tallies") if row == (TOTAL,)]
    assert len(totals) == 4
    connection = connect(bench.path, write=False)
    assert explain(connection, TALLIES) == ["SEARCH tallies USING PRIMARY KEY (day=?)"]
    connection.close()


def test_what_is_unfinished_is_what_the_states_say():
    assert {state for states in UNFINISHED.values() for state in states} == (set(EnvelopeState) | set(DutyState)) - {
        "registered",
        "dismissed",
        "done",
    }
