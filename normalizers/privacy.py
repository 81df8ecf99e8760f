"""Secrets are taken out before anything is kept; numbers that identify a person are masked wherever they are shown.

Authentication data (passwords, PIN, CVV, one-time codes, track data, card expiry) is class C3 of JR/T 0171-2020: it must
not be kept, so it leaves the words for a tag. Numbers of class C2 stay in the words, which are encrypted at rest, and
are listed masked: card 6 + 4, ID number 3 + 4, mobile 3 + 4, name surname + *.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.contract.complaint import Finding, Speaker, Turn
from normalizers.identifier import Identifier, IdentifierKind
from normalizers.numeral import DIGITS
from normalizers.text import plain

_NAMES = {
    "password": "密码",
    "code": "验证码",
    "cvv": "安全码",
    "pin": "PIN",
    "expiry": "有效期",
    "track": "磁道信息",
}
_REMOVED = "******"

_DIGIT = rf"[\d{DIGITS}]"
_JOIN = r"[ ,，、.\-]{0,2}"
_SPELT = rf"{_DIGIT}(?:{_JOIN}{_DIGIT}){{3,19}}"
"""4 to 20 digits, however they are said or broken up."""
_NOT_QUANTITY = rf"(?!{_DIGIT}|\s{{0,2}}(?:[年月日元块位个次遍万千百亿天分秒点号发打条]|http))"
_IS = r"\s{0,3}(?:(?:就|都|应该|好像|确实|改|设|写)?(?:是|为|成了?|叫)|[:：=]|is\b|was\b)\s{0,3}(?:我的|这个|[:：\"'“‘「])?\s{0,2}"
_LOGIN_VALUE = r"(?=[^\s，。；,;！!？?]{0,31}[\d!@#$%^&*_])[A-Za-z0-9!@#$%^&*_+=~.\-]{4,32}"
_LOGIN_WORD = r"(?:密码|口令|password|passwd|passcode|passphrase|\bpwd)"
_NO_VALUE = r"(?:wrong|forgot|lost|reset|incorrect|invalid|expired|error|problem|unknown|please|help|change|block|lock)"
_CODE = (
    r"(?:验证码|校验码|动态码|动态口令|短信码|短信密码|动态密码|确认码|授权码|\botp\b|verification code|security code|"
    r"one[ -]time (?:code|password|passcode|pin)|\bsms code|\btext code|auth(?:entication|orization)? code)"
)
_CVV = r"(?:\bcv[vcn]2?(?:\s?code)?|安全码|(?:卡)?背面(?:的|那)?(?:后|末)?[三3][位个](?:数字?|码)?|(?:末|后)三码|三位安全码)"
_PIN = r"\bpin(?:\s?(?:number|code|码))?"

_SECRETS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        ("track", r"(?P<secret>%?B\d{12,19}\^[^\^\n]{2,26}\^\d{4,}[^\s?]{0,60}\??|;\d{12,19}=\d{7,}\??)"),
        (
            "code",
            rf"{_CODE}(?:{_IS}|[\s,，]{{0,2}}(?:我收到的|收到|发来的|号码?)?\s{{0,2}}{_IS}|\s{{0,2}})(?P<secret>{_DIGIT}(?:{_JOIN}{_DIGIT}){{3,7}}){_NOT_QUANTITY}",
        ),
        ("code", rf"(?<!\d)(?P<secret>\d{{4,8}})\s{{0,2}}(?:就?是|is)\s?(?:我的|my |the |your )?{_CODE}"),
        ("cvv", rf"{_CVV}(?:{_IS}|\s{{0,2}})(?P<secret>{_DIGIT}(?:{_JOIN}{_DIGIT}){{2,3}}){_NOT_QUANTITY}"),
        ("pin", rf"{_PIN}(?:{_IS}|\s{{0,2}})(?P<secret>{_DIGIT}(?:{_JOIN}{_DIGIT}){{3,11}}){_NOT_QUANTITY}"),
        ("password", rf"{_LOGIN_WORD}(?:{_IS})(?P<secret>{_SPELT}{_NOT_QUANTITY}|{_LOGIN_VALUE})"),
        ("password", rf"{_LOGIN_WORD}\s{{0,2}}(?P<secret>(?<![\d]){_DIGIT}{{4,8}}){_NOT_QUANTITY}(?![\d\-/])"),
        (
            "password",
            rf"{_LOGIN_WORD}\s{{0,2}}(?P<secret>(?=[A-Za-z0-9!@#$%^&*_]{{0,31}}\d)(?=[\d!@#$%^&*_]{{0,31}}[A-Za-z])[A-Za-z0-9!@#$%^&*_]{{6,32}})",
        ),
        (
            "password",
            rf"{_LOGIN_WORD}[^，。；;！？!?\n\d]{{1,10}}(?:是|为|成|[:：])\s{{0,2}}(?P<secret>\d{{4,12}}){_NOT_QUANTITY}",
        ),
        (
            "password",
            rf"{_LOGIN_WORD}\s?(?:is\s?)?(?:[:：=]\s?[\"'“]?|[\"'“])(?P<secret>(?!{_NO_VALUE})[A-Za-z]{{4,32}})(?![A-Za-z])",
        ),
        (
            "expiry",
            r"(?:卡片?(?:的)?有效期|有效期|expir(?:y|es|ation)(?: date)?|\bexp)\s{0,2}(?:是|为|到|至|[:：]|is)?\s{0,2}(?P<secret>(?:0[1-9]|1[0-2])\s?/\s?(?:20)?\d{2})(?!\d|\s?/)",
        ),
    )
)
_GATES = (
    *("pass", "pwd", "otp", "code", "cvv", "cvc", "cvn", "pin", "exp", "^", "="),
    "密码",
    "口令",
    "验证码",
    "校验码",
    "动态",
    "短信码",
    "确认码",
    "授权码",
    "安全码",
    "背面",
    "三码",
    "有效期",
)
_DATE = re.compile(r"(?:19|20)\d{2}[-.,，、 ]\d{1,2}[-.,，、 ]\d{1,2}")

_ASKED = re.compile(rf"(?P<code>{_CODE})|(?P<cvv>{_CVV})|(?P<pin>{_PIN})|(?P<password>{_LOGIN_WORD})", re.IGNORECASE)
_ANSWER = re.compile(
    rf"[\s嗯啊呃哦喔好的对是就那这个我您你，,。.:：\"“「]{{0,12}}(?P<secret>{_DIGIT}(?:{_JOIN}{_DIGIT}){{0,19}})[\s，,。.!！\"”」啊呀吧]{{0,6}}"
)
_PROMPT = re.compile(
    r"[\s嗯啊哦好的对是您请继续说然后还有呢，,。.!！？?]{0,16}(?:ok|okay|go on|yes|and)?[\s.?]{0,3}", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Redacted:
    """Text without its secrets, and one finding for each of them."""

    text: str
    findings: tuple[Finding, ...] = ()


def remove_secrets(text: str) -> Redacted:
    """Linear. "忘记密码" stays; "密码是123456" becomes "密码是〔已删除：密码〕"."""
    view = plain(text)
    lowered = view.lower()
    if not any(gate in lowered for gate in _GATES):
        return Redacted(text)
    spans: list[tuple[int, int, str]] = []
    for kind, pattern in _SECRETS:
        for match in pattern.finditer(view):
            start, end = match.span("secret")
            if not _DATE.fullmatch(view, start, end) and all(end <= a or start >= b for a, b, _ in spans):
                spans.append((start, end, kind))
    if not spans:
        return Redacted(text)
    spans.sort()
    parts, at = [], 0
    for start, end, kind in spans:
        parts += [text[at:start], _tag(kind)]
        at = end
    return Redacted("".join([*parts, text[at:]]), tuple(_removed(kind) for _, _, kind in spans))


def remove_secrets_from_turns(turns: Sequence[Turn]) -> tuple[tuple[Turn, ...], tuple[Finding, ...]]:
    """Also what was asked in one turn and answered in the next ones, in pieces."""
    kept: list[Turn] = []
    findings: list[Finding] = []
    asked = ""
    for turn in turns:
        redacted = remove_secrets(turn.text)
        view = plain(redacted.text)
        answer = _ANSWER.fullmatch(view) if asked and turn.speaker is not Speaker.SYSTEM else None
        if answer and not redacted.findings:
            start, end = answer.span("secret")
            redacted = Redacted(redacted.text[:start] + _tag(asked) + redacted.text[end:], (_removed(asked),))
        elif not (asked and _PROMPT.fullmatch(view)):
            asked = _find_asked(view)
        findings += redacted.findings
        kept.append(turn if redacted.text == turn.text else turn.model_copy(update={"text": redacted.text}))
    return tuple(kept), tuple(findings)


def _find_asked(view: str) -> str:
    """The kind of secret that the end of this turn leaves open: a question, or a label with nothing after it."""
    last = next(reversed(list(_ASKED.finditer(view[-60:]))), None)
    if last is None or last.lastgroup is None:
        return ""
    tail = view[-60:][last.end() :]
    asking = re.search(
        r"[?？]|多少|什么|几|报|说|念|提供|输入|告诉|tell|what|give|provide|read", view[-60:], re.IGNORECASE
    )
    return last.lastgroup if asking or re.fullmatch(rf"(?:{_IS})?[\s，,。.…:：]*", tail, re.IGNORECASE) else ""


def _tag(kind: str) -> str:
    return f"〔已删除：{_NAMES[kind]}〕"


def _removed(kind: str) -> Finding:
    return Finding(kind=kind, masked=_REMOVED, action="removed")


def find_kept(identifiers: Sequence[Identifier]) -> tuple[Finding, ...]:
    """Each number once, masked."""
    masked = {(identifier.kind.value, mask(identifier.kind, identifier.value)): None for identifier in identifiers}
    return tuple(Finding(kind=kind, masked=value, action="kept") for kind, value in masked)


def mask(kind: IdentifierKind, value: str) -> str:
    match kind:
        case IdentifierKind.PHONE:
            return mask_phone(value)
        case IdentifierKind.EMAIL:
            return mask_email(value)
        case IdentifierKind.BANK_CARD:
            return mask_card(value)
        case _:
            return mask_id(value)


def mask_in_text(text: str, identifiers: Sequence[Identifier]) -> str:
    """`text` with the given identifiers (found in it) masked, for subjects and lists."""
    parts, at = [], 0
    for identifier in identifiers:
        parts += [text[at : identifier.start], mask(identifier.kind, identifier.value)]
        at = identifier.end
    return "".join([*parts, text[at:]])


def mask_card(number: str) -> str:
    """`6222021234567890` -> `622202******7890`."""
    return _mask(number, 6, 4)


def mask_id(number: str) -> str:
    """`11010119900307777X` -> `110***********777X`."""
    return _mask(number, 3, 4)


def mask_phone(number: str) -> str:
    """`13800138000` -> `138****8000`; short numbers keep their last two digits."""
    return _mask(number, 3, 4) if len(number) >= 10 else _mask(number, 0, 2)


def mask_name(name: str) -> str:
    """`张三丰` -> `张**`."""
    return name[:1] + "*" * (len(name) - 1)


def mask_email(address: str) -> str:
    """`somebody@example.com` -> `s***@example.com`."""
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}***{at}{domain}"


def _mask(value: str, head: int, tail: int) -> str:
    hidden = len(value) - head - tail
    return value[:head] + "*" * hidden + value[len(value) - tail :] if hidden > 0 else "*" * len(value)
