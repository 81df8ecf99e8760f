import asyncio
import sqlite3
from dataclasses import replace

import pytest

from gateway.contract.envelope import Thread
from gateway.contract.receipt import make_receipt
from gateway.store.numbering import RESERVED_AT_ONCE
from gateway.store.port import KeyConflict, StoreUnavailable
from gateway.store.sql_store import SqlStore
from tests.store.conftest import LEASE, NOW, Bench, make_envelope, make_registered, on_postgres, on_sqlite, register_one


async def test_the_same_key_with_the_same_content_gives_the_earlier_receipt_for_ever(bench: Bench):
    store = await bench.open()
    (first,) = await store.accept([make_envelope()])
    await store.close()
    again = await bench.open()
    (second,) = await again.accept([make_envelope(at=NOW + 10 * 365 * 86_400_000)])
    assert (second.envelope_id, second.receipt) == (first.envelope_id, first.receipt)
    assert (first.duplicate, second.duplicate) == (False, True)
    assert bench.query("SELECT count(*) FROM envelopes") == [(1,)]


async def test_the_same_key_in_another_channel_is_another_envelope(store: SqlStore):
    accepted = await store.accept([make_envelope(channel="95561"), make_envelope(channel="gzh")])
    assert len({a.receipt for a in accepted}) == 2
    # The separator keeps ("a", "bc") and ("ab", "c") apart.
    one, other = await store.accept([make_envelope("bc", channel="a"), make_envelope("c", channel="ab")])
    assert one.receipt != other.receipt


async def test_sequential_keys_are_told_apart_behind_a_long_common_beginning(store: SqlStore):
    one, other = (replace(make_envelope(f"{'call:' * 20}{end}"), sequential=True) for end in "ab")
    (first,), (second,), (again,) = [await store.accept([each]) for each in (one, other, one)]
    assert (first.duplicate, second.duplicate, again.duplicate) == (False, False, True)
    assert first.receipt == again.receipt != second.receipt


async def test_a_sender_that_repeats_itself_among_new_ones_gets_its_receipts_and_new_ones_get_theirs(
    store: SqlStore, bench: Bench
):
    for start in range(0, 60, 10):
        # The first half of each group was in the group before.
        keys = [f"k{number}" for number in range(start - 5 if start else 0, start + 10)]
        answers = await asyncio.gather(*(store.accept([make_envelope(key)]) for key in keys))
        assert [a.duplicate for (a,) in answers] == [start > 0 and place < 5 for place in range(len(keys))]
    assert bench.query("SELECT count(DISTINCT receipt), count(*) FROM inbox") == [(60, 60)]


async def test_equal_keys_of_concurrent_callers_in_one_group_are_kept_once(store: SqlStore, bench: Bench):
    answers = await asyncio.gather(*(store.accept([make_envelope()]) for _ in range(50)))
    assert len({a.receipt for (a,) in answers}) == 1
    assert sorted(a.duplicate for (a,) in answers) == [False] + [True] * 49
    assert bench.query("SELECT count(*) FROM envelopes") == [(1,)]


async def test_equal_keys_in_one_call_are_kept_once(store: SqlStore):
    first, second = await store.accept([make_envelope(), make_envelope()])
    assert (first.duplicate, second.duplicate) == (False, True)
    assert first.receipt == second.receipt


async def test_other_content_under_a_known_key_fails_its_whole_call_and_no_neighbour(store: SqlStore, bench: Bench):
    await store.accept([make_envelope("taken")])
    good, bad, also_good = await asyncio.gather(
        store.accept([make_envelope("a")]),
        store.accept([make_envelope("b"), make_envelope("taken", raw=b"something else")]),
        store.accept([make_envelope("b", raw=b"the key of the failed call is free")]),
        return_exceptions=True,
    )
    assert isinstance(bad, KeyConflict)
    assert "taken" not in str(bad)
    assert not good[0].duplicate
    assert not also_good[0].duplicate
    assert sorted(one.source_key for one in (await bench.read_envelopes()).values()) == ["a", "b", "taken"]


async def test_a_caller_whose_envelope_cannot_be_written_spoils_nobody_else(store: SqlStore):
    good, bad = await asyncio.gather(
        store.accept([make_envelope("good")]),
        store.accept([make_envelope("half a surrogate \ud800")]),
        return_exceptions=True,
    )
    assert isinstance(bad, UnicodeEncodeError)
    assert good[0].receipt


