"""Who is told what, and how often. Doubles: the clock and a notifier; everything else is real."""

import io
import json
import string
import tomllib
from importlib.resources import files

import pytest
from structlog.testing import capture_logs

from adapters.hotline.channel import open_channel as open_hotline
from adapters.hotline.settings import ChannelSettings as HotlineSettings
from config.settings import AlarmSettings, PromiseSettings
from gateway.contract.clock import Millis
from gateway.contract.draft import Draft
from gateway.contract.envelope import Envelope
from gateway.contract.errors import Rejected, TryLater
from gateway.contract.ports import Purpose, SourceNumber
from gateway.contract.receipt import make_receipt
from gateway.ops import metrics
from gateway.stages.alarms import Alarms
from gateway.stages.seal import Sealer, make_signer
from gateway.stages.sweep import Sweep
from gateway.stages.words import ALARM_LINES, Alarm, Words
from tests.keyring import KEYRING
from tests.stages.conftest import CALM, DUTY, HEAD, URGENT, House, OpenHouse, Post, make_call
from tests.store.chains import tamper
from tests.store.conftest import on_sqlite

ZONE = "Asia/Shanghai"
LANGUAGES = ("zh-Hans", "zh-Hant", "en", "ar")
TO_DUTY = {"to": [{"notice": "duty", "to": DUTY}], "language": "en"}
DAY_S = 86_400


def open_sweep(bank: House, alarms: dict[str, object] | None = None, **options: object) -> Sweep:
    words = Words(bank="示例银行", hotline="95561")
    settings = AlarmSettings.model_validate(alarms or TO_DUTY)
    promises = options.pop("promises", PromiseSettings())
    telling = Alarms(bank.store, bank.bench.clock, bank.notices, words, settings)
    return Sweep(bank.store, bank.bench.clock, promises, ZONE, alarms=telling, **options)  # type: ignore[arg-type]


