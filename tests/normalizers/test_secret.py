"""Only the value of a secret goes, however it is written; words that only talk of one stay as they are."""

import pytest

from normalizers.secret import Conversation, find_name_kind, find_removed, may_hold_secret, remove_secrets

GIVEN_AWAY = [
    ("我的密码是123456，还是登不上", "123456"),
    ("密码：abc!2345 不对", "abc!2345"),
    ("验证码 839201 已经给他了", "839201"),
    ("客服让我报验证码，我报了六八八三二一，验证码是688321", "688321"),
    ("客服让我报验证码，我报了六八八三二一", "六八八三二一"),
    ("CVV 123，卡还在我手上", "123"),
    ("背面三位数是 456", "456"),
    ("有效期 09/27", "09/27"),
    ("my PIN is 4821 and it fails", "4821"),
    ("verification code: 552817", "552817"),
    ("%B6222020000000000000^ZHANG/SAN^27091010000?", "6222020000000000000^ZHANG"),
    (";6222020000000000000=27091010000012300000?", "6222020000000000000=2709"),
    ("【兴业银行】您的验证码为483920，5分钟内有效，请勿泄露", "483920"),
    ("【兴业银行】483920（登录验证码），请勿告知他人", "483920"),
    ("483920是您的验证码，请勿泄露给任何人", "483920"),
    ("G-483920 is your Google verification code", "483920"),
    ("Use code 483920 to sign in", "483920"),
    ("the code is 48 39 20", "48 39 20"),
    ("OTP: 483920", "483920"),
    ("one-time password is 7731", "7731"),
    ("验证码是四八三九二零", "四八三九二零"),
    ("验证码是四 八 三 九 二 零", "八 三 九"),
    ("验证码是幺二三洞五六", "幺二三洞五六"),
    ("验证码４８３９２０发给骗子了", "４８３９２０"),
    ("驗證碼是483920", "483920"),
    ("驗 證 碼：4-8-3-9-2-0", "4-8-3-9-2-0"),
    ("验\u200b证\u200b码483920", "483920"),
    ("验证码①②③④⑤⑥", "①②③④⑤⑥"),
    ("我把验证码告诉他了，483920", "483920"),
    ("我收到的短信验证码是：“483920”，我就给他了", "483920"),
    ("密码我输的是852741，一直提示错误", "852741"),
    ("取款密码是 1 2 3 4 5 6", "1 2 3 4"),
    ("交易密码654321被人知道了", "654321"),
    ("查询密码为888999", "888999"),
    ("登录密码 Abc12345 登不上去", "Abc12345"),
    ("密码改成了Hello@2024", "Hello@2024"),
    ("密码就是19900101", "19900101"),
    ("安全码是三二一", "三二一"),
    ("卡背面签名栏后三位是 321", "321"),
    ("CVV2：３２１", "３２１"),
    ("cvc code 321", "321"),
    ("the three digits on the back are 321", "321"),
    ("PIN码1234", "1234"),
    ("my password is hunter2", "hunter2"),
    ("Password: sunshine", "sunshine"),
    ('password: "Tr0ub4dor&3"', "Tr0ub4dor&3"),
    ("密码是woaini", "woaini"),
    ("my pin is four eight two one", "four eight two one"),
    ("the one-time code was four eight three nine two zero", "four eight three nine"),
    ("أعطيته رمز التحقق ٤٨٣٩٢٠", "٤٨٣٩٢٠"),
    ("كلمة السر هي 123456", "123456"),
    ("رمز التحقق: 483920", "483920"),
    ("卡号、有效期、安全码：6222021234567890123 09/27 777", "777"),
    ("信用卡有效期是09/27，安全码456", "456"),
    ("信用卡有效期是09/27，安全码456", "09/27"),
    ("客服：请报一下验证码\n客户：483920", "483920"),
    ("客服：请提供您收到的验证码\n客户：嗯，四八三，九二零", "四八三"),
    (
        "1\n00:00:01,000 --> 00:00:03,000\n坐席：请您报一下验证码\n\n2\n00:00:03,500 --> 00:00:06,000\n客户：四八三九二零\n",
        "四八三九二零",
    ),
    ("Agent: what is the code?\nCustomer: it's 483920", "483920"),
    ("密码（123456）不对", "123456"),
    ("动态口令 483920", "483920"),
    ("短信里的六位数字是483920", "483920"),
    ("把收到的六位数字483920告诉了他", "483920"),
    ("验证码：4839，余额没了", "4839"),
    ("ＣＶＶ：321", "321"),
    ("pass word = qwerty1", "qwerty1"),
    ("passcode 483920", "483920"),
    ("密 碼 是 1 2 3 4 5 6", "1 2 3 4 5 6"),
    ("验证码483920，我把 483920 念给他听", "483920 念"),
    ("口令是889900", "889900"),
    ("wifi密码是abcd1234", "abcd1234"),
    ("您的动态密码是：731554，请在页面输入", "731554"),
    ("验证码为 A3F9K2", "A3F9K2"),
    ("他说他是客服，我就把验证码发给他了是 113355", "113355"),
    ("security code 321", "321"),
    ("valid thru 09/27", "09/27"),
]
"""(text, a part of it that must be gone)"""