async def test_what_was_accepted_comes_back_as_it_was(store: SqlStore):
    envelope = make_envelope(
        raw=bytes(range(256)), thread=Thread(key="call-7", window_ms=5, ends=True), hints={"branch": "0101"}
    )
    (accepted,) = await store.accept([envelope])
    item = await store.find_envelope(accepted.envelope_id)
    assert item is not None
    kept = item.envelope
    assert (kept.raw, kept.thread, kept.hints, kept.authenticity) == (
        envelope.raw,
        envelope.thread,
        envelope.hints,
        envelope.authenticity,
    )
    assert kept.content_digest() == envelope.content_digest()
    assert (kept.source_key, kept.received_at, item.receipt, item.claim) == ("k1", NOW, accepted.receipt, 0)


async def test_two_processes_never_give_one_receipt_and_a_restart_gives_none_again(bench: Bench):
    first, second = await bench.open(), await bench.open()
    given = [
        (await store.accept([make_envelope(f"{name}{n}")]))[0].receipt
        for n in range(5)
        for name, store in (("a", first), ("b", second))
    ]
    await first.close()
    given += [(await (await bench.open()).accept([make_envelope("c")]))[0].receipt]
    assert len(set(given)) == 11


@on_sqlite
async def test_after_a_restore_receipts_given_since_the_backup_are_not_given_again(bench: Bench):
    store = await bench.open()
    with sqlite3.connect(bench.path) as source, sqlite3.connect(bench.path.with_name("backup.db")) as backup:
        source.backup(backup)
    given = [(await store.accept([make_envelope(f"k{n}")]))[0].receipt for n in range(3)]
    await store.close()
    restored = Bench(f"sqlite:///{bench.path.with_name('backup.db')}")
    store = await restored.open()
    await store.skip_numbers()
    assert (await store.accept([make_envelope("new")]))[0].receipt not in given
    await restored.close()


@on_postgres
async def test_after_a_restore_on_postgres_receipts_given_since_are_not_given_again(bench: Bench, store: SqlStore):
    (backup,) = bench.query("SELECT next FROM numbering")
    given = [(await store.accept([make_envelope(f"k{n}")]))[0].receipt for n in range(3)]
    await store.close()
    bench.query("UPDATE numbering SET next = ?", *backup)
    restored = await bench.open()
    await restored.skip_numbers()
    assert (await restored.accept([make_envelope("new")]))[0].receipt not in given


async def test_more_envelopes_in_one_call_than_numbers_are_reserved_at_once_each_get_one(store: SqlStore):
    many = await store.accept([make_envelope(f"k{n}", raw=b"x") for n in range(RESERVED_AT_ONCE + 1)])
    assert len({each.receipt for each in many}) == RESERVED_AT_ONCE + 1


# --- threads -------------------------------------------------------------------------------------------------------


def in_thread(key: str, at: int, *, window: int | None = 1000, ends: bool = False, channel: str = "gzh"):
    return make_envelope(
        f"m{key}{at}{ends}", channel=channel, at=NOW + at, thread=Thread(key=key, window_ms=window, ends=ends)
    )


async def test_envelopes_of_one_thread_share_a_receipt_until_the_window_has_passed(store: SqlStore):
    (first,) = await store.accept([in_thread("o1", 0)])
    (second,) = await store.accept([in_thread("o1", 1000)])
    (third,) = await store.accept([in_thread("o1", 2000)])
    (late,) = await store.accept([in_thread("o1", 3001)])
    assert first.receipt == second.receipt == third.receipt != late.receipt
    assert [a.supplement for a in (first, second, third, late)] == [False, True, True, False]


async def test_a_thread_without_window_never_closes_by_itself(store: SqlStore):
    (first,) = await store.accept([in_thread("call", 0, window=None)])
    (second,) = await store.accept([in_thread("call", 10**11, window=None)])
    assert second.receipt == first.receipt


async def test_after_the_last_envelope_of_a_matter_the_next_starts_afresh(store: SqlStore):
    accepted = await store.accept(
        [in_thread("o1", 0), in_thread("o1", 1, ends=True), in_thread("o1", 2), in_thread("o1", 3)]
    )
    assert accepted[0].receipt == accepted[1].receipt != accepted[2].receipt == accepted[3].receipt


async def test_threads_of_different_channels_do_not_meet(store: SqlStore):
    one, other = await store.accept([in_thread("o1", 0), in_thread("o1", 1, channel="web")])
    assert one.receipt != other.receipt


