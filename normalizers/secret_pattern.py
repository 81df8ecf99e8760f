"""How people write and say a password, PIN, CVV, one-time code or track data, as patterns with the value in group `value`.

They look at a text folded by `normalizers.text`: lower case, simplified, ASCII digits, nothing invisible. What may stand
between a label and its value is a list of words, not any text, so that an amount, a phone or a receipt number behind
"密码" is left alone. All repetitions are bounded: each pattern is linear in the text.
"""

import re

_GAP = r"[ \t·.\-_*]?"


def _spaced(*words: str) -> str:
    """Any of the words, also with a space or dot between the characters (「验 证 码」)."""
    return "|".join(_GAP.join(word) for word in words)


SPOKEN = "零〇○洞一幺壹二两贰三叁四肆五伍六陆七拐柒八捌九勾玖"
"""幺 洞 拐 勾 are what 1 0 7 9 are called on the telephone."""
DIGIT = rf"[0-9{SPOKEN}]"
_JOIN = r"[ \t,，、.·…\-_*/]{0,3}(?:(?:嗯|啊|呃|额|哦|然后|后面|接着|再|和)[ \t,，、.…]{0,2})?"
_ENGLISH = r"(?:(?:double|triple)[ ]?)?(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)"
_UNIT = (
    r"年|月|日|元|块|圆|位|个|次|遍|万|千|百|亿|天|小时|分钟|分(?!开)|秒|点(?!击)|号|%|折|倍|条|家|人|张|笔|岁|公里|米|"
    r"kb|mb|rmb|usd|yuan|dollar|times|days?\b|hours?\b|min|digits?\b|characters?\b|people|http"
)
_END = rf"(?:(?<=[0-9])(?![0-9]|[{SPOKEN}](?!次|遍|个|分钟))|(?<![0-9])(?!{DIGIT}))(?![ \-]{DIGIT}{{3}}|[ \t]{{0,2}}(?:{_UNIT})|\.\d)"


def _run(least: int, most: int) -> str:
    """So many digits, however they are written, broken up or said in Chinese or English."""
    return (
        rf"(?:(?<![0-9]){DIGIT}(?:{_JOIN}{DIGIT}){{{least - 1},{most - 1}}}{_END}"
        rf"|\b{_ENGLISH}(?:[ ,.\-]{{1,3}}{_ENGLISH}){{{max(least - 2, 1)},{most - 1}}}\b)"
    )


_OPEN = r"[ \t]{0,2}[\"'“‘「『【\[(（<]?[*]{0,2}[ \t]{0,2}"
_IS = (
    r"[ \t\n]{0,3}(?:(?:就|都|应该|好像|确实|可能|现在|原来|之前|以前|还|一直|也|我|他|她|给|被|已|已经|又|重新){0,3}"
    r"(?:改|设|写|换|输|填|重置|设置|修改|定|告诉|报){0,2}(?:了|的)?(?:是|为|系|成了?|叫|作)(?:了|的)?"
    r"|[:：=]|is\b|was\b|were\b|are\b|هو|هي)"
    r"[ \t\n]{0,3}(?:我的|这个|这六位|这个数|(?:我|我的|孩子|老公|老婆)?生日|(?:身份证|手机|手机号|卡号|电话|学号)[后末尾前][六四6]位数?|الخاص بك هو|[:：])?"
    + _OPEN
)
_FILL = (
    r"(?:[ \t\n]{0,2}(?:[,，:：、]|就|都|应该|好像|的|是|为|叫|了|着|过|我|您|你|他|她|对方|给|把|被|已|已经|收到|发来|发送|发|报|念|说|告诉|"
    r"告知|提供|输入|输|填|写|试|用|设|改|换|成|号码?|如下|这个|那个|短信|里面|上面|显示|过去|过来|客服|骗子|登录|交易|支付|转账|"
    r"本次|此次|数字|数|[六四6三3]位|后|完|一下|让|要|嗯|啊|呃|从|由|分别|原来|原|也|还|卡上的|هو|هي|الخاص بك|"
    r"(?:i|me|my|the|it|it's|it’s|they|you|he|she|sent|send|got|received|was|is|gave|him|her|them|as|to|number|no\.?|code)\b)){0,8}[ \t\n]{0,2}"
    + _OPEN
)