TALKED_OF = [
    "我忘记密码了，网点让我跑三趟",
    "密码输错3次被锁",
    "验证码一直收不到",
    "2026年1月1日改的密码",
    "他要我的安全码我没给",
    "没收到验证码",
    "密码错误3次",
    "修改密码要收费10元",
    "修改密码要收费100元",
    "密码重置的费用是5000元",
    "密码重置请拨打95561",
    "收不到验证码，我的手机号是13800138000",
    "验证码发到13800138000了",
    "验证码错误，错误代码 5003",
    "验证码收不到，等了1200秒",
    "没收到验证码，尾号6688的卡",
    "忘了密码，受理编号471108154243",
    "订单号20260101123456，密码锁了",
    "输密码输了五六次",
    "密码是6位数字",
    "密码要求8-16位",
    "branch code 0591",
    "my branch code is 350001",
    "error code 5003 appears",
    "I forgot my password 3 times",
    "password was reset on 2026-01-02",
    "the PIN pad at branch 1024 is broken",
    "shipping took 1234 hours",
    "sort code 12-34-56",
    "二维码 123456",
    "扫码付了483920元",
    "号码13800138000",
    "收到95561发来的验证码",
    "10086发来验证码",
    "验证码 138 0013 8000",
    "密码2026年1月改过",
    "优惠券有效期至12/26",
    "活动有效期 12/25",
    "身份证有效期 03/30",
    "密码被锁了2026-01-01",
    "密码锁定，卡号6222021234567890123",
    "1234567890是我的工号",
    "客服工号3721让我改密码",
    "请于2026/11/22前处理，金额50000.00元",
    "转账5000元没收到短信验证码",
    "我在ATM取款2000，密码没错",
    "安全码没有",
    "背面有划痕，尾号456",
    "password is incorrect",
    "the code of conduct 2024 says",
    "zip code 350001",
    "promo code 2024",
    "QR code 12345",
    "客服：您的验证码收到了吗\n客户：没有，我的手机号是13800138000",
    "客服：请问您忘记密码几次了\n客户：三次",
    "客服：请勿把验证码告诉他人\n客户：我的卡尾号6688",
    "本人今天上午到贵行办理银行卡换卡业务，取号后等待近两个小时",
    "等了123分钟",
    "https://x.example/a?b=123456789012345678",
    "我要密码信封，花了20块",
    "第6位密码按键坏了",
    "密码键盘坏了，3号机",
    "验证码过了1个小时才到",
    "验证码是多少都没告诉我，就扣了3000",
    "密码重置了2次都不行，我11月20日去的",
    "短信验证码延迟30分钟",
    "交易密码连续输错5次，锁了24小时",
    "PIN was blocked after 3 attempts",
    "安全码输入3次错误",
    "拨打客服热线95561按1后按2输入密码",
    "网点编码350001",
    "邮政编码350001",
    "社会统一信用代码91350000158142711F",
    "编码483920",
]
"""Amounts, phones, dates, numbers of receipts and words about secrets without a secret."""

_LONG = 60_000


@pytest.mark.parametrize(("text", "value"), GIVEN_AWAY)
def test_the_value_goes_for_a_tag_and_a_second_look_finds_nothing(text: str, value: str) -> None:
    redacted = remove_secrets(text)
    assert value not in redacted.text
    assert find_removed(redacted.text) == list(redacted.kinds)
    assert redacted.kinds
    assert remove_secrets(redacted.text).text == redacted.text


