"""Chinese and Arabic numerals as people write and say them: 五万三, 两千五百, 4.9万, 十二, 一三八零零."""

import re
from decimal import Decimal

DIGITS = "零〇一二三四五六七八九两幺"
"""Digits as they stand in numerals; 幺 is said for 1 on the telephone."""
NUMERAL = "零〇一二两三四五六七八九十百千万亿壹贰叁肆伍陆柒捌玖拾佰仟"
"""Also the forms of cheques and contracts."""

_VALUES = {
    char: value
    for value, chars in enumerate(("零〇", "一幺", "二两", "三", "四", "五", "六", "七", "八", "九"))
    for char in chars
}
_FORMAL = str.maketrans("壹贰叁肆伍陆柒捌玖拾佰仟", "一二三四五六七八九十百千")
_SMALL = {"十": 10, "百": 100, "千": 1000}
_LARGE = {"万": 10_000, "亿": 100_000_000}
_SPOKEN = str.maketrans({char: str(value) for char, value in _VALUES.items()})
_ARABIC = re.compile(r"(\d[\d,]*(?:\.\d+)?)\s*([十百千万亿]*)")


def read_numeral(text: str) -> Decimal | None:
    """`三千五` -> 3500, `4.9万` -> 49000, `二〇二六` -> 2026; None for what is no number."""
    text = text.translate(_FORMAL)
    arabic = _ARABIC.fullmatch(text)
    if arabic:
        value = Decimal(arabic[1].replace(",", ""))
        for unit in arabic[2]:
            value *= _SMALL.get(unit) or _LARGE[unit]
        return value
    if not text or len(text) > 30:
        return None
    if all(char in _VALUES for char in text):
        return Decimal(text.translate(_SPOKEN))
    return _read_chinese(text)


def _read_chinese(text: str) -> Decimal | None:
    total = section = digit = 0
    unit = 1  # of the last place named: the tail of 三千五 is five hundreds
    zero = False
    for char in text:
        if char in _VALUES:
            if digit:
                return None  # 八九万: a guess of the speaker, not a number
            digit = _VALUES[char]
            zero = zero or digit == 0
        elif char in _SMALL:
            unit = _SMALL[char]
            section += (digit or 1) * unit
            digit, zero = 0, False
        elif char in _LARGE:
            unit = _LARGE[char]
            if char == "亿":
                total = (total + section + digit or 1) * unit
            else:
                total += (section + digit or 1) * unit
            section = digit = 0
            zero = False
        else:
            return None
    if digit and unit >= 100 and not zero:
        digit *= unit // 10
    return Decimal(total + section + digit)


def spell_out(text: str) -> str:
    """Spoken digits -> ASCII digits, character by character: same length, same offsets."""
    return text.translate(_SPOKEN)