CODE = (
    r"(?:"
    + _spaced(
        *(
            "验证码",
            "验正码",
            "校验码",
            "效验码",
            "动态码",
            "动态口令",
            "动态密码",
            "短信码",
            "短信密码",
            "短信口令",
            "短信验证码",
            "短信验证",
        ),
        *("确认码", "授权码", "认证码", "登录码", "一次性密码", "一次性口令", "随机码"),
    )
    + r"|动态令牌(?:上)?的?(?:数字|号码|密码)?|短信(?:里|上|中)?(?:收到)?的?(?:那)?(?:[六四6]位)?数字?|收到的(?:那)?(?:个)?[六四6]位数字?码?|(?<![0-9后末尾前头])[六四6]位(?:的)?(?:验证)?数字?码?"
    r"|\botp\b|\b(?:verification|verify|security|one[ -]?time|sms|text|auth(?:entication|orization|orisation)?|access|confirmation|login|2fa)"
    r"[ -](?:code|passcode|password|pin|number)\b|رمز ال(?:تحقق|تاكيد|تفعيل)|كود ال(?:تحقق|تاكيد)|الرمز)"
)
CVV = (
    r"(?:\bcv[vcn]2?(?:码|[ ]?(?:code|number|no\.?))?|"
    + _spaced("安全码")
    + r"|(?:签名栏|签名条|卡|背)[^,，。0-9\n]{0,6}(?:背|背面|背后|反面|签名栏|签名条|后)[^,，。0-9\n]{0,5}[三3](?:位|个)(?:数字|数|号码|码)?|背面[^,，。0-9\n]{0,4}[三3](?:位|个)(?:数字|数|号码|码)?"
    r"|(?:末|后)三码|三位安全码|security code (?:on|at) the back|(?:card )?verification (?:value|number)|(?:three|3) digits? (?:on|at) the back(?: of (?:my|the|your) card)?|رمز الامان)"
)
PIN = r"(?:\bpin(?:[ ]?(?:number|no\.?|code|码))?(?![a-z])|الرقم السري)"
LOGIN = (
    r"(?:"
    + _spaced("密码", "口令")
    + r"|\bpass[ -]?(?:word|wd|code|phrase)|\bpass(?=[ ]?[:=])|\bpwd\b|كلمه (?:ال)?(?:سر|مرور))"
)
LABEL = re.compile(
    # The first characters are tried first: nearly every place fails there.
    r"(?=[验校效动令短确授认登一随收六四6安卡背签末后三3密口ovsatclp2رك\u0627])"
    rf"(?:(?P<cvv>{CVV})|(?P<code>{CODE}|\b(?:the|that|your|a|this) code\b(?! of))|(?P<pin>{PIN})|(?P<password>{LOGIN}))"
)

_ALNUM = r"(?=[a-z!@#$%^&*_]{0,31}\d)(?=[\d!@#$%^&*_]{0,31}[a-z])[a-z0-9!@#$%^&*_]"
_TYPED = r"(?=[^\s,，。；;！!？?]{0,31}[\d!@#$%^&*_])[a-z0-9!@#$%^&*_+=~.\-]{3,31}[a-z0-9!@#$%^&*_+=~]"
_LETTERS = (
    r"(?!(?:wrong|forgot|lost|reset|incorrect|invalid|expired|error|problem|unknown|please|help|change|block|lock|null|"
    r"none|undefined|wifi|http|icbc|cib)[a-z]*\b)[a-z]{5,32}(?![a-z@])"
)
_SPELT_LETTERS = r"[a-z0-9](?:[ ,，、\-]{1,2}[a-z0-9]){3,19}(?![a-z0-9])"
_TELLS = r"(?:报|念|告诉|告知|说|回复|提供|输入|输|填|发|给)(?:了|的|是|给|过去|他|她|对方|客服|骗子|一遍|出){0,4}[ \t,，:：“\"]{0,2}"
_SECOND = r"(?:2[2-9]|3\d|4[0-5])"
_MONTH = r"(?:0[1-9]|1[0-2])"
_EXPIRY = rf"(?:{_MONTH}[ ]?[/\-年.][ ]?(?:20)?{_SECOND}|(?:20)?{_SECOND}[ ]?[/\-年.][ ]?{_MONTH}月?)(?![\d/\-.])"


_ALIKE = rf"[四五六七八4-8]个{DIGIT}(?!{DIGIT})"
_SAYS = (
    r"(?: (?:on|of|for|in|i|my|the|this|that|card|back|account|use|used|have|just|got|and|to|it|for|online|bank|phone)\b){1,8}"
    r" (?:is|was|said|typed|entered|(?:told|gave) (?:him|her|them|the [a-z]{2,12}))[:]? "
)


def _after(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(each) for each in patterns)