async def test_callers_of_one_group_join_one_thread(store: SqlStore):
    answers = await asyncio.gather(*(store.accept([in_thread("o1", i)]) for i in range(20)))
    assert len({a.receipt for (a,) in answers}) == 1
    assert [a.supplement for (a,) in answers] == [False] + [True] * 19


async def test_a_known_receipt_joins_its_matter_registered_or_not_and_an_unknown_one_opens_a_new(store: SqlStore):
    item = await register_one(store)
    (joined,) = await store.accept([make_envelope("k2", joins=item.receipt)])
    (joined_again,) = await store.accept([make_envelope("k3", joins=item.receipt)])
    (stranger,) = await store.accept([make_envelope("k4", joins=make_receipt(98765432109))])
    assert (joined.receipt, joined.supplement) == (item.receipt, True)
    assert joined_again.receipt == item.receipt
    assert (stranger.receipt != item.receipt, stranger.supplement) == (True, False)


async def test_what_wants_no_receipt_gets_none_unless_its_matter_is_open(store: SqlStore):
    alone, opened, joining = await store.accept(
        [
            make_envelope("follow", wanted=False, thread=Thread(key="o1")),
            make_envelope("text", thread=Thread(key="o1")),
            make_envelope("leave", wanted=False, thread=Thread(key="o1")),
        ]
    )
    assert alone.receipt is None
    assert not opened.supplement
    assert joining.receipt == opened.receipt


# --- cursor, limits ------------------------------------------------------------------------------------------------


async def test_a_cursor_is_committed_with_its_envelopes_and_not_without_them(store: SqlStore):
    await store.accept([make_envelope("a", channel="mail")], cursor="17")
    with pytest.raises(KeyConflict):
        await store.accept([make_envelope("a", channel="mail", raw=b"other")], cursor="18")
    assert await store.cursor("mail") == "17"
    await store.accept([], cursor="19", channel="mail")
    assert await store.cursor("mail") == "19"
    assert await store.cursor("other") is None


async def test_a_cursor_of_no_channel_or_of_two_is_a_mistake(store: SqlStore):
    with pytest.raises(ValueError, match="one channel"):
        await store.accept([], cursor="1")
    with pytest.raises(ValueError, match="one channel"):
        await store.accept([make_envelope(channel="a")], cursor="1", channel="b")


async def test_above_the_queue_limit_callers_are_refused_at_once_and_the_rest_is_kept(bench: Bench):
    store = await bench.open(queue_limit=5)
    answers = await asyncio.gather(*(store.accept([make_envelope(str(i))]) for i in range(8)), return_exceptions=True)
    assert [isinstance(a, StoreUnavailable) for a in answers] == [False] * 5 + [True] * 3
    assert bench.query("SELECT count(*) FROM envelopes") == [(5,)]
    await store.accept([make_envelope("later")])


@on_sqlite
async def test_with_too_little_room_on_the_disk_nothing_is_accepted_but_work_goes_on(bench: Bench):
    store = await bench.open()
    await store.accept([make_envelope()])
    await store.close()
    full = await bench.open(min_free_mb=2**40)
    with pytest.raises(StoreUnavailable, match="disk"):
        await full.accept([make_envelope("b")])
    (item,) = await full.claim_inbox(1, NOW, LEASE)
    assert await full.register([make_registered(item)], NOW) == [True]


async def test_a_caller_that_gave_up_does_not_undo_the_commit(store: SqlStore, bench: Bench):
    leaving = asyncio.create_task(store.accept([make_envelope("a")]))
    staying = asyncio.create_task(store.accept([make_envelope("b")]))
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying)[0].receipt
    assert bench.query("SELECT count(*) FROM envelopes") == [(2,)]


async def test_a_closed_store_says_so(bench: Bench):
    store = await bench.open()
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.accept([make_envelope()])
    with pytest.raises(StoreUnavailable):
        await store.trace(make_receipt(10**10))


async def test_closing_commits_what_is_queued(bench: Bench):
    store = await bench.open()
    waiting = [asyncio.create_task(store.accept([make_envelope(str(i))])) for i in range(1000)]
    await asyncio.sleep(0)
    await store.close()
    assert len({accepted.receipt for (accepted,) in await asyncio.gather(*waiting)}) == 1000
    assert bench.query("SELECT count(*) FROM envelopes") == [(1000,)]
