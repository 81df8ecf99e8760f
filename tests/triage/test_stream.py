"""JSON Lines in, verdicts out."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.codes import load_codes
from gateway.triage.stream import triage_lines
from tests.triage.verdicts import shipped

URGENT = "\r\n \u200b客户：卡里少了兩萬，\r\n\r\n\r\n我没有转过账，请马上冻结  "


def run(*lines: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in triage_lines(lines, shipped(), load_codes(None))]


def test_offsets_lead_into_the_text_as_it_was_given_with_all_its_blanks() -> None:
    [told] = run(json.dumps({"id": 7, "text": URGENT}))
    assert told.keys() == {"id", "kind", "urgency", "business", "reason", "groups"}
    urgency = told["urgency"]
    assert isinstance(urgency, dict)
    assert urgency["level"] == "critical"
    assert urgency["signals"]
    for signal in urgency["signals"]:
        assert URGENT[signal["start"] : signal["end"]] == signal["evidence"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("no json", "not_json"),
        ('{"id": 1, "text": "cut', "not_json"),
        ("[" * 100_000, "not_json"),
        ('["a"]', "not_an_object"),
        ('{"id": 1}', "text_missing"),
        ('{"id": 1, "text": 5}', "text_missing"),
    ],
)
def test_a_line_that_cannot_be_judged_gives_an_error_with_its_number_and_the_next_line_goes_on(
    line: str, code: str
) -> None:
    bad, good = run("", line, json.dumps({"id": "next", "text": "请问几点开门"}))
    error = bad["error"]
    assert isinstance(error, dict)
    assert (error["code"], bad["line"]) == (code, 2)
    assert good["id"] == "next"


def test_each_line_is_answered_before_the_next_is_asked_for() -> None:
    asked: list[int] = []

    def ask() -> Iterator[str]:
        for number in range(3):
            asked.append(number)
            yield json.dumps({"id": number, "text": URGENT})

    for number, line in enumerate(triage_lines(ask(), shipped(), load_codes(None))):
        assert json.loads(line)["id"] == number
        assert asked == list(range(number + 1))


@given(st.lists(st.text(max_size=40) | st.builds(lambda text: json.dumps({"text": text}), st.text(max_size=60))))
def test_every_line_that_is_not_blank_gives_one_line_whatever_it_holds(lines: list[str]) -> None:
    assert len(run(*lines)) == sum(bool(line.strip()) for line in lines)


def test_classes_carry_no_official_code_unless_the_bank_supplied_one() -> None:
    [told] = run(json.dumps({"text": "信用卡年费乱收，当时没有告诉我，要求退还"}))
    assert isinstance(told["business"], dict)
    assert told["business"]["key"].startswith("B.")
    assert told["business"]["code"] is None
