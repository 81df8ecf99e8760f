"""The sealer as the gateway runs it. Doubles: the clocks."""

from structlog.testing import capture_logs

from gateway.contract.clock import Millis
from gateway.ops import metrics
from gateway.stages.seal import Sealer, make_signer
from gateway.store.chain import BLOCK_ROWS, Days
from gateway.store.sqlite import SqliteStore
from gateway.store.verifying import verify_chain
from tests.keyring import KEYRING
from tests.store.chains import tamper
from tests.store.conftest import Bench, make_envelope

SIGNER = make_signer(KEYRING)


class Stopwatch:
    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


def open_sealer(store: SqliteStore, bench: Bench, watch: Stopwatch | None = None) -> Sealer:
    return Sealer(store, bench.clock, SIGNER, "Asia/Shanghai", monotonic=watch or Stopwatch())


def count_sealed(bench: Bench) -> int:
    return sum(row[0] for row in bench.query("SELECT rows FROM seals"))


async def test_what_is_written_is_sealed_and_holds_under_the_banks_key(store: SqliteStore, bench: Bench):
    await store.accept([make_envelope(f"k{n}") for n in range(BLOCK_ROWS + 1)])
    sealer = open_sealer(store, bench)
    assert [await sealer.work() for _ in range(3)] == [BLOCK_ROWS, 1, 0]
    found = await verify_chain(store, SIGNER, Days("Asia/Shanghai"))
    assert found.rows == BLOCK_ROWS + 1
    assert metrics.chain_blocks._value.get() == 2


async def test_where_rows_appear_out_of_order_only_what_has_been_seen_long_enough_is_sealed(
    store: SqliteStore, bench: Bench
):
    store.settle_s = 60.0
    watch = Stopwatch()
    sealer = open_sealer(store, bench, watch)
    await store.accept([make_envelope("k1")])
    assert await sealer.work() == 0
    watch.seconds += 59
    await store.accept([make_envelope("k2")])
    assert await sealer.work() == 0
    watch.seconds += 1
    assert await sealer.work() == 1
    assert await sealer.work() == 0, "k2 was seen a second ago"
    bench.clock.now = Millis(bench.clock.now + 600_000)
    assert await sealer.work() == 0, "a clock that jumps makes nothing older"
    watch.seconds += 59
    assert await sealer.work() == 1
    assert count_sealed(bench) == 2


async def test_a_late_row_is_told_and_counted(store: SqliteStore, bench: Bench):
    row = "INSERT INTO history VALUES ({}, 1, 'envelope', 'e', 'envelope.accepted', '', 'accepted', '')"
    tamper(bench, row.format(2).replace("(2, 1,", f"(2, {bench.clock.now},"))
    sealer = open_sealer(store, bench)
    await sealer.work()
    tamper(bench, row.format(1))
    before = metrics.late_rows._value.get()
    with capture_logs() as logs:
        await sealer.finish(5)
    assert [(line["event"], line["row"], line["block"]) for line in logs] == [("audit.late_row", 1, 2)]
    assert metrics.late_rows._value.get() == before + 1


async def test_on_a_head_that_somebody_changed_nothing_is_sealed_until_it_is_put_right(
    store: SqliteStore, bench: Bench
):
    await store.accept([make_envelope("k1")])
    sealer = open_sealer(store, bench)
    await sealer.work()
    await store.accept([make_envelope("k2")])
    tamper(bench, "UPDATE chain SET last_seq = last_seq + 1")
    with capture_logs() as logs:
        assert await sealer.work() == 0
    assert [line["event"] for line in logs] == ["audit.broken"]
    assert sealer.fault
    assert metrics.chain_faults._value.get() == 1
    tamper(bench, "UPDATE chain SET last_seq = last_seq - 1")
    assert await sealer.work() == 1
    assert (sealer.fault, metrics.chain_faults._value.get()) == ("", 0)


async def test_stopping_seals_what_is_left_but_not_for_ever(store: SqliteStore, bench: Bench):
    await store.accept([make_envelope(f"k{n}") for n in range(2 * BLOCK_ROWS)])
    watch = Stopwatch()
    sealer = open_sealer(store, bench, watch)
    await sealer.finish(0)
    assert count_sealed(bench) == 0
    await sealer.finish(1)
    assert count_sealed(bench) == 2 * BLOCK_ROWS
