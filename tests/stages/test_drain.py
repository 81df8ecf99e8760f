import asyncio
from collections.abc import Awaitable, Callable

from structlog.testing import capture_logs

from gateway.stages.drain import Wake, drain
from gateway.store.port import StoreUnavailable


async def run_until(work: Callable[[], Awaitable[int]], done: asyncio.Event, wake: Wake, poll_s: float) -> None:
    stop = asyncio.Event()
    task = asyncio.create_task(drain("stage", work, wake, stop, poll_s))
    await asyncio.wait_for(done.wait(), 30)
    assert not task.done()
    stop.set()
    wake()
    await asyncio.wait_for(task, 30)


async def test_while_there_is_work_the_stage_does_not_sleep():
    done, left = asyncio.Event(), [3, 2, 1]

    async def work() -> int:
        if left:
            return left.pop()
        done.set()
        return 0

    await run_until(work, done, Wake(), poll_s=3600)


async def test_a_hint_wakes_a_stage_that_sleeps_and_without_one_the_slow_poll_does():
    for poll_s, hint in ((3600, True), (0.02, False)):
        done, wake, turns = asyncio.Event(), Wake(), 0
        outer = Wake()
        outer.also(wake)

        async def work(done: asyncio.Event = done) -> int:
            nonlocal turns
            turns += 1
            if turns == 3:
                done.set()
            return 0

        async def hint_often(outer: Wake = outer) -> None:
            while True:
                await asyncio.sleep(0.01)
                outer()

        hinting = asyncio.create_task(hint_often()) if hint else None
        await run_until(work, done, wake, poll_s)
        if hinting:
            hinting.cancel()


async def test_failures_are_logged_and_never_end_the_loop():
    done = asyncio.Event()
    failures: list[Exception] = [ZeroDivisionError(), StoreUnavailable("disk full"), RuntimeError()]

    async def work() -> int:
        if failures:
            raise failures.pop(0)
        done.set()
        return 0

    with capture_logs() as logs:
        await run_until(work, done, Wake(), poll_s=0.01)
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("stage.failed", "error"),
        ("stage.waits_for_store", "warning"),
        ("stage.failed", "error"),
    ]


async def test_a_stage_that_fails_is_not_driven_by_hints():
    """A busy door hints at every accept; a stage that fails must not spin with it."""
    done, wake, failed = asyncio.Event(), Wake(), 0

    async def work() -> int:
        nonlocal failed
        failed += 1
        raise ZeroDivisionError

    async def hint() -> None:
        for _ in range(200):
            wake()
            await asyncio.sleep(0.001)
        done.set()

    hinting = asyncio.create_task(hint())
    with capture_logs():
        await run_until(work, done, wake, poll_s=10)
    await hinting
    assert 1 <= failed <= 10


async def test_a_stage_stops_in_the_middle_of_a_long_pause():
    done = asyncio.Event()

    async def work() -> int:
        done.set()
        raise StoreUnavailable("away")

    with capture_logs():
        await run_until(work, done, Wake(), poll_s=3600)


async def test_a_cancellation_that_leaks_out_of_a_library_does_not_end_the_loop_but_stopping_does():
    done, failures = asyncio.Event(), [asyncio.CancelledError()]

    async def work() -> int:
        if failures:
            raise failures.pop()
        done.set()
        await asyncio.sleep(3600)
        return 0

    task = asyncio.create_task(drain("stage", work, Wake(), asyncio.Event(), 0.01))
    with capture_logs() as logs:
        await asyncio.wait_for(done.wait(), 30)
    assert [line["event"] for line in logs] == ["stage.failed"]
    task.cancel()
    await asyncio.wait([task], timeout=30)
    assert task.cancelled()
