import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.contract.clock import Millis
from gateway.contract.complaint import Authenticity
from gateway.contract.envelope import Envelope
from gateway.contract.errors import TryLater
from gateway.contract.ports import Poll, Polled
from gateway.intake.accept import Acceptance
from gateway.intake.polling import POLL_LIMIT_S, STALE_AFTER_POLLS, Polling
from gateway.intake.scrub.envelope import Scrub
from gateway.ops import metrics
from gateway.store.sql_store import SqlStore
from tests.keyring import mark
from tests.store.conftest import Bench, on_sqlite


def make_mail(number: int) -> Envelope:
    return Envelope(
        channel="mailbox",
        adapter="email",
        source_key=f"uid-{number}",
        media_type="message/rfc822",
        raw=b"mail %d" % number,
        received_at=Millis(1_750_000_000_000),
        authenticity=Authenticity(verified=False, method="none"),
    )


@dataclass
class Mailbox:
    """The other side: mails numbered from 0, two a poll; `cursor` is the number of the next one. `trouble` comes first."""

    store: SqlStore
    count: int = 5
    trouble: list[Any] = field(default_factory=list)
    trouble_confirming: list[Any] = field(default_factory=list)
    interval_s: float = 0.01
    seen: set[int] = field(default_factory=set)
    kept_when_confirmed: list[int] = field(default_factory=list)
    polls: int = 0

    async def poll(self, cursor: str | None) -> Polled:
        self.polls += 1
        await self._cause(self.trouble)
        first = int(cursor or 0)
        found = range(first, min(first + 2, self.count))
        return Polled([make_mail(n) for n in found], str(first + len(found)), more=first + 2 < self.count)

    async def confirm(self, polled: Polled) -> None:
        await self._cause(self.trouble_confirming)
        self.kept_when_confirmed.append(sum(s.count for s in await self.store.totals()))
        self.seen |= {int(envelope.source_key[4:]) for envelope in polled.envelopes}

    async def _cause(self, trouble: list[Any]) -> None:
        if trouble:
            what = trouble.pop(0)
            if isinstance(what, Exception):
                raise what
            await asyncio.sleep(what)


def open_polling(mailbox: Mailbox, bench: Bench, **options: float) -> Polling:
    assert isinstance(mailbox, Poll)
    return Polling(
        "mailbox",
        mailbox,
        Acceptance(mailbox.store, Scrub(mark), lambda: None),
        mailbox.store,
        bench.clock,
        **options,
    )


async def poll_until(polling: Polling, done: Callable[[], object]) -> None:
    stop = asyncio.Event()
    task = asyncio.create_task(polling.run(stop))
    async with asyncio.timeout(30):
        while not done():
            assert not task.done()
            await asyncio.sleep(0.005)
    stop.set()
    await asyncio.wait_for(task, 30)


async def test_the_cursor_is_committed_with_the_envelopes_and_the_source_is_told_after_that(
    store: SqlStore,
    bench: Bench,
):
    mailbox = Mailbox(store)
    await poll_until(open_polling(mailbox, bench), lambda: len(mailbox.seen) == 5)
    assert mailbox.kept_when_confirmed[:3] == [2, 4, 5], "all are kept before the source hears of it"
    assert await store.cursor("mailbox") == "5"
    assert bench.query("SELECT count(*) FROM envelopes") == [(5,)]


async def test_a_cursor_that_moves_without_envelopes_is_kept_too(store: SqlStore, bench: Bench):
    mailbox = Mailbox(store, count=0)
    await poll_until(open_polling(mailbox, bench), lambda: mailbox.kept_when_confirmed)
    assert await store.cursor("mailbox") == "0"


async def test_a_new_start_goes_on_from_the_cursor(store: SqlStore, bench: Bench):
    first = Mailbox(store, count=3)
    await poll_until(open_polling(first, bench), lambda: len(first.seen) == 3)
    second = Mailbox(store, count=4)
    await poll_until(open_polling(second, bench), lambda: second.seen)
    assert second.seen == {3}