@pytest.mark.parametrize("text", TALKED_OF)
def test_what_is_no_secret_stays_to_the_letter(text: str) -> None:
    assert remove_secrets(text).text == text


def test_the_words_around_the_value_stay() -> None:
    assert remove_secrets("我的密码是123456，转了50.00元").text == "我的密码是[已删除:密码]，转了50.00元"


def test_a_value_that_was_given_away_once_goes_wherever_it_stands_again() -> None:
    redacted = remove_secrets("我念了483920给他。后来才知道 483920 就是验证码：483920")
    assert "483920" not in redacted.text
    assert redacted.kinds == ("code",) * 3


@pytest.mark.parametrize(
    ("turns", "gone"),
    [
        (["请您报一下收到的验证码", "嗯 六六八", "好的", "八三二"], ["六六八", "八三二"]),
        (["what is the security code on the back?", "it's 3 2 1"], ["3 2 1"]),
        (["我的密码是", "abc12345"], ["abc12345"]),
        (["验证码多少", "稍等我看一下手机", "收到了，是 483920"], ["483920"]),
        (["What's your PIN?", "four eight two one"], ["four eight"]),
    ],
)
def test_what_is_asked_in_one_turn_and_answered_in_the_next_ones_goes(turns: list[str], gone: list[str]) -> None:
    conversation = Conversation()
    told = "\n".join(conversation.remove(turn).text for turn in turns)
    assert not [value for value in gone if value in told]


@pytest.mark.parametrize(
    "turns",
    [
        ["您的验证码收到了吗", "没有，我的手机号是13800138000"],
        ["请勿把验证码告诉他人", "好，我的卡尾号6688"],
        ["密码输错几次了？", "五六次"],
        ["请报一下验证码", "我没收到", "那请报一下您的手机号", "13800138000"],
        ["密码忘了怎么办", "请拨打95561"],
    ],
)
def test_an_answer_to_another_question_stays(turns: list[str]) -> None:
    conversation = Conversation()
    assert [conversation.remove(turn).text for turn in turns] == turns


@pytest.mark.parametrize(
    ("name", "kind"),
    [("password", "password"), ("交易密码", "password"), ("CVV2", "cvv"), ("otp_code", "code"), ("验证码", "code")],
)
def test_a_field_is_known_by_its_name(name: str, kind: str) -> None:
    assert find_name_kind(name) == kind
    assert Conversation().remove_labelled(name, "483920") is not None
    assert Conversation().remove_labelled(name, "忘记了") is None


@pytest.mark.parametrize("name", ["code", "branch_code", "text", "shipping", "password_hint_shown", "track"])
def test_other_names_of_fields_say_nothing(name: str) -> None:
    assert not find_name_kind(name)


def test_a_text_without_a_label_is_not_looked_at_further() -> None:
    assert not may_hold_secret("本人今天上午到贵行办理银行卡换卡业务，2026-11-22 转账5000元".encode())


@pytest.mark.parametrize(
    "unit",
    [
        *(
            "验证码",
            "密码是",
            "密码 ",
            "验证码我我他他的的是了",
            "1 ",
            "一，",
            "验证码报了",
            "code ",
            "code is ",
            "卡背面",
            "有效期",
        ),
        *(
            "b6222020000000000000^",
            "12345678901234567=2",
            "验证码多少\n483920\n",
            "what is the code\n1\n",
            "[已删除:密码]",
            "[",
            "a:",
        ),
        *("one ", "pin-", "密\u200b", "1\n00:00 --> 00:01\n", "6222 0212 3456 7890 09/27 ", "-->\n", "验 ", "密码是a "),
    ],
)
def test_any_text_of_any_length_is_read_through(unit: str) -> None:
    """What takes a time that grows with the square of the length does not end here."""
    text = ("验证码" + unit * _LONG)[:_LONG]
    assert remove_secrets(text).text.startswith("验证码"[: len(text)])


def test_half_characters_and_bytes_of_no_charset_do_no_harm() -> None:
    assert "483920" not in remove_secrets("\ud800\udcff 验证码是483920 \x00").text
