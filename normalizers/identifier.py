"""Numbers that stand for a person: telephones, ID cards, bank cards, passports, permits, company codes, e-mail addresses.

A number counts for what its form, its check digit and the words before it say. Order numbers, receipts, amounts and the
numbers of others (the swindler's, the account manager's) are told apart by those words; precision goes before recall,
because the gateway writes to the numbers it takes for the customer's.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from stdnum import luhn
from stdnum.cn import ric, uscc

from normalizers.numeral import DIGITS, spell_out
from normalizers.text import plain


class IdentifierKind(StrEnum):
    PHONE = "phone"
    EMAIL = "email"
    CN_ID = "cn_id"
    BANK_CARD = "bank_card"
    PASSPORT = "passport"
    TRAVEL_PERMIT = "travel_permit"
    HK_ID = "hk_id"
    USCC = "uscc"


@dataclass(frozen=True, slots=True)
class Identifier:
    """`value` in its plain form; [start, end) in the text it was found in. `own`: nothing says it is somebody else's."""

    kind: IdentifierKind
    value: str
    valid: bool
    start: int
    end: int
    own: bool = True


_RUN = re.compile(r"(?=[+(\d])(?<![0-9A-Za-z.])[+(]{0,2}\d(?:[ \-.()\u2013]{0,2}\d){6,27}[Xx]?(?![0-9A-Za-z])")
_GROUP = re.compile(r"\d+[Xx]?")
_SPOKEN_RUN = re.compile(rf"[{DIGITS}\d](?:[ ,，、]?[{DIGITS}\d]){{6,27}}")
_SPOKEN = re.compile(rf"[{DIGITS}]")
_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+\-])[A-Za-z0-9][A-Za-z0-9._%+\-]{0,63}@(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?\.){1,5}[A-Za-z]{2,24}(?![A-Za-z0-9])"
)
_LETTERED = re.compile(r"(?<![0-9A-Za-z])(?=[0-9]{0,17}[A-Za-z])[0-9A-Za-z]{8,18}(?:[(（][0-9A][)）])?(?![0-9A-Za-z])")
_HK_ID = re.compile(r"(?<![0-9A-Za-z])[A-Z]{1,2}\d{6}\s?[(（][0-9A][)）]")