async def test_a_source_that_was_not_told_gives_the_same_again_and_nothing_is_kept_twice(
    store: SqlStore,
    bench: Bench,
):
    mailbox = Mailbox(store, count=2, trouble_confirming=[ConnectionError("gone")])
    mailbox.poll = lambda cursor: Mailbox.poll(mailbox, "0")  # type: ignore[method-assign]  # it forgot where we were
    await poll_until(open_polling(mailbox, bench), lambda: mailbox.seen)
    assert bench.query("SELECT count(*) FROM envelopes") == [(2,)]


async def test_what_comes_under_a_used_key_is_kept_beside_it_and_holds_nothing_up(store: SqlStore, bench: Bench):
    used, twice = replace(make_mail(1), raw=b"other words"), replace(make_mail(2), raw=b"mail 2, again")
    mailbox = Mailbox(store, count=2)

    async def poll(cursor: str | None) -> Polled:
        # The source forgets where we were, so it all comes once more.
        mailbox.polls += 1
        return Polled([make_mail(0), make_mail(1), make_mail(2), twice, make_mail(3)], "4", more=mailbox.polls < 2)

    mailbox.poll = poll  # type: ignore[method-assign]
    await store.accept([used])
    counted = count_rekeyed()
    with capture_logs() as logs:
        await poll_until(open_polling(mailbox, bench), lambda: len(mailbox.kept_when_confirmed) == 2)
    kept = await bench.read_envelopes()
    words = [b"mail 0", b"mail 1", b"mail 2", b"mail 2, again", b"mail 3", b"other words"]
    assert sorted(each.raw for each in kept.values()) == words
    assert await store.cursor("mailbox") == "4"
    apart = [line["envelope"] for line in logs if line["event"] == "envelope.rekeyed"]
    assert sorted(kept[each].raw for each in apart) == [b"mail 1", b"mail 2, again"]
    assert count_rekeyed() - counted == 2
    items = await store.claim_inbox(10, bench.clock.now, 1000)
    assert len({item.receipt for item in items}) == len(words), "each is read, and has a number of its own"
    assert not [line for line in logs if line["event"] == "poll.failed"]


def count_rekeyed() -> float:
    return metrics.registry.get_sample_value("huiyin_rekeyed_total", {"channel": "mailbox"}) or 0


@pytest.mark.parametrize(
    ("trouble", "code"),
    [(TryLater("mailbox_busy"), "mailbox_busy"), (3600, "timeout"), (ZeroDivisionError(), "bug")],
)
async def test_a_poll_that_fails_or_hangs_is_logged_and_the_next_one_goes_on(
    store: SqlStore,
    bench: Bench,
    trouble: object,
    code: str,
):
    mailbox = Mailbox(store, trouble=[trouble, trouble])
    with capture_logs() as logs:
        await poll_until(open_polling(mailbox, bench, limit_s=0.1), lambda: len(mailbox.seen) == 5)
    failures = [line for line in logs if line["event"] == "poll.failed"]
    assert [(line["channel"], line["code"]) for line in failures] == [("mailbox", code)] * 2


@on_sqlite
async def test_a_store_that_cannot_commit_leaves_the_mails_where_they_are(bench: Bench):
    store = await bench.open(min_free_mb=10**9)
    mailbox = Mailbox(store)
    with capture_logs() as logs:
        await poll_until(open_polling(mailbox, bench), lambda: mailbox.polls >= 3)
    assert {line["code"] for line in logs if line["event"] == "poll.failed"} == {"store_unavailable"}
    assert mailbox.seen == set()
    assert await store.cursor("mailbox") is None


async def test_a_channel_without_a_good_poll_for_long_is_not_ready_until_one_succeeds(
    store: SqlStore,
    bench: Bench,
):
    mailbox = Mailbox(store, interval_s=60)
    polling = open_polling(mailbox, bench)
    limit_ms = round((STALE_AFTER_POLLS * 60 + POLL_LIMIT_S) * 1000)
    bench.clock.now = Millis(bench.clock.now + limit_ms)
    assert polling.check() == ""
    bench.clock.now = Millis(bench.clock.now + 1000)
    assert "no good poll for 301 s" in polling.check()
    await poll_until(polling, lambda: len(mailbox.seen) == 5)
    assert polling.check() == ""