AFTER_LABEL = {
    "code": _after(
        rf"{_FILL}(?P<value>{_run(4, 8)})",
        rf"{_IS}(?P<value>{_ALNUM}{{4,8}})(?![a-z0-9])",
        rf"[^。！？!?\n]{{0,40}}?{_TELLS}(?P<value>{_run(6, 6)})",
        rf"{_SAYS}(?P<value>{_run(4, 8)})",
        # "security code" is the name of both.
        rf"(?<=security code){_FILL}(?P<value>{_run(3, 3)})",
    ),
    "cvv": _after(rf"(?:{_FILL}|{_IS}|{_SAYS})(?P<value>{_run(3, 4)})"),
    "pin": _after(rf"(?:{_FILL}|{_IS}|{_SAYS})(?P<value>{_run(4, 12)})"),
    "password": _after(
        rf"{_IS}(?P<value>{_run(4, 20)}|{_TYPED}|{_SPELT_LETTERS})",
        rf"{_OPEN}(?P<value>\d{{4,12}}){_END}(?![\-/])",
        rf"{_OPEN}(?P<value>{_ALNUM}{{6,32}})",
        rf"{_FILL}(?P<value>{_run(6, 12)}|{_ALIKE})",
        rf"(?:不对|错误|不正确|无效|失效)[ ]?[:： ][ ]?(?P<value>\d{{6}}){_END}",
        rf"[^。！？!?\n号0-9]{{0,20}}?{_TELLS}(?P<value>{_run(6, 6)})(?!单号|这个号)",
        # Far from its label, a value must not look like anything else.
        rf"[^。！？!?\n0-9a-z号信箱名]{{0,14}}(?:是|为|系|成了?|[:：])[ ]?(?P<value>{_ALNUM}{{6,32}})(?![a-z0-9@.])",
        rf"(?:[ ]?(?:是|为|is\b)?[ ]?[:：=][ ]?[\"'“]?|[ ]?(?:是|为)|[\"'“])(?P<value>{_LETTERS})",
    ),
}
"""What follows a label of that kind; the first that fits counts."""
IN_BRACKETS = re.compile(r"[ ]?[(（][^()（）\d\n]{1,12}[)）]")
"""Between a label and what follows it: its other name."""
FURTHER = re.compile(
    r"[ ,，、/]{0,2}(?:和|与|跟|还有|以及|或者?|and|or|[^。0-9a-z\n]{0,6}(?:又|再|第[二三]次|改成了?|改为|换成了?)[^。0-9a-z\n]{0,6})[ ]{0,2}"
    rf"(?P<value>(?<!\d)\d{{6,8}}{_END}|{_ALNUM}{{6,32}})"
)
"""A second value behind the first."""
NUMBER = re.compile(r"[0-9]+")
AFTER_NUMBER = _after(
    rf"[ ]{{0,2}}[\"”）)】]?[ ]?(?:就?是|为)[^,，。0-9\n]{{0,10}}?{CODE}",
    rf"[ ]{{0,2}}is (?:[a-z'.]{{1,15}} ){{0,4}}?(?:{CODE}|code\b)",
    rf" as (?:your|my|the|a) (?:[a-z]{{2,12}} ){{0,2}}?{CODE}",
    rf"[ ]?[（(【\[,，][ ]?[^\s()（）\d,，。]{{0,8}}{CODE}(?=[)）\]】,，。])",
)
"""What follows a one-time code of 4 to 8 digits that stands before its label."""
AFTER_SIX = {
    "code": re.compile(rf"[ ]?(?:[,，][ ]?是(?={CODE}(?:$|[\s，。,.!！]))|这个|那个|这条)?{CODE}"),
    "password": re.compile(rf"[ ]?(?:(?:这个|那个|作为|做|当)(?:我的|卡的|取款|交易|登录)?){LOGIN}"),
}
"""What follows one of six digits, without a word that joins them."""
BEFORE_OTHER = re.compile(r"(?:号|号码|金额|元|额|转了?|卡|第|no\.?|#|¥|￥|\$)[ :：]?$")
ANY_CODE = re.compile(
    r"code\b(?P<is>(?: (?:is|was|i got|i received|(?:they|you) sent(?: me)?))?[ ]?[:=]?)[ ]{0,2}[\"“']?"
    rf"(?P<value>\d(?:[ \-]?\d){{3,7}})(?![a-z]){_END}"
)
BEFORE_CODE = re.compile(r"(?<![a-z])(?:([a-z]{1,20})[ \-.])$")
STRIPE = re.compile(r"(?P<value>b\d{12,19}\^[^\^\n]{2,26}\^\d{4,}[^\s?]{0,60}\??)")
AFTER_CARD = re.compile(rf"={_SECOND}{_MONTH}\d{{3,30}}\??(?![0-9a-z=])")
"""Track 2 behind the card number; its digits are the issuer's."""
CARD_LINE = re.compile(
    rf"(?<!\d)\d{{4}}[ ]?\d{{4}}[ ]?\d{{4}}[ ]?\d{{1,7}}[ ,，|]{{1,3}}(?P<value>{_MONTH}[/\-]?{_SECOND}[ ,，|]{{1,3}}\d{{3,4}})(?!\d)"
)
"""A card as it is sold: number, expiry and CVV in one line."""
EXPIRY = re.compile(
    r"(?:有效期限?|expir(?:y|es|ation)(?: date)?|exp\b\.?|valid thru\b)[ ]{0,2}(?:是|为|到|至|[:：]|is)?[ ]{0,2}"
    rf"(?P<value>{_EXPIRY})"
)
NO_CARD = re.compile(r"(?:优惠|券|合同|身份证|证件|活动|积分|coupon|offer|contract|passport).{0,6}$")
"""Before "valid until": of something else than a card."""