_LABEL_LENGTH = 16
_DOCUMENT_LENGTH = 40
_LABEL = re.compile(
    r"(?P<other>订单|单号|流水|编号|回执|受理|工单|合同|保单|凭证|交易号|票号|运单|快递|发票|案号|参考号|order|reference|ref\b|ticket|case|transaction|invoice|tracking|receipt|confirmation)"
    r"|(?P<passport>护照|passport)|(?P<permit>通行证|回乡证|台胞证|permit)"
    r"|(?P<id>身份证|证件|id (?:card|number|no))"
    r"|(?P<card>(?:银行|信用|借记|储蓄|社保|工资|贷记)?卡(?:号|片)?|账[号户]|帐[号户]|尾号|折号|card|account)"
    r"|(?P<phone>电话|手机|座机|联系|致电|拨打|传真|回电|来电|打给|微信|tel|phone|mobile|call|reach|contact|whatsapp|cell|هاتف|رقم)",
    re.IGNORECASE,
)
_OTHERS = re.compile(
    r"对方|骗子|诈骗|陌生|自称|冒充|客户?经理|柜员|行长|客服|催收|中介|热线|收款|打来|发来|来自|转[给到账]|汇[给到]|scammer|caller|fraud|his|her|their|your",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[。！？!?；;]|(?<![:：])\n")

# GB/T 2260, first two digits; 81-83 are residence permits for Hong Kong, Macau and Taiwan, 91 those of foreigners.
_PROVINCES = frozenset(
    str(code)
    for first, last in ((11, 15), (21, 23), (31, 37), (41, 46), (50, 54), (61, 65), (71, 71), (81, 83), (91, 91))
    for code in range(first, last + 1)
)
_NOT_DIALLED = re.compile(r"[^\d+]")
_MOBILE = re.compile(r"(?:(?:\+|00)?86)?(1[3-9]\d{9})")
_LANDLINE = re.compile(r"(?:(?:\+|00)86)?(0?(?:10|2\d)[2-9]\d{7}|0?[3-9]\d{2}[2-9]\d{6,7})")
# How people break a mobile number when they write it.
_MOBILE_SHAPES = {
    (11,),
    (3, 4, 4),
    (3, 8),
    (4, 7),
    (7, 4),
    (3, 3, 5),
    (4, 3, 4),
    (2, 11),
    (2, 3, 4, 4),
    (2, 3, 8),
    (13,),
}


def find_identifiers(text: str) -> tuple[Identifier, ...]:
    """Text as `normalizers.text.plain` gives it -> what stands in it, in order, without overlaps. Linear."""
    digits = _SPOKEN_RUN.sub(lambda match: spell_out(match[0]), text) if _SPOKEN.search(text) else text
    found = [identifier for run in _RUN.finditer(digits) for identifier in _split_run(digits, run.start(), run.end())]
    if "@" in text:
        found += [
            Identifier(IdentifierKind.EMAIL, match[0].lower(), True, *match.span(), own=_is_own(text, match.start()))
            for match in _EMAIL.finditer(text)
        ]
    found += _find_lettered(text)
    found.sort(key=lambda identifier: (identifier.start, -identifier.end))
    kept: list[Identifier] = []
    for identifier in found:
        if not kept or identifier.start >= kept[-1].end:
            kept.append(identifier)
    return tuple(kept)


def read_phone(text: str) -> str:
    """A telephone as it stands in a form field or call record -> mainland digits or E.164; what is neither stays as
    its digits, empty if there are none. Nothing a customer typed as the way to reach them is thrown away.
    """
    number = _NOT_DIALLED.sub("", spell_out(plain(text)))
    mainland = _read_mainland(number, strict=False)
    if mainland:
        return mainland
    return _read_international(number) or number.lstrip("+")


def read_document(text: str) -> Identifier | None:
    """An ID number from a form field. None if it is empty."""
    number = re.sub(r"[\s\-.]", "", plain(text)).upper()[:_DOCUMENT_LENGTH]
    if not number:
        return None
    end = len(number)
    if uscc.is_valid(number) and not _is_cn_id(number):
        return Identifier(IdentifierKind.USCC, number, True, 0, end)
    if re.fullmatch(r"[HMC]\d{8,10}", number):
        return Identifier(IdentifierKind.TRAVEL_PERMIT, number, True, 0, end)
    if re.fullmatch(r"[A-Z]{1,2}\d{7,8}", number):
        return Identifier(IdentifierKind.PASSPORT, number, True, 0, end)
    return Identifier(IdentifierKind.CN_ID, number, _is_cn_id(number), 0, end)


def _split_run(text: str, start: int, end: int) -> Iterator[Identifier]:
    """Groups of digits -> numbers: the longest joins that make sense, from the left."""
    groups = [(match.start() + start, match.end() + start) for match in _GROUP.finditer(text[start:end])]
    at = 0
    while at < len(groups):
        for last in range(len(groups), at, -1):
            found = _classify(text, groups[at:last])
            if found:
                yield found
                at = last
                break
        else:
            at += 1


def _classify(text: str, groups: list[tuple[int, int]]) -> Identifier | None:
    start, end = groups[0][0], groups[-1][1]
    number = "".join(text[a:b] for a, b in groups).upper()
    shape = tuple(b - a for a, b in groups)
    label = _find_label(text, start)
    if label == "other":
        return None
    own = _is_own(text, start)
    size = len(number)
    if size in {15, 18}:
        valid = _is_cn_id(number)
        looks = number[:2] in _PROVINCES and _read_birth(number) is not None
        if (valid and label != "card") or (label == "id") or (size == 18 and looks and label != "card"):
            return Identifier(IdentifierKind.CN_ID, number, valid, start, end, own)
    if number[-1] == "X":
        return None
    if 13 <= size <= 19 and _shape_of_card(shape):
        valid = luhn.is_valid(number)
        if (valid and (label == "card" or number[0] in "3456")) or (label == "card" and size >= 16):
            return Identifier(IdentifierKind.BANK_CARD, number, valid, start, end, own)
    phone = _read_phone_run(text, start, number, shape, label)
    if phone:
        if start and text[start - 1] == "+":
            start -= 1
        return Identifier(IdentifierKind.PHONE, phone, True, start, end, own)
    return None


def _shape_of_card(shape: tuple[int, ...]) -> bool:
    return (
        len(shape) == 1 or (all(size == 4 for size in shape[:-1]) and shape[-1] <= 4) or shape in {(6, 13), (4, 6, 5)}
    )


def _read_phone_run(text: str, start: int, number: str, shape: tuple[int, ...], label: str) -> str:
    if start and text[start - 1] == "+":
        return _read_mainland("+" + number, strict=True) or _read_international("+" + number)
    if label == "card":
        return ""
    if shape in _MOBILE_SHAPES or label == "phone":
        mobile = _MOBILE.fullmatch(number)
        if mobile:
            return mobile[1]
    if number[0] == "0" and len(shape) <= 3:
        return _read_mainland(number, strict=True) or (
            _read_international("+" + number[2:]) if number[:2] == "00" else ""
        )
    if label == "phone":
        # Local numbers without their area code, and those of countries we know no form of.
        return number if len(number) <= 10 or (number[0] == "0" and len(number) <= 12) else ""
    # North American numbers are written in threes and fours; nothing else is.
    return number if shape == (3, 3, 4) or (shape == (1, 3, 3, 4) and number[0] == "1") else ""


def _read_mainland(number: str, *, strict: bool) -> str:
    mobile = _MOBILE.fullmatch(number)
    if mobile:
        return mobile[1]
    landline = _LANDLINE.fullmatch(number)
    if landline and (number[0] in "0+" or not strict):
        return landline[1] if landline[1][0] == "0" else "0" + landline[1]
    return ""


def _read_international(number: str) -> str:
    """`+852...` -> E.164, or nothing. The metadata is large, so it is loaded for the first number that needs it."""
    if not number.startswith("+") or not 8 <= len(number) <= 16:
        return ""
    import phonenumbers

    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return ""
    return number if phonenumbers.is_possible_number(parsed) else ""


def _find_label(text: str, start: int) -> str:
    """Which kind the words before say it is: the nearest label of the same sentence."""
    name = ""
    for match in _LABEL.finditer(_look_back(text, start)):
        name = match.lastgroup or ""
    return name


def _look_back(text: str, start: int) -> str:
    before = text[max(0, start - _LABEL_LENGTH) : start]
    return _SENTENCE_END.split(before)[-1]


def _is_own(text: str, start: int) -> bool:
    before = _look_back(text, start)
    return "我" in before[-8:] or not _OTHERS.search(before)


def _is_cn_id(number: str) -> bool:
    """GB 11643: province, date of birth and, with 18 digits, the check digit. District tables are left out on purpose:
    they change every year, and a number of a dissolved district stays valid for life.
    """
    if number[:2] not in _PROVINCES or _read_birth(number) is None:
        return False
    return len(number) == 15 or number[17] == ric.calc_check_digit(number)


def _read_birth(number: str) -> date | None:
    if len(number) == 18 and number[:17].isdigit():
        digits = number[6:14]
    elif len(number) == 15 and number.isdigit():
        digits = "19" + number[6:12]
    else:
        return None
    try:
        born = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None
    return born if 1880 <= born.year <= 2100 else None


def _find_lettered(text: str) -> Iterator[Identifier]:
    if not _SIX_DIGITS.search(text):
        return
    for match in _LETTERED.finditer(text):
        number = match[0].upper()
        start, end = match.span()
        own = _is_own(text, start)
        if len(number) == 18 and uscc.is_valid(number):
            yield Identifier(IdentifierKind.USCC, number, True, start, end, own)
        elif re.fullmatch(r"[A-Z]{1,2}\d{7,10}", number):
            label = _find_label(text, start)
            if label == "permit" and number[0] in "HMC":
                yield Identifier(IdentifierKind.TRAVEL_PERMIT, number, True, start, end, own)
            elif label == "passport" and len(number) <= 10:
                yield Identifier(IdentifierKind.PASSPORT, number, True, start, end, own)
    for match in _HK_ID.finditer(text):
        number = re.sub(r"[^A-Z0-9]", "", match[0])
        yield Identifier(
            IdentifierKind.HK_ID, number, _is_hk_id(number), *match.span(), own=_is_own(text, match.start())
        )


_SIX_DIGITS = re.compile(r"\d{6}")
"""All of these numbers have so many in a row."""


def _is_hk_id(number: str) -> bool:
    """Letters count from A = 10, a missing first letter as 36; weights 9 to 1; the sum is a multiple of 11."""
    values = [10 if char == "A" and at == len(number) - 1 else int(char, 36) for at, char in enumerate(number)]
    if len(values) == 8:
        values.insert(0, 36)
    return sum(value * weight for value, weight in zip(values, range(9, 0, -1), strict=True)) % 11 == 0
