"""Money, moments, places, classes, language, due dates."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.codes import load_codes
from gateway.contract.complaint import Kind, Precision
from normalizers import business_code
from normalizers.facet import find_hints
from tests.normalizers.conftest import read


@pytest.mark.parametrize(
    ("text", "amounts"),
    [
        ("被骗了5万元", [("50000", "CNY")]),
        ("转走叁万贰仟元整", [("32000", "CNY")]),
        ("少了三千五百块", [("3500", "CNY")]),
        ("手续费7块三", [("7.3", "CNY")]),
        ("￥8,000.50没到账", [("8000.5", "CNY")]),
        ("USD 200 was charged", [("200", "USD")]),
        ("港币五千", [("5000", "HKD")]),
        ("排队5个人，等了2小时，来了3次", []),
        ("一万个不愿意", []),
    ],
)
def test_amounts_are_read_with_their_currency_and_counts_of_other_things_are_not(
    text: str, amounts: list[tuple[str, str]]
) -> None:
    assert [(amount.value, amount.currency) for amount in read(text).amounts] == amounts


@pytest.mark.parametrize(
    ("text", "value", "precision"),
    [
        ("昨天晚上八点卡被刷", "2026-11-25T20:00", Precision.HOUR),
        ("今天上午9:30到网点", "2026-11-26T09:30", Precision.MINUTE),
        ("上周三去办卡", "2026-11-18T00:00", Precision.DAY),
        ("11月3日扣款", "2026-11-03T00:00", Precision.DAY),
        ("12月1日扣的款", "2025-12-01T00:00", Precision.DAY),
        ("去年九月买的理财", "2025-09-01T00:00", Precision.MONTH),
        ("two days ago my card was stolen", "2026-11-24T00:00", Precision.DAY),
    ],
)
def test_when_it_happened_is_counted_from_the_moment_it_was_said_in_the_banks_zone(
    text: str, value: str, precision: Precision
) -> None:
    moment = read(text).occurred_at
    assert moment is not None
    assert moment.value is not None
    assert moment.value.strftime("%Y-%m-%dT%H:%M") == value
    assert moment.precision is precision
    assert moment.text in text


def test_what_is_still_to_come_is_not_when_it_happened() -> None:
    assert read("请在明天之前答复我").occurred_at is None


def test_yesterday_is_the_day_before_the_call_and_not_before_a_late_import() -> None:
    moment = read("昨天卡被吞", occurred_at=datetime(2026, 3, 2, 1, 0, tzinfo=UTC)).occurred_at
    assert moment is not None
    assert moment.value is not None
    assert moment.value.date().isoformat() == "2026-03-01"


@pytest.mark.parametrize(
    ("fields", "code", "matched_by"),
    [
        ({"branch_code": "F0591001"}, "F0591001", "code"),
        ({"branch_name": "上海陆家嘴支行"}, "SH-021-0003", "name"),
        ({"text": "我在陆家嘴支行排了两小时"}, "SH-021-0003", "alias"),
        ({"text": "福州湖東支行的櫃員罵人"}, "BR-350100-0007", "name"),
        ({"branch_code": "NEW-1"}, "NEW-1", "code"),
    ],
)
def test_the_branch_is_found_by_code_name_or_alias_in_either_script(
    fields: dict[str, str], code: str, matched_by: str
) -> None:
    branch = read(**fields).branch  # type: ignore[arg-type]
    assert branch is not None
    assert (branch.code, branch.matched_by) == (code, matched_by)


def test_no_branch_is_guessed() -> None:
    assert read("你们网点态度真差").branch is None


def test_classes_come_from_the_words_with_evidence_and_no_code_is_ever_invented() -> None:
    text = "我的信用卡被多收年费，客服推诿不处理，在手机银行上也查不到"
    classification = read(text).classification
    assert classification.business is not None
    assert classification.business.key.startswith("B.bankcard")
    for found in (classification.channel, classification.business, classification.reason):
        assert found is not None
        assert found.code is None
        assert found.evidence in text
        assert 0 < found.confidence < 1


def test_the_channel_of_the_business_is_never_taken_from_the_channel_of_the_complaint() -> None:
    assert read("我要投诉利息算错了").classification.channel is None


def test_official_codes_are_those_of_the_banks_file(tmp_path: Path) -> None:
    key = "B.bankcard"
    file = tmp_path / "codes.csv"
    file.write_text(f"key,code,valid_from,valid_to,edition\n{key},4711,2020-01-01,,JR/T 0169-2018\n", "utf-8")
    codes = load_codes(file)
    found = business_code.classify(find_hints("银行卡的问题", codes))
    assert found is not None
    assert (found.key, found.code) == (key, "4711")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("我要投诉你们的柜员", "zh-Hans"),
        ("我要投訴你們的櫃員態度惡劣", "zh-Hant"),
        ("I want to complain about the fees on my account", "en"),
        ("أريد تقديم شكوى بخصوص حسابي", "ar"),
        ("我的app一直login不了，help", "zh-Hans"),
        ("12345", "und"),
    ],
)
def test_the_language_is_told_by_script_and_words(text: str, language: str) -> None:
    assert read(text).language == language


def test_what_the_channel_says_of_the_language_holds() -> None:
    assert read("OK", language="zh_TW").language == "zh-Hant"


def test_the_outcome_is_due_after_fifteen_days_the_day_of_receipt_not_counted() -> None:
    late_evening = datetime(2026, 11, 26, 15, 59, tzinfo=UTC)
    next_morning = datetime(2026, 11, 26, 16, 1, tzinfo=UTC)
    assert read("x", received=late_evening).due.decide_at.isoformat() == "2026-12-11T23:59:59+08:00"
    assert read("x", received=next_morning).due.decide_at.isoformat() == "2026-12-12T23:59:59+08:00"


def test_title_and_request_are_short_and_the_customers_own() -> None:
    complaint = read("尊敬的行长：您好！我的定期存款到期后取不出来。柜员让我等三天。请尽快退还本金并道歉。")
    assert complaint.title == "我的定期存款到期后取不出来。"
    assert "退还本金" in complaint.request


def test_the_accused_person_is_named_as_the_customer_names_them() -> None:
    accused = read("大堂经理王某推搡我母亲，工号8123", kind=Kind.COMPLAINT).accused
    assert accused is not None
    assert "王某" in accused.person or "8123" in accused.person