OWN_CODE = frozenset(
    [
        "the",
        "a",
        "my",
        "your",
        "this",
        "that",
        "use",
        "enter",
        "with",
        "same",
        "got",
        "gave",
        "digit",
        "digits",
        "received",
        "entered",
        "sent",
    ]
)
"""Words before "code 483920" that make it one to sign in with."""
OTHER_CODE = frozenset(
    [
        "error",
        "branch",
        "area",
        "zip",
        "postal",
        "post",
        "sort",
        "swift",
        "country",
        "bank",
        "product",
        "reason",
        "status",
        "promo",
        "promotion",
        "qr",
        "bar",
        "dress",
        "tax",
        "source",
        "reference",
        "ref",
        "response",
        "http",
        "exit",
        "discount",
        "coupon",
        "merchant",
        "currency",
        "iban",
        "bic",
        "routing",
        "state",
        "city",
        "region",
        "staff",
        "employee",
        "agent",
        "order",
        "tracking",
        "fault",
        "failure",
        "message",
        "return",
        "result",
        "item",
        "model",
        "part",
        "colour",
        "color",
        "s",
        "us",
        "usc",
        "law",
    ]
)
"""Words before "code is 483920" that make it another kind of number."""
SERVICE = re.compile(r"95\d{3}|100\d{2}|12\d{3}|400\d{4}|106\d{5}")
"""Numbers of banks, operators and hotlines (not of a person): who sent the code."""
PHONE = re.compile(r"1[3-9]\d{9}")
DATE = re.compile(r"(?:19|20)\d{2}[-.,，、 /]\d{1,2}[-.,，、 /]\d{1,2}")
AFTER_DATE = re.compile(r"[ ]?(?:日|之?前|之?后|起|至|那天|当天|开始|修改|重置)")

ASKS = re.compile(
    r"[?？]|多少|什么|几(?![次位个遍年天])|报|说|念|提供|输入|告诉|发给?我|tell|what|give|provide|read|enter|confirm"
)
ASKS_NOT = re.compile(
    r"不要|请勿|切勿|别|勿|几次|为什么|怎么|没有?收|收不到|忘|do not|don't|never|forgot|重置|修改|错误|不会(?:问|向|索)"
)
LEFT_OPEN = re.compile(rf"(?:{_IS}|的)?[\s，,…:：]*")
"""A label with nothing behind it: the value comes in the next turn."""
OTHER_NUMBER = re.compile(
    r"手机号|电话|卡号|尾号|身份证|证件号|账号|帐号|户号|工号|金额|多少钱|余额|单号|编号|日期|生日|几号|地址|phone|mobile|account|amount|card number"
)
"""Another number is talked about now."""
_CHATTER = r"[\s嗯啊呃哦喔好的对是就那这个我您你记一下它说ok,，。.:：\"“「]{0,14}"
PIECE = re.compile(
    rf"{_CHATTER}(?P<value>{DIGIT}(?:{_JOIN}{DIGIT}){{0,19}}|{_ENGLISH}(?:[ ,.\-]{{1,3}}{_ENGLISH}){{0,19}})[\s，,。.!！?？\"”」啊呀吧对]{{0,6}}"
)
"""A turn that says digits and nothing else."""
ANSWERS = {
    "code": re.compile(_run(4, 8)),
    "cvv": re.compile(_run(3, 4)),
    "pin": re.compile(_run(4, 12)),
    "password": re.compile(rf"{_run(4, 12)}|(?<![a-z0-9]){_ALNUM}{{6,32}}|\b{_SPELT_LETTERS}"),
}
"""In a short turn after the question."""

NAMES = (
    r"(?:(?:login|user|account|bank|card|query|trade|transaction|payment|sms)?(?:password|passwd|pwd|passcode|passphrase)|"
    r"[a-z一-鿿]{0,6}(?:密码|口令)|(?:card)?pin(?:code|number)?|cv[vcn]2?(?:code|码)?|(?:card)?securitycode|安全码|"
    r"otp(?:code)?|smscode|verif(?:y|ication)code|authcode|(?:短信|手机|动态)?(?:验证码|校验码|动态码))"
)
NAME = re.compile(NAMES)
"""A field of this name holds a secret, whatever its value looks like. Compact: no spaces, underscores or dashes."""
