"""Who complains, and by which numbers."""

import json

import pytest

from gateway.contract.complaint import Document, Role, Speaker, Turn
from tests.normalizers.conftest import TABLES, read
from tests.running import ROOT

PII = ROOT.parent / "shared" / "data" / "redistributable" / "pii" / "chinese_cases.jsonl"
NAMES = ROOT.parent / "shared" / "data" / "redistributable" / "names"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("我叫张小明，卡被吞了", "张小明"),
        ("您好，我是欧阳修远，想投诉", "欧阳修远"),
        ("投诉人：王㧐，电话13800138000", "王㧐"),
        ("本人李雷，身份证号见附件", "李雷"),
        ("My name is Alice Brown and my card was declined.", "Alice Brown"),
        ("卡被吞了，柜员不理人", ""),
        ("我是老客户了，你们这样对我", ""),
        ("谢谢你们的马上处理", ""),
    ],
)
def test_a_name_is_taken_where_the_customer_gives_it_and_never_guessed(text: str, name: str) -> None:
    assert read(text).complainant.name == name


def test_the_name_of_a_form_wins_over_the_words_and_an_address_is_no_name() -> None:
    assert read("我叫张小明", name=" 李 雷 ").complainant.name in ("李 雷", "李雷")
    assert read("卡被吞了", name="someone@example.com").complainant.name == ""


def test_names_with_characters_outside_the_old_charsets_stay_whole() -> None:
    if not NAMES.exists():
        pytest.skip("the names do not stand beside the project")
    lines = (NAMES / "rare_chars.jsonl").read_text("utf-8").splitlines()
    names = [json.loads(line)["name"] for line in lines]
    assert [read("卡被吞了", name=name).complainant.name for name in names] == names


@pytest.mark.parametrize(
    ("text", "phone"),
    [
        ("请打13800138000", "13800138000"),
        ("电话：+86 138 0013 8000", "13800138000"),
        ("手机１３８００１３８０００", "13800138000"),
        ("我的电话是幺三八零零幺三八零零零", "13800138000"),
        ("电话 0591-87654321", "059187654321"),
        ("联系电话：138-0013-8000，谢谢", "13800138000"),
    ],
)
def test_a_telephone_is_read_in_the_forms_people_use(text: str, phone: str) -> None:
    assert read(text).complainant.phones == (phone,)


@pytest.mark.parametrize(
    "text",
    [
        "我打95561没人接",
        "骗子的电话是13912345678",
        "订单号13800138000已退款",
        "收款账号6222021234567890123不认识",
    ],
)
def test_numbers_of_the_bank_of_others_and_of_things_are_not_taken_for_the_customers(text: str) -> None:
    assert read(text).complainant.phones == ()


def test_an_identity_number_is_checked_by_its_check_digit() -> None:
    (good,) = read("身份证号11010519491231002X").complainant.documents
    assert good == Document(kind="cn_id", number="11010519491231002X", valid=True)
    (bad,) = read("身份证号110105194912310021").complainant.documents
    assert not bad.valid
    (old,) = read("身份证130503670401001").complainant.documents
    assert (old.kind, old.valid) == ("cn_id", True)


@pytest.mark.skipif(not PII.exists(), reason="the identifiers do not stand beside the project")
def test_identity_and_card_numbers_of_public_test_suites_are_judged_as_those_suites_say() -> None:
    rows = [json.loads(line) for line in PII.read_text("utf-8").splitlines()]
    asked = {"cn_id": "身份证号", "bank_card": "银行卡号"}
    judged = [
        (row, any(d.valid and d.kind == row["kind"] for d in read(asked[row["kind"]] + row["value"]).complainant.documents))
        for row in rows
        if row["kind"] in asked
    ]  # fmt: skip
    wrong = [row["value"] for row, valid in judged if valid != row["valid"]]
    # District codes change every year; a number of a district that never was passes for that price.
    assert len(wrong) <= len(judged) * 0.2, f"{len(wrong)} of {len(judged)}"


def test_a_bank_card_is_found_through_its_spaces_and_shown_masked() -> None:
    complaint = read("我的卡6222 0200 0000 0000 0000被盗刷", title="卡6222020000000000000被盗刷")
    numbers = [document.number for document in complaint.complainant.documents]
    assert numbers == [] or numbers[0].startswith("622202")
    shown = [finding.masked for finding in complaint.privacy.findings if finding.kind == "bank_card"]
    assert all("*" in masked and masked.endswith("0000") for masked in shown)


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("我替我母亲投诉，她的存款取不出来", Role.AGENT),
        ("我父亲去世后名下存款怎么办，网点不给取", Role.HEIR),
        ("我司账户被冻结", Role.ORGANISATION),
        ("我的卡被吞了", Role.SELF),
    ],
)
def test_in_whose_right_somebody_complains_is_told_from_the_words(text: str, role: Role) -> None:
    assert read(text).complainant.role is role


def test_anonymous_is_said_or_chosen_and_many_are_counted() -> None:
    assert read("我要匿名投诉这个网点").complainant.anonymous
    assert not read("这是实名投诉，不是匿名").complainant.anonymous
    assert read("我们30多个储户一起来的").complainant.party_count == 30


def test_only_the_customers_own_words_give_the_customers_facts() -> None:
    turns = (
        Turn(speaker=Speaker.AGENT, text="您好，我是客服李雷，工号8001，电话13911112222"),
        Turn(speaker=Speaker.CUSTOMER, text="我叫张小明，电话是138"),
        Turn(speaker=Speaker.AGENT, text="嗯"),
        Turn(speaker=Speaker.CUSTOMER, text="00138000"),
    )
    complainant = read(turns=turns).complainant
    assert complainant.name == "张小明"
    assert complainant.phones == ("13800138000",)


def test_the_banks_own_number_is_known() -> None:
    assert "95561" in TABLES.own_phones
