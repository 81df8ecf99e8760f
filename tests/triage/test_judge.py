"""How a verdict is shown, and whose words count."""

import pickle
import time
import timeit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.contract.complaint import Speaker, Turn
from gateway.contract.verdict import Level
from gateway.triage.judge import JUDGED
from gateway.triage.rules import Rules
from tests.triage.test_signals import RAISED
from tests.triage.verdicts import find, shipped, tell

URGENT = "卡里少了两万，我没有转过账，请马上冻结"
PIECES = st.sampled_from(
    [*RAISED.values(), "，", "\n", " ", "客服：您好。\n", "客户：", "妳", "\u202e", "\0", "ﷺ", "👨‍👩‍👧"]
)
WORDS = st.lists(PIECES | st.text(max_size=20), max_size=8).map("".join)
TURNS = st.lists(st.builds(Turn, speaker=st.sampled_from(Speaker), text=WORDS), max_size=4)


@given(text=WORDS, turns=TURNS)
@example(text="客服：您好。\n客户：卡里少了兩萬，我没有转过账\n客服：请稍等", turns=[])
def test_evidence_is_what_stands_at_its_offsets_and_a_verdict_never_fails(text: str, turns: list[Turn]) -> None:
    for signal in tell(text, turns=turns).verdict.signals:
        shown = signal.evidence
        words = text if shown.turn is None else turns[shown.turn].text
        assert words[shown.start : shown.end] == shown.text
        assert shown.text.strip()
        if shown.turn is not None:
            assert turns[shown.turn].speaker is Speaker.CUSTOMER


@given(text=WORDS)
def test_the_level_is_what_the_strongest_signal_says(text: str) -> None:
    verdict = tell(text).verdict
    priorities = [signal.priority.value for signal in verdict.signals]
    assert priorities == sorted(priorities, key=["P0", "P1", "P2", "INFO"].index)
    expected = {"P0": Level.CRITICAL, "P1": Level.HIGH}
    if priorities and priorities[0] in expected:
        assert verdict.level is expected[priorities[0]]
    else:
        assert verdict.level is (Level.HIGH if priorities.count("P2") >= shipped().file.several else Level.NORMAL)


def test_only_what_the_customer_said_counts() -> None:
    agent = Turn(speaker=Speaker.AGENT, text=URGENT)
    bot = Turn(speaker=Speaker.BOT, text="如遇盗刷或诈骗请按1")
    customer = Turn(speaker=Speaker.CUSTOMER, text="请问几点开门")
    assert tell("", turns=(agent, bot, customer)).verdict.level is Level.NORMAL
    assert tell("", turns=(customer, agent.model_copy(update={"speaker": Speaker.CUSTOMER}))).verdict.signals
    written = f"客服：是不是{URGENT}？\n客户：没有，请问几点开门"
    assert tell(written).verdict.level is Level.NORMAL


def test_what_a_turn_says_is_shown_in_that_turn_even_where_the_narrative_repeats_it() -> None:
    turns = (Turn(speaker=Speaker.AGENT, text="您好"), Turn(speaker=Speaker.CUSTOMER, text=URGENT))
    judgement = tell("您好\n" + URGENT, turns=turns)
    assert {signal.evidence.turn for signal in judgement.verdict.signals} == {1}


@pytest.mark.parametrize(
    "text",
    [
        "我的卡被，盗，刷了五千",
        "我的卡被 盗 刷了五千",
        "我的卡被盜刷了五千",
        "我的卡被\u200b盗\u200b刷了五千",
        "我的卡被盗\n刷了五千",
    ],
)
def test_commas_spaces_line_breaks_and_traditional_characters_inside_a_word_do_not_hide_it(text: str) -> None:
    assert find(tell(text), "unauthorised_transaction") is not None


def test_urgent_words_at_either_end_of_a_very_long_text_are_seen() -> None:
    filler = "今天天气不错。" * (JUDGED // 2)
    for text in (URGENT + filler, filler + URGENT):
        signal = find(tell(text), "unauthorised_transaction")
        assert signal is not None
        assert "少了两万" in signal.evidence.text


@pytest.mark.parametrize("text", ["", " \n\t", "\0\u202e\u200b", "？？？！！！", "👍"])
def test_words_without_meaning_are_normal(text: str) -> None:
    assert tell(text).verdict.level is Level.NORMAL


def test_rules_that_travelled_to_another_process_give_the_same_verdict_under_the_same_version() -> None:
    there: Rules = pickle.loads(pickle.dumps(shipped()))
    for text in RAISED.values():
        assert tell(text, rules=there) == tell(text)


@pytest.mark.parametrize(
    "pattern",
    ["被骗", "刚刚转了 ", "abcdefgh ", "客服：好\n客户：被骗了\n", "，", "我79岁了", "没有被", "二十", "ﷺ", "他妈爸"],
)
def test_the_work_grows_with_the_text_and_no_faster(pattern: str) -> None:
    short, long = pattern * (2_000 // len(pattern)), pattern * (16_000 // len(pattern))
    tell(short)
    # Eight times the text. Work that grew with its square would be 64 times as much; the room between is for noise.
    assert measure(long) < 28 * measure(short)


def measure(text: str) -> float:
    """The least of several rounds: what else the machine does can only add."""
    return min(timeit.repeat(lambda: tell(text), number=1, repeat=7, timer=time.thread_time))
