"""Amounts of money in the words of the customer: 五万元, 4.9万, ￥8000, 三千五, 七块三, USD 200, 八万多.

Own rules, because the readers that exist take plain numerals only: 八万三, 七块三角 and "5万" without a unit are how
people write, and 5万人, 第三万, 一万个不愿意 are no money.
"""

import re
from decimal import Decimal

from gateway.contract.complaint import Amount
from normalizers.numeral import NUMERAL, read_numeral

_LIMIT = 50
_TOO_MUCH = 10**15
_ARABIC = r"\d{1,3}(?:,\d{3}){1,5}(?:\.\d{1,4})?|\d{1,15}(?:\.\d{1,4})?"
_CHINESE = rf"[{NUMERAL}]{{1,16}}(?:[余多][万亿])?"
_PREFIXES = {
    "CNY": r"[¥￥]|RMB\b|CNY\b|人民币",
    "HKD": r"HK\$|HKD\b|港币|港元",
    "TWD": r"NT\$|TWD\b|新台币|台币",
    "USD": r"US\$|USD\b|\$|美元|美金",
    "EUR": r"€|EUR\b|欧元",
    "GBP": r"£|GBP\b|英镑",
    "MOP": r"MOP\b|澳门元|澳门币|葡币",
    "JPY": r"JPY\b|日元",
}
_SUFFIXES = {
    "HKD": r"港币|港元|港纸|HKD\b",
    "USD": r"美元|美金|美刀|刀(?!具)|USD\b|(?:us )?dollars?\b",
    "EUR": r"欧元|欧(?!洲)|EUR\b|euros?\b",
    "GBP": r"英镑|GBP\b|pounds?\b",
    "JPY": r"日元|日币|JPY\b|yen\b",
    "AUD": r"澳元|澳币|AUD\b",
    "TWD": r"新台币|台币|TWD\b",
    "MOP": r"澳门元|葡币|MOP\b",
    "KRW": r"韩元|韩币|KRW\b",
    "THB": r"泰铢|THB\b",
    "CNY": r"元(?![路旦月素宵老件器凶首气])|块钱?|圆|蚊|大洋|人民币|RMB\b|CNY\b|yuan\b|renminbi\b",
}
_NUMBER = re.compile(
    rf"(?=[\d{NUMERAL}])(?:(?<![\d.A-Za-z第])(?P<arabic>{_ARABIC})\s?(?P<unit>百万|千万|[千万亿]|[kwKW](?![A-Za-z]))?"
    rf"|(?<![{NUMERAL}第几数余多])(?P<chinese>{_CHINESE}))"
)
_BEFORE = re.compile(rf"(?:{'|'.join(_PREFIXES.values())})\s{{0,2}}$", re.IGNORECASE)
_BEFORE_LENGTH = 6
_AFTER = re.compile(
    rf"(?:[多余来几]|左右)?\s?(?:(?P<suffix>{'|'.join(_SUFFIXES.values())})"
    rf"(?P<tail>(?<=[元块])[零一二三四五六七八九\d][角毛](?:[零一二三四五六七八九\d]分)?|(?<=块)[一二三四五六七八九](?![{NUMERAL}个次天月年人]))?)?",
    re.IGNORECASE,
)
_FRACTION = re.compile(r"(?P<jiao>[零一二三四五六七八九\d])[角毛]?(?:(?P<fen>[零一二三四五六七八九\d])分)?")
# What is counted instead of money when no currency stands there.
_COUNTED = re.compile(
    r"\s?(?:积分|里程|公里|人|户|名|位|个|条|次|件|份|家|里|字|步|票|年|月|日|天|号|分|股|点|平|米|斤|吨|公斤|只|头|张|笔|台|辆|遍|倍|[%％]|分钟|小时|粉丝|亩|岁|期|英里|顶|种|级|年前|多次|多人|多户|多个|套|支|瓶|座|颗|本|片|页|把|别|一|万|勿|不)"
)
# 一块玻璃, 两块牌子: a piece of something.
_THING = re.compile(r"[一-鿿](?<![钱多的都也了左没就到是我你他吧])")
# Looking for one of some characters is ten times as fast as looking for words in any case.
_SIGN = re.compile("[元块万千百亿¥￥$€£蚊币金镑铢刀圆]")
_LATIN = re.compile("[A-Za-z]")
_CODE = re.compile(r"RMB|CNY|USD|HKD|EUR|GBP|MOP|TWD|JPY|AUD|dollar|yuan|pound|euro|\dk|\dw", re.IGNORECASE)


def find_amounts(text: str, original: str) -> tuple[Amount, ...]:
    """`text` as `normalizers.text.plain` gives it, `original` of the same length. Each amount once, in order; at most 50."""
    if not (_SIGN.search(text) or (_LATIN.search(text) and _CODE.search(text))):
        return ()
    amounts: dict[tuple[str, str], Amount] = {}
    for match in _NUMBER.finditer(text):
        before = _BEFORE.search(text, max(0, match.start() - _BEFORE_LENGTH), match.start())
        after = _AFTER.match(text, match.end())
        value = _read(text, match, before, after)
        if value is None or not 0 < value < _TOO_MUCH:
            continue
        currency = _find_currency(before, after)
        plain_value = format(value.normalize(), "f")
        start, end = (before or match).start(), (after or match).end()
        amounts.setdefault(
            (plain_value, currency), Amount(value=plain_value, currency=currency, text=original[start:end].strip())
        )
        if len(amounts) == _LIMIT:
            break
    return tuple(amounts.values())


def _read(text: str, match: re.Match[str], before: re.Match[str] | None, after: re.Match[str] | None) -> Decimal | None:
    number, unit = match["arabic"] or match["chinese"], (match["unit"] or "").lower()
    suffix, tail = (after["suffix"], after["tail"]) if after else (None, None)
    end = after.end() if after else match.end()
    if not (before or suffix) and not _is_money_alone(text, match, end, number, unit):
        return None
    number = number.replace("余", "").replace("多", "")
    if len(number) == 1 and number in "十百千万亿":
        return None
    if number in {"一", "两"} and suffix == "块" and not tail and _THING.match(text, end):
        return None
    value = read_numeral(number + {"k": "千", "w": "万"}.get(unit, unit))
    fraction = _FRACTION.match(tail) if tail else None
    if value is not None and fraction:
        value += (read_numeral(fraction["jiao"]) or 0) * Decimal("0.1")
        value += (read_numeral(fraction["fen"] or "零") or 0) * Decimal("0.01")
    return value


def _is_money_alone(text: str, match: re.Match[str], end: int, number: str, unit: str) -> bool:
    """Without a currency only round large numbers are money, and only when nothing else is counted."""
    if _COUNTED.match(text, end):
        return False
    if match["arabic"]:
        return unit in {"万", "亿", "百万", "千万", "w", "k"}
    return number[0] not in "千万亿零〇" and (
        any(char in number for char in "万亿") or ("千" in number and len(number) >= 2)
    )


def _find_currency(before: re.Match[str] | None, after: re.Match[str] | None) -> str:
    """The words behind the number say more than a bare sign before it; 元 alone says the least: HK$200元."""
    suffix = _name_currency(after["suffix"] if after else None, _SUFFIXES)
    prefix = _name_currency(before[0].strip() if before else None, _PREFIXES)
    return (suffix if suffix != "CNY" else "") or prefix or "CNY"


def _name_currency(words: str | None, table: dict[str, str]) -> str:
    return (
        next((currency for currency, pattern in table.items() if re.match(pattern, words, re.IGNORECASE)), "")
        if words
        else ""
    )