async def sweep_for(bank: House, sweep: Sweep, seconds: int, step_s: int = 15) -> None:
    with capture_logs():
        for _ in range(seconds // step_s):
            await bank.seal()
            await sweep.work()
            bank.advance(step_s)


def watch(bank: House) -> Post:
    post = bank.notices["duty"]
    assert isinstance(post, Post)
    return post


async def leave(bank: House, count: int = 1) -> None:
    """Accepted and read by nobody: past its promise after a minute."""
    await bank.accept(*(make_call(URGENT) for _ in range(count)))


async def test_many_late_things_are_one_word_that_is_repeated_until_they_are_solved(open_bank: OpenHouse):
    bank = open_bank(notices={"duty": Post()})
    await leave(bank, 50)
    sweep = open_sweep(bank)
    await sweep_for(bank, sweep, 60)
    assert watch(bank).sent == [], "a promise that is kept is no news"
    await sweep_for(bank, sweep, 3_600)
    (notice,) = watch(bank).sent
    assert (notice.purpose, notice.receipt, notice.to.value, notice.language) == (Purpose.WARNING, None, DUTY, "en")
    assert notice.subject == "[Huiyin alarm] 1 promises are broken"
    assert "- channel 95561: 50 accepted and not yet registered, the oldest for 1 min" in notice.text
    await sweep_for(bank, sweep, 3 * 3_600)
    assert len(watch(bank).sent) == 4, "once an hour"
    assert len({notice.id for notice in watch(bank).sent}) == 4
    assert "the oldest for 3 h 1 min" in watch(bank).sent[-1].text
    await bank.register.work()
    await sweep_for(bank, sweep, 3 * 3_600)
    assert len(watch(bank).sent) == 4, "what is solved is not told any more"


async def test_a_new_alarm_is_told_before_the_hour_is_over_but_not_at_once_after_another(open_bank: OpenHouse):
    bank = open_bank(notices={"duty": Post()})
    await leave(bank)
    sweep = open_sweep(bank, expected={"mail": 120})
    await sweep_for(bank, sweep, 180)
    assert [len(notice.text.split("\n- ")) - 1 for notice in watch(bank).sent] == [1]
    await sweep_for(bank, sweep, 300)
    assert [len(notice.text.split("\n- ")) - 1 for notice in watch(bank).sent] == [1, 2]
    await sweep_for(bank, sweep, 3_000)
    assert len(watch(bank).sent) == 2


async def test_the_next_one_is_told_where_an_alarm_stands_too_long(open_bank: OpenHouse):
    bank = open_bank(notices={"duty": Post()})
    await leave(bank)
    ladder = [{"notice": "duty", "to": DUTY}, {"notice": "duty", "to": HEAD, "after_s": 600}]
    sweep = open_sweep(bank, {"to": ladder, "repeat_s": 3_600})
    await sweep_for(bank, sweep, 660)
    assert [notice.to.value for notice in watch(bank).sent] == [DUTY]
    await sweep_for(bank, sweep, 60)
    assert [notice.to.value for notice in watch(bank).sent] == [DUTY, HEAD]


async def test_a_restart_and_a_second_node_repeat_nothing(open_bank: OpenHouse):
    bank = open_bank(notices={"duty": Post()})
    await leave(bank)
    bank.advance(61)
    for _ in range(5):
        await sweep_for(bank, open_sweep(bank), 15)
    assert len(watch(bank).sent) == 1
    other = House(bank.bench, await bank.bench.open(), bank.folder, bank.settings, {}, bank.notices)
    await sweep_for(other, open_sweep(other), 60)
    assert len(watch(bank).sent) == 1


async def test_a_clock_that_ran_ahead_for_a_moment_silences_nobody(open_bank: OpenHouse):
    bank = open_bank(notices={"duty": Post()})
    await leave(bank)
    sweep = open_sweep(bank, expected={"95561": 600})
    bank.advance(365 * DAY_S)
    await bank.accept(make_call())
    with capture_logs():
        await sweep.work()
    assert len(watch(bank).sent) == 1
    bank.advance(-365 * DAY_S + 61)
    with capture_logs():
        await sweep.work()
    assert len(watch(bank).sent) == 2
    assert "95561: 2 accepted" in watch(bank).sent[-1].text
    bank.advance(600)
    with capture_logs():
        await sweep.work()
    assert "95561: nothing has come in for 11 min" in watch(bank).sent[-1].text


async def test_an_alarm_that_one_node_does_not_see_is_no_new_one_at_the_other(open_bank: OpenHouse):
    bank = open_bank(notices={"duty": Post()})
    seeing, other = open_sweep(bank, find_fault=lambda: "broken"), open_sweep(bank)
    for _ in range(100):
        await sweep_for(bank, seeing, 15)
        await sweep_for(bank, other, 15)
    assert len(watch(bank).sent) == 1


@pytest.mark.parametrize("failure", [TryLater("away"), Rejected("no"), RuntimeError("bug")])
async def test_a_notifier_that_fails_is_tried_again_under_the_same_id_and_ends_nothing(
    open_bank: OpenHouse, failure: Exception
):
    bank = open_bank(notices={"duty": Post(answers=[failure] * 3)})
    await leave(bank)
    bank.advance(61)
    sweep = open_sweep(bank)
    with capture_logs() as logs:
        for _ in range(6):
            await sweep.work()
            bank.advance(301)
    assert [line["code"] for line in logs if line["event"] == "alarm.untold"] == [getattr(failure, "code", "bug")] * 3
    assert len(watch(bank).sent) == 1
    assert not any(DUTY in str(line) for line in logs), "who is on duty is nobody's business in a log"


async def test_nobody_to_tell_is_no_reason_not_to_watch(open_bank: OpenHouse):
    bank = open_bank(notices={})
    await leave(bank)
    bank.advance(61)
    with capture_logs() as logs:
        await open_sweep(bank, {"to": []}).work()
    assert [line["event"] for line in logs] == ["promise.broken"]


# --- what is watched -----------------------------------------------------------------------------------------------


async def find_alarms(sweep: Sweep) -> dict[str, int]:
    """Promise -> count."""
    with capture_logs() as logs:
        await sweep.work()
    return {line["promise"]: line["count"] for line in logs if line["event"] == "promise.broken"}


async def test_a_channel_that_falls_silent_raises_an_alarm_until_it_speaks_again(open_bank: OpenHouse):
    bank = open_bank(notices={})
    sweep = open_sweep(bank, {"to": []}, expected={"95561": 600})
    bank.advance(600)
    assert await find_alarms(sweep) == {}
    bank.advance(1)
    assert await find_alarms(sweep) == {"silence": 1}
    await bank.accept(make_call())
    await bank.register.work()
    assert await find_alarms(sweep) == {}
    assert metrics.heard.labels("95561")._value.get() == bank.bench.clock.now / 1000
    bank.advance(600)
    assert await find_alarms(sweep) == {}
    bank.advance(1)
    assert await find_alarms(sweep) == {"silence": 1}
    await bank.seal()
    assert await find_alarms(sweep) == {"silence": 1}, "sealed or not"
    assert await find_alarms(open_sweep(bank, {"to": []}, expected={"95561": 600})) == {}, "it has just begun to listen"
    assert await find_alarms(open_sweep(bank, {"to": []})) == {}, "off by default"


async def test_what_does_not_balance_is_an_alarm_with_its_figures(open_bank: OpenHouse):
    bank = open_bank(notices={})
    await leave(bank, 3)
    await bank.seal()
    sweep = open_sweep(bank, {"to": []})
    assert await find_alarms(sweep) == {}
    await bank.seal()
    tamper(bank.bench, "DELETE FROM inbox WHERE id IN (SELECT id FROM inbox LIMIT 2)")
    with capture_logs() as logs:
        await sweep.work()
    assert logs[0] == {
        "event": "conservation.broken",
        "subject": "envelope",
        "where": "95561",
        "state": "accepted",
        "history": 3,
        "found": 1,
        "log_level": "error",
    }
    assert await find_alarms(sweep) == {"conservation": 2}
    assert metrics.unbalanced.labels("envelope", "95561", "accepted")._value.get() == 2


async def test_history_that_is_not_sealed_and_a_broken_chain_are_alarms(open_bank: OpenHouse):
    bank = open_bank(notices={})
    await leave(bank, 3)
    await bank.register.work()
    sealer = Sealer(bank.store, bank.bench.clock, make_signer(KEYRING), ZONE)
    sweep = open_sweep(bank, {"to": []}, find_fault=lambda: sealer.fault)
    bank.advance(901)
    assert (await find_alarms(sweep))["seal"] == 9
    assert metrics.unsealed_seconds._value.get() == 901
    await sealer.finish(5)
    assert await find_alarms(sweep) == {}
    tamper(bank.bench, "UPDATE chain SET signature = ''")
    with capture_logs():
        await sealer.work()
    assert await find_alarms(sweep) == {"chain": 1}


async def test_deadlines_are_counted_and_where_decisions_are_told_alarmed_until_they_are(open_bank: OpenHouse):
    bank = open_bank(notices={})
    receipts = await bank.accept(make_call(URGENT), make_call(URGENT), make_call("我想问一下你们几点开门？"))
    await bank.register.work()
    await bank.seal()
    counting = open_sweep(bank, {"to": []})
    watching = open_sweep(bank, {"to": []}, promises=PromiseSettings(decide_alarm=True))

    def read(state: str) -> float:
        return float(metrics.deadlines.labels("95561", state)._value.get())

    (first, last) = bank.bench.query("SELECT min(decide_ms), count(*) FROM deadlines")[0]
    assert last == 2, "a question needs no decision"
    bank.bench.clock.now = Millis(first - 3 * DAY_S * 1000 - 1)
    assert await find_alarms(watching) == {}
    bank.advance(1)
    assert await find_alarms(watching) == {"decide_soon": 2}
    assert await find_alarms(counting) == {}
    assert (read("approaching"), read("passed")) == (2, 0)
    bank.bench.clock.now = Millis(first)
    assert await find_alarms(watching) == {"decide": 2}
    assert (read("approaching"), read("passed")) == (0, 2)
    assert receipts[0]
    assert receipts[1]
    assert receipts[2]
    assert await bank.store.decide(receipts[0], "test", Millis(first))
    assert await find_alarms(watching) == {"decide": 1}
    assert not await bank.store.decide(receipts[0], "test", Millis(first)), "once"
    assert not await bank.store.decide(receipts[2], "test", Millis(first))
    assert not await bank.store.decide(make_receipt(47_110_815_424), "test", Millis(first))
    trace = await bank.store.trace(receipts[0])
    assert trace is not None
    assert [(row.event, row.detail) for row in trace.history][-1] == ("complaint.closed", "by test")
    assert await bank.store.decide(receipts[1], "test", Millis(first))
    assert await find_alarms(watching) == {}


async def test_calls_that_never_came_are_an_alarm_until_somebody_says_why(open_bank: OpenHouse):
    bank = open_bank(notices={})
    settings = {"keys": ["k" * 16], "call_numbers": "(?P<stream>[0-9]{8}-)(?P<number>[0-9]+)"}
    channel = open_hotline("95561", HotlineSettings.model_validate(settings), bank.house)
    sealer = Sealer(bank.store, bank.bench.clock, make_signer(KEYRING), ZONE, channels={"95561": channel})
    for call_id in ("20250615-0001", "20250615-0004", "20250616-0009", "unnumbered"):
        source = json.dumps({"call_id": call_id, "turns": [{"role": "customer", "text": CALM}]}).encode()
        await bank.accept(*channel.split(io.BytesIO(source), "call.json", None))
    await bank.register.work()
    await sealer.finish(5)
    sweep = open_sweep(bank, {"to": []})
    assert await find_alarms(sweep) == {}, "it may still be on its way"
    bank.advance(900)
    assert await find_alarms(sweep) == {"gap": 2}
    assert metrics.missing.labels("95561")._value.get() == 2
    (gap,) = await bank.store.parked(10)
    assert gap.detail == "20250615-2 to 20250615-3 did not come"
    await bank.store.dismiss([gap.id], "calls of the acceptance test", "test", bank.bench.clock.now)
    await sealer.finish(5)
    assert await find_alarms(sweep) == {}


async def test_a_channel_that_cannot_tell_its_number_keeps_nothing_from_being_sealed(open_bank: OpenHouse):
    class Broken:
        counts = True

        def draft(self, envelope: Envelope) -> Draft:
            raise NotImplementedError

        def find_number(self, source_key: str) -> SourceNumber | None:
            raise ValueError(source_key)

    bank = open_bank(notices={})
    await leave(bank)
    sealer = Sealer(bank.store, bank.bench.clock, make_signer(KEYRING), ZONE, channels={"95561": Broken()})
    with capture_logs() as logs:
        assert await sealer.work() == 1
    assert [line["event"] for line in logs] == ["number.unfound"]


@on_sqlite
async def test_one_watch_that_fails_does_not_end_the_others(open_bank: OpenHouse):
    bank = open_bank(notices={"duty": Post()})
    await leave(bank)
    bank.advance(61)
    tamper(bank.bench, "INSERT INTO tallies VALUES ('', 'envelope', 'c', '', 'accepted', 'not a number')")
    with capture_logs() as logs:
        await open_sweep(bank).work()
    events = [line["event"] for line in logs]
    assert "sweep.failed" in events
    assert "promise.broken" in events
    assert len(watch(bank).sent) == 1


# --- words ---------------------------------------------------------------------------------------------------------

PROMISES = {
    "collect",
    "scan",
    "gap",
    "register",
    "set_aside",
    "forward",
    "warn",
    "parked",
    "silence",
    "decide",
    "decide_soon",
    "conservation",
    "seal",
    "chain",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_alarm_has_words_in_every_language_of_the_house(language: str):
    table = tomllib.loads(files("config").joinpath("tables/notices.toml").read_text("utf-8"))["alarm"]
    assert set(table) == set(LANGUAGES)
    assert set(table[language]) == PROMISES | {"subject", "body", "age", "more"}
    words = Words(bank="示例银行", hotline="95561")
    for promise in PROMISES:
        alarm = Alarm(promise, "envelope", "95561", "accepted", 7, 93_784, 60)
        text = words.alarm([alarm], language)
        fields = {name for _, name, _, _ in string.Formatter().parse(table[language][promise]) if name}
        assert fields <= {"where", "count", "age"}
        assert ("95561" in text.body) == ("where" in fields)
        assert ("7" in text.body) == ("count" in fields)
        assert "{" not in text.body + text.subject


def test_a_hundred_alarms_are_cut_to_what_a_person_reads():
    words = Words(bank="示例银行", hotline="95561")
    alarms = [Alarm("parked", "system", f"s{n}", "parked", 1, n * 60, 60) for n in range(100)]
    body = words.alarm(alarms, "en").body
    assert body.count("\n- ") == ALARM_LINES + 1
    assert "- and 70 more" in body
    assert body.index("s99:") < body.index("s98:"), "the oldest first"
