"""Authentication data leaves the words before anything is kept; what identifies a person is shown masked."""

import pytest

from gateway.contract.complaint import Speaker, Turn
from normalizers.privacy import mask_card, mask_email, mask_id, mask_name, mask_phone
from tests.normalizers.conftest import read


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("我的密码是123456，还是登不上", "123456"),
        ("密码：abc!2345 不对", "abc!2345"),
        ("验证码 839201 已经给他了", "839201"),
        ("客服让我报验证码，我报了六八八三二一，验证码是688321", "688321"),
        ("CVV 123，卡还在我手上", "123"),
        ("背面三位数是 456", "456"),
        ("有效期 09/27", "09/27"),
        ("my PIN is 4821 and it fails", "4821"),
        ("verification code: 552817", "552817"),
        ("%B6222020000000000000^ZHANG/SAN^27091010000?", "6222020000000000000^ZHANG"),
    ],
)
def test_a_secret_is_removed_from_text_title_request_and_turns_and_the_words_around_it_stay(
    text: str, secret: str
) -> None:
    turns = (Turn(speaker=Speaker.CUSTOMER, text=text),)
    complaint = read(text, title=text, request=text, turns=turns)
    document = complaint.model_dump_json()
    assert secret not in document
    assert "已删除" in complaint.narrative
    assert complaint.privacy.redactions >= 1
    assert {finding.action for finding in complaint.privacy.findings if finding.masked == "******"} == {"removed"}


@pytest.mark.parametrize(
    "text",
    [
        "我忘记密码了，网点让我跑三趟",
        "密码输错3次被锁",
        "验证码一直收不到",
        "2026年1月1日改的密码",
        "他要我的安全码我没给",
    ],
)
def test_words_about_secrets_without_a_secret_stay_as_they_are(text: str) -> None:
    complaint = read(text)
    assert complaint.narrative == text
    assert complaint.privacy.redactions == 0


def test_what_is_asked_in_one_turn_and_answered_in_the_next_is_removed() -> None:
    turns = (
        Turn(speaker=Speaker.AGENT, text="请您报一下收到的验证码"),
        Turn(speaker=Speaker.CUSTOMER, text="嗯 六六八 八三二"),
    )
    said = read(turns=turns).turns[1].text
    assert "六六八" not in said
    assert "已删除" in said


def test_numbers_are_masked_the_way_screens_show_them() -> None:
    assert mask_card("6222021234567890") == "622202******7890"
    assert mask_id("11010519491231002X") == "110***********002X"
    assert mask_phone("13800138000") == "138****8000"
    assert mask_name("张三丰") == "张**"
    assert mask_email("somebody@example.com") == "s***@example.com"


def test_a_title_shows_no_number_in_full() -> None:
    title = read("请回电13800138000，谢谢").title
    assert "13800138000" not in title
    assert "138****8000" in title
