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
    ("骗子冒充客服要走了我的验证码384756，然后钱就没了", "384756"),
    ("他让我把手机收到的验证码给他，我给了，是384756", "384756"),
    ("我先后给了他两个验证码384756和291038", "291038"),
    ("第一次验证码是384756，第二次验证码是291038", "291038"),
    ("验证码：384756；密码：aa112233", "aa112233"),
    ("手机银行登录密码忘记了，原来是zhang1988", "zhang1988"),
    ("柜员让我大声念出密码，我念了135790", "135790"),
    ("我的取款密码设成了生日880808，被人猜到了", "880808"),
    ("密码（880808）", "880808"),
    ("初始密码888888一直没改", "888888"),
    ("密码是六个8", "六个8"),
    ("密码就六个零", "六个零"),
    ("银行发来的短信：您正在登录手机银行，动态密码384756，切勿告诉他人", "384756"),
    ("【中国银行】尊敬的客户，您的校验码为 384756，有效期3分钟", "384756"),
    ("【兴业银行】尾号6688卡交易验证码:384756，消费金额3000.00元", "384756"),
    ("短信显示384756为您本次交易的动态验证码", "384756"),
    ("卡号6225880137706868，有效期0927，后三码852", "852"),
    ("信用卡背面的三位安全码852也告诉他了", "852"),
    ("cvv2是八五二", "八五二"),
    ("安全码（CVV）：852", "852"),
    ("卡背后那三个数字852被抄走", "852"),
    ("the cvv on my card is 852", "852"),
    ("CVV: 8 5 2", "8 5 2"),
    ("I gave the caller the 6-digit code 384756", "384756"),
    ("They asked for my OTP and I told them 384756", "384756"),
    ("Your verification code is 384756. Don't share it.", "384756"),
    ("384756 is your one-time passcode", "384756"),
    ("my online banking password is Summer2023!", "Summer2023!"),
    ("pwd=Summer2023", "Summer2023"),
    ("passcode: 9911", "9911"),
    ("the PIN number I use is 4826", "4826"),
    ("PIN: 4826", "4826"),
    ("I typed my pin 4826 three times", "4826"),
    ("my card pin was 4-8-2-6", "4-8-2-6"),
    ("密码我写的是Abc@123456对不对", "Abc@123456"),
    ("网银密码：Abc@123456", "Abc@123456"),
    ("U盾密码是12345678", "12345678"),
    ("支付密码 123456 被盗", "123456"),
    ("驗證碼384756給了對方", "384756"),
    ("我的網銀密碼係abc12345", "abc12345"),
    ("提款密碼為 654321", "654321"),
    ("安全碼：852", "852"),
    ("請輸入一次性密碼 384756", "384756"),
    ("اعطيته كلمة المرور abc12345", "abc12345"),
    ("الرقم السري 4826", "4826"),
    ("رمز التحقق هو 384756", "384756"),
    ("验证码三八四七五六已经报给他", "三八四七五六"),
    ("验 证 码 3 8 4 7 5 6", "3 8 4 7 5 6"),
    ("Ｐassword：Summer2023", "Summer2023"),
    ("他问验证码，我说384756", "384756"),
    ("对方说他是银行的，叫我报验证码，我就说了，384756", "384756"),
    ("我收到一条短信384756，是验证码", "384756"),
    ("账号zhangsan 密码zhang123 登录不了", "zhang123"),
    ("用户名：zhangsan，密码：zhang123", "zhang123"),
    ("user zhangsan / password zhang123", "zhang123"),
    ("login: zs pass: zhang123", "zhang123"),
    ("我的密码 六 五 四 三 二 一", "六 五 四"),
    ("手机号13971938264，验证码384756", "384756"),
    ("验证码是384756，手机号13971938264", "384756"),
    ("他在电话里让我输入384756这个验证码", "384756"),
    ("我把收到的384756验证码发给了他", "384756"),
    ("密码从123456改成654321也不行", "123456"),
    ("密码从123456改成654321也不行", "654321"),
    ("旧密码123456，新密码654321", "654321"),
    ("两次密码分别是123456和654321", "654321"),
    ("动态令牌上的数字384756", "384756"),
    ("验证码384756不对，又发了291038", "291038"),
    ("我在ATM上输的密码661188没错啊", "661188"),
    ("交易密码一直都是778899", "778899"),
    ("他说验证码发错了，让我再报一次，我又报了552031", "552031"),
    ("工作人员当着很多人的面问我密码，我只好说是903417", "903417"),
    ("短信验证码552031，客服要去了", "552031"),
    ("对方发来链接，我填了卡号、密码（903417）和验证码（552031）", "903417"),
    ("对方发来链接，我填了卡号、密码（903417）和验证码（552031）", "552031"),
    ("密码：九零三四一七", "九零三四一七"),
    ("验证码五五二零三一，五分钟有效", "五五二零三一"),
    ("您的验证码552031，感谢使用", "552031"),
    ("【招商银行】您正在修改密码，验证码552031", "552031"),
    ("[ICBC] Your OTP is 552031 for transaction of CNY 300", "552031"),
    ("Please use 552031 as your one time password", "552031"),
    ("code: 552031 was sent to me twice", "552031"),
    ("he asked for the code and I said five five two zero three one", "five five two"),
    ("CVC2 417", "417"),
    ("cvv是417，有效期11/29", "11/29"),
    ("卡背后最后三位是417", "417"),
    ("背面三位数字我也报了，417", "417"),
    ("安全码417被泄露", "417"),
    ("the security code on the back is 417", "417"),
    ("Password is P@ssw0rd99", "P@ssw0rd99"),
    ("我用户名tom，密码tom12345", "tom12345"),
    ("密码tom_2020登不上", "tom_2020"),
    ("初始密码是身份证后六位310021", "310021"),
    ("密码为手机号后六位938264", "938264"),
    ("查询密码 3344 不对", "3344"),
    ("电话银行密码：334455", "334455"),
    ("PIN码是3344", "3344"),
    ("pin no. 3344", "3344"),
    ("my pin code: 3344", "3344"),
    ("the ATM pin was 3344", "3344"),
    ("验证码是：5 5 2 0 3 1", "5 5 2 0 3 1"),
    ("驗證碼：552031，請勿洩露", "552031"),
    ("密碼錯誤，我輸入的是903417", "903417"),
    ("我輸入密碼903417三次", "903417"),
    ("رمز التحقق الخاص بك هو 552031", "552031"),
    ("كلمة السر: Tom12345", "Tom12345"),
    ("我说了验证码，就是552031", "552031"),
    ("我告诉了他验证码552031", "552031"),
    ("他拿到552031这条验证码以后转走了钱", "552031"),
    ("口令卡上的数字552031", "552031"),
    ("动态口令552031过期", "552031"),
    ("网银登录口令tom12345", "tom12345"),
    ("密码不对：903417", "903417"),
    ("输入验证码552031后提示系统繁忙", "552031"),
    ("一直输入552031验证码都提示错误", "552031"),
    ("My passcode 903417 does not work", "903417"),
    ("verification code 552031 expired", "552031"),
    ("I typed 552031 as the verification code", "552031"),
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
    "密码错误，客服给了我单号202611",
    "我忘了密码，11月22日去网点重置，排队150分钟",
    "重置密码要带身份证，我的身份证号是11010519491231002X",
    "验证码发送到尾号8264的手机上",
    "我没有告诉任何人密码，但是卡里少了500000元",
    "没有输入验证码就扣了300000元",
    "密码输错后ATM吞卡，卡号6225880137706868",
    "改密码花了两个小时",
    "密码改了三次才成功",
    "密码锁了，客服工号100234让我去网点",
    "柜员说密码必须是6位数字，不能是生日",
    "短信验证码每条收费0.1元，扣了100000次",
    "验证码没来，订单号202611220001",
    "我说了我没有泄露验证码，他们说要等15个工作日",
    "密码器编号12345678坏了",
    "网银U盾密码锁死，U盾序列号1234567890",
    "你们的动态口令牌要200元",
    "验证码收到了，但是转账100000没成功",
    "密码没有问题，是你们系统2026-11-22 10:30故障",
    "我4月5日改过密码，5月6日就被盗刷",
    "pin pad broken at branch 350001",
    "I reset my password on 11/22/2026 and waited 1500 minutes",
    "They never sent a verification code to 13971938264",
    "my case number is 20261122, about the password reset",
    "error code: 500001",
    "branch code is 350001",
    "please call me at 13971938264 about my pin",
    "I have asked for a new pin 3 times since 2024",
    "卡背面有我的签名，卡号6225880137706868",
    "安全码输错，被扣手续费100元",
    "有效期内的优惠券2026/12",
    "贷款合同有效期至2027年12月",
    "密码提示问题答案错误3次",
    "密码保护电话是95561-9",
    "说好密码信封7天内寄到，过了30天",
    "验证码输入框只能输入6位",
    "登录密码要求8到16位字母数字",
    "密码错误次数超过5次，24小时后再试",
    "收费标准：密码重置10元/次",
    "那天(20261122)我去改密码",
    "密码重置业务受理号：471108154243",
    "修改密码后余额为123456.78元",
    "客服：请问您的卡号是多少\n客户：6225880137706868\n客服：密码输错几次\n客户：三次",
    "客服：验证码请不要告诉我\n客户：好的，金额是500000",
    "你们让我背三位数字的口诀",
    "第3个密码框",
    "密码学课程2024",
    "I paid 123456 yuan and the password was fine",
    "the code of ethics says 2024",
    "OTP never arrived, amount 5000 CNY debited",
    "OTP not received for transaction of 300000",
    "my card ending 6868 pin blocked",
    "密码是不是要满足12位",
    "微信号zhang1988，密码我忘了",
    "密码忘了，我的微信是zhang1988abc",
    "密码找回链接http://bank.example/reset123",
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
    assert remove_secrets("密码是735824，再说一遍：735824").kinds == ("password",) * 2


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
