"""A complaint, praise, a suggestion or an inquiry."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract.complaint import Kind
from gateway.contract.draft import Draft
from normalizers.kind import decide
from normalizers.text import fold
from tests.normalizers.conftest import read, read_all


def tell(text: str, chosen: Kind | None = None) -> Kind:
    return decide(text, fold(text, compact=True), chosen)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("信用卡年费乱收，当时没有告诉我，要求退还", Kind.COMPLAINT),
        ("排了两个小时，柜员态度很差，我要投诉", Kind.COMPLAINT),
        ("櫃員態度惡劣，排隊兩個鐘頭，要求處理", Kind.COMPLAINT),
        ("I was charged twice and nobody answers, I want a refund", Kind.COMPLAINT),
        ("大堂经理小王耐心教我妈用手机，态度好，特此表扬，谢谢", Kind.PRAISE),
        ("感谢柜员拦下了那笔转账，钱没出去，全家感谢你们", Kind.PRAISE),
        ("建议在门口增设老花镜和座椅，方便老人", Kind.SUGGESTION),
        ("请问开对公账户需要带什么材料？", Kind.INQUIRY),
        ("請問分行營業時間", Kind.INQUIRY),
        ("What documents do I need to open an account?", Kind.INQUIRY),
    ],
)
def test_the_words_tell_the_kind(text: str, kind: Kind) -> None:
    assert tell(text) is kind


@given(st.text(max_size=60), st.sampled_from(Kind))
def test_what_the_customer_chose_holds_against_any_words(text: str, chosen: Kind) -> None:
    assert tell(text, chosen) is chosen


@pytest.mark.parametrize("text", ["", "  \n", "，。！", "12345"])
def test_what_says_nothing_is_a_complaint_because_only_that_carries_rights(text: str) -> None:
    assert tell(text) is Kind.COMPLAINT


@given(st.text(max_size=200))
def test_any_text_has_a_kind(text: str) -> None:
    assert tell(text) in Kind


def test_only_the_customer_of_a_written_conversation_counts() -> None:
    text = (
        "客服：感谢您的来电，祝您生活愉快，谢谢\n客户：排了两个小时，柜员态度很差，我要投诉\n客服：谢谢，感谢您的建议"
    )
    assert tell(text) is Kind.COMPLAINT


def test_the_kind_stands_in_the_complaint() -> None:
    assert read("请问开对公账户需要带什么材料？").kind is Kind.INQUIRY
    assert read("请问开对公账户需要带什么材料？", kind=Kind.SUGGESTION).kind is Kind.SUGGESTION


def test_what_is_chosen_later_makes_a_complaint_of_it_and_never_something_less() -> None:
    opening, later = Draft(text="柜员态度很差，我要投诉"), "大堂经理小陈"
    assert read_all([opening, Draft(text=later, kind=Kind.PRAISE)]).kind is Kind.COMPLAINT
    praise = replace(opening, kind=Kind.PRAISE)
    assert read_all([praise, Draft(text=later, kind=Kind.INQUIRY)]).kind is Kind.PRAISE
    assert read_all([praise, Draft(text=later, kind=Kind.COMPLAINT)]).kind is Kind.COMPLAINT
    fuller = replace(opening, kind=Kind.INQUIRY, replaces=True)
    assert read_all([praise, fuller]).kind is Kind.INQUIRY


@pytest.mark.parametrize(
    "text", ["大堂经理王某推搡我母亲，工号8123", "大堂经理扇我耳光", "柜员骂我", "有个柜员骗我妈买保险"]
)
def test_nothing_is_praise_that_says_no_good_word(text: str):
    assert read(text).kind is not Kind.PRAISE
