"""When it happened, in the words of the customer: 昨天晚上八点, 上周三, 11月3日, 去年九月, last Friday.

Words are relative to the moment they were written or said, in the bank's time zone. Own rules: dateparser 1.x reads
neither 上周三 nor 昨天晚上 and needs some 20 ms per complaint. Only the past counts: deadlines and appointments
(明天, 下周一之前) are not when it happened.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from gateway.contract.complaint import Moment, Precision
from normalizers.numeral import read_numeral

_NUMBER = r"(?:\d{1,4}|[零〇一二两三四五六七八九十]{1,4})"
_WEEKDAYS = {"一": 0, "二": 1, "三": 2, "四": 3, "五": 4, "六": 5, "日": 6, "天": 6, "末": 5}
_DAYS_AGO = {
    "今天": 0, "今日": 0, "今早": 0, "今晨": 0, "今晚": 0, "今儿": 0, "当日": 0,
    "昨天": 1, "昨日": 1, "昨晚": 1, "昨夜": 1, "昨儿": 1, "昨早": 1, "昨晨": 1, "寻日": 1, "琴日": 1, "琴晚": 1, "寻晚": 1,
    "大前天": 3, "前天": 2, "前日": 2, "前晚": 2, "前儿": 2,
}  # fmt: skip
_PART = r"凌晨|清晨|早晨|早上|上午|中午|午间|下午|傍晚|晚上|晚间|夜里|夜间|半夜|深夜|早|晨|晚|夜"
_TIME = re.compile(
    rf"\s{{0,2}}的?(?P<part>{_PART})?\s?(?:(?P<clock>(?:[01]?\d|2[0-4])[:：][0-5]\d)|(?P<hour>\d{{1,2}}|[零一二两三四五六七八九十]{{1,3}})[点时點](?!候|间)钟?(?:(?P<half>半)|(?P<quarter>[一三])刻|(?P<minute>\d{{1,2}}|[零〇一二三四五六七八九十]{{1,3}})分?)?)?"
)
_MONTHS = {
    name: at // 2 + 1
    for at, name in enumerate(
        "jan january feb february mar march apr april may may jun june jul july aug august sep september oct october nov november dec december".split()  # noqa: SIM905 - reads better than 24 quoted names
    )
}
_ENGLISH_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTH_NAME = r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"

_CHINESE = re.compile(
    # One look at the first character spares the rest of the places.
    rf"(?=[\d零〇一二两三四五六七八九十今去前本当昨大寻琴上这下周星礼刚头凌早中晚半])(?:(?P<ymd>(?<!\d)(?P<y>(?:19|20)\d{{2}}|[一二][〇零九]?[零〇一二三四五六七八九]{{2}}|今|去|前|本|当)年(?:的)?(?:(?P<ym>\d{{1,2}}|[一二三四五六七八九十]{{1,2}})月(?:份)?(?:(?P<yd>\d{{1,2}}|[一二三四五六七八九十]{{1,3}})[日号])?)?)"
    rf"|(?P<iso>(?<![\d./-])(?:19|20)\d{{2}}[-/.](?:0?[1-9]|1[0-2])[-/.](?:[12]\d|3[01]|0?[1-9])(?![\d/-]))"
    rf"|(?P<md>(?<![\d一二三四五六七八九十年])(?P<m>1[0-2]|0?[1-9]|十[一二]?|[一二三四五六七八九])月(?:(?P<d>[12]\d|3[01]|0?[1-9]|[一二三]?十[一二三四五六七八九]?|[一二三四五六七八九])[日号]|份|(?![\d一二三四五六七八九十]))(?!子))"
    rf"|(?P<day>{'|'.join(sorted(_DAYS_AGO, key=len, reverse=True))})"
    rf"|(?<![每逢])(?P<week>上上|上|本|这|下下|下)?(?:个)?(?:周|星期|礼拜)(?P<weekday>[一二三四五六日天末])(?![到至也都])"
    rf"|(?P<lastmonth>上个?月|本月|这个月)(?:(?P<ld>\d{{1,2}}|[一二三四五六七八九十]{{1,3}})[日号])?"
    rf"|(?P<lastweek>上(?:个)?(?:周|星期|礼拜))"
    rf"|(?<![于在限月前])(?P<ago>{_NUMBER}|半)(?:多)?(?:个)?(?P<unit>分钟|小时|钟头|天|日|星期|礼拜|周|月|年)(?:之|以)?前"
    rf"|(?P<now>刚刚|刚才|头先)"
    rf"|(?P<only>(?:凌晨|早上|上午|中午|下午|晚上|半夜)(?=\d{{1,2}}[:：点]|[一二两三四五六七八九十]{{1,3}}点)))"
)
_ENGLISH = re.compile(
    rf"\b(?:(?P<iso>(?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01]))(?!\d)|(?P<day>today|yesterday|last night|this morning|this afternoon|tonight|the day before yesterday)"
    rf"|(?:on |last |this )?(?P<weekday>{'|'.join(_ENGLISH_DAYS)})"
    rf"|(?P<d1>[0-3]?\d)(?:st|nd|rd|th)?(?: of)? (?P<m1>{_MONTH_NAME})\.?(?:,? (?P<y1>(?:19|20)\d\d))?"
    rf"|(?P<m2>{_MONTH_NAME})\.? (?P<d2>[0-3]?\d)(?:st|nd|rd|th)?(?!\d)(?:,? (?P<y2>(?:19|20)\d\d))?"
    rf"|(?P<ago>\d{{1,3}}|an?|one|two|three|four|five|six|seven|eight|nine|ten) (?P<unit>minute|hour|day|week|month|year)s? ago"
    rf"|last (?P<last>week|month|year))\b",
    re.IGNORECASE,
)
_ENGLISH_TIME = re.compile(
    r",? (?:at |around |about )?(?P<h>[01]?\d|2[0-3])(?:[:.](?P<m>[0-5]\d))?\s?(?P<half>am|pm|a\.m\.|p\.m\.)?(?![\d%])",
    re.IGNORECASE,
)
_WORDS = {
    "a": 1,
    "an": 1,
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
}
_GATE = re.compile(r"[年月日号天周前昨今刚点晚夜晨午]|礼拜|星期|头先|\d{4}[-/.]")
_ENGLISH_GATE = re.compile(r"day|ago|last|this|19\d\d|20\d\d|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|night")
"""In casefolded text: alternatives that each begin with a letter of its own are looked for in one go, in any case they are not."""
_FUTURE = re.compile(r"\s?(?:之?前(?!往|台|面)|以前|内|到期|截止|为止)")

Found = tuple[datetime, Precision, int, int]


def find_moment(text: str, original: str, at: datetime) -> Moment | None:
    """The first moment in `text` (as `normalizers.text.plain` gives it) that is not after `at`, an aware datetime in the
    bank's zone. Finer words later do not win over earlier ones: people begin with when it happened.
    """
    found = next(_search(text, at), None)
    if found is None:
        return None
    value, precision, start, end = found
    return Moment(value=value, precision=precision, text=original[start:end].strip())


def _search(text: str, at: datetime) -> Iterator[Found]:
    if _GATE.search(text):
        yield from _read_all(_CHINESE, _read_chinese, text, at)
    if _ENGLISH_GATE.search(text.casefold()):
        yield from _read_all(_ENGLISH, _read_english, text, at)


def _read_all(
    pattern: re.Pattern[str],
    read: Callable[[re.Match[str], datetime], tuple[datetime, Precision] | None],
    text: str,
    at: datetime,
) -> Iterator[Found]:
    for match in pattern.finditer(text):
        try:
            found = read(match, at)
            if found is None:
                continue
            value, precision, end = _add_time(text, match, *found, at)
        except (ValueError, OverflowError):
            continue  # 2月30日, 25点
        if value <= at and not _FUTURE.match(text, end):
            yield value, precision, match.start(), end


def _read_chinese(match: re.Match[str], at: datetime) -> tuple[datetime, Precision] | None:
    group = match.groupdict()
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if group["ymd"]:
        if group["y"] in {"今", "本", "当"} and not group["ym"]:
            return None
        return _read_year(group, midnight)
    if group["iso"]:
        year, month, day = (int(part) for part in re.split(r"[-/.]", group["iso"]))
        return midnight.replace(year=year, month=month, day=day), Precision.DAY
    if group["md"]:
        value = midnight.replace(month=_number(group["m"]), day=_number(group["d"] or "1"))
        if value > at:
            value = value.replace(year=value.year - 1)
        return value, Precision.DAY if group["d"] else Precision.MONTH
    if group["day"]:
        return midnight - timedelta(days=_DAYS_AGO[group["day"]]), Precision.DAY
    if group["weekday"]:
        return _read_weekday(group["week"] or "", _WEEKDAYS[group["weekday"]], midnight), Precision.DAY
    if group["lastmonth"]:
        value = midnight.replace(day=1)
        if group["lastmonth"].startswith("上"):
            value = (value - timedelta(days=1)).replace(day=1)
        return (value.replace(day=_number(group["ld"])), Precision.DAY) if group["ld"] else (value, Precision.MONTH)
    if group["lastweek"]:
        return midnight - timedelta(days=midnight.weekday() + 7), Precision.MONTH
    if group["ago"]:
        return _subtract(at, 0.5 if group["ago"] == "半" else _number(group["ago"]), group["unit"])
    if group["now"]:
        return at.replace(minute=0, second=0, microsecond=0), Precision.HOUR
    return midnight, Precision.DAY


def _read_year(group: dict[str, str | None], midnight: datetime) -> tuple[datetime, Precision]:
    word = group["y"] or ""
    back = {"今": 0, "本": 0, "当": 0, "去": 1, "前": 2}.get(word)
    year = _number(word) if back is None else midnight.year - back
    month, day = group["ym"], group["yd"]
    value = midnight.replace(year=year, month=_number(month or "1"), day=_number(day or "1"))
    return value, Precision.DAY if day else Precision.MONTH if month else Precision.YEAR


def _read_weekday(which: str, weekday: int, midnight: datetime) -> datetime:
    monday = midnight - timedelta(days=midnight.weekday())
    if which.startswith("上"):
        return monday + timedelta(days=weekday - 7 * len(which))
    value = monday + timedelta(days=weekday + 7 * which.count("下"))
    # 周三 alone is the last one there was.
    return value if which or value <= midnight else value - timedelta(days=7)


def _subtract(at: datetime, count: float, unit: str) -> tuple[datetime, Precision]:
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit in {"分钟", "minute"}:
        return (at - timedelta(minutes=count)).replace(second=0, microsecond=0), Precision.MINUTE
    if unit in {"小时", "钟头", "hour"}:
        return (at - timedelta(hours=count)).replace(minute=0, second=0, microsecond=0), Precision.HOUR
    if unit in {"天", "日", "day"}:
        return midnight - timedelta(days=count), Precision.DAY
    if unit in {"星期", "礼拜", "周", "week"}:
        return midnight - timedelta(weeks=count), Precision.DAY
    months = midnight.year * 12 + midnight.month - 1 - int(count * (12 if unit in {"年", "year"} else 1))
    value = midnight.replace(year=months // 12, month=months % 12 + 1, day=1)
    return value, Precision.YEAR if unit in {"年", "year"} else Precision.MONTH


def _read_english(match: re.Match[str], at: datetime) -> tuple[datetime, Precision] | None:
    group = match.groupdict()
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if group["iso"]:
        year, month, day = (int(part) for part in group["iso"].split("-"))
        return midnight.replace(year=year, month=month, day=day), Precision.DAY
    if group["day"]:
        days = {"yesterday": 1, "last night": 1, "the day before yesterday": 2}.get(group["day"].lower(), 0)
        return midnight - timedelta(days=days), Precision.DAY
    if group["weekday"]:
        back = (midnight.weekday() - _ENGLISH_DAYS.index(group["weekday"].lower())) % 7
        return midnight - timedelta(days=back or (7 if "last" in match[0].lower() else 0)), Precision.DAY
    if group["ago"]:
        ago = group["ago"].lower()
        return _subtract(at, _WORDS[ago] if ago in _WORDS else int(ago), group["unit"].lower())
    if group["last"]:
        return _subtract(at, 1, group["last"].lower())
    value = midnight.replace(
        month=_MONTHS[(group["m1"] or group["m2"]).lower()[:3]], day=int(group["d1"] or group["d2"])
    )
    if named := group["y1"] or group["y2"]:
        value = value.replace(year=int(named))
    elif value > at:
        value = value.replace(year=value.year - 1)
    return value, Precision.DAY


def _add_time(
    text: str, match: re.Match[str], value: datetime, precision: Precision, at: datetime
) -> tuple[datetime, Precision, int]:
    """The time of day right behind the day, if one stands there."""
    end = match.end()
    if precision is not Precision.DAY:
        return value, precision, end
    if match.re is _ENGLISH:
        return _add_english_time(text, end, value)
    start = match.start() if match.groupdict().get("only") else end
    time = _TIME.match(text, start)
    if time is None or not (time["clock"] or time["hour"]):
        return value, precision, max(end, time.end()) if time and time["part"] else end
    if time["clock"]:
        hour, minute = (int(part) for part in re.split("[:：]", time["clock"]))
    else:
        hour = _number(time["hour"])
        minute = (
            30 if time["half"] else 15 * _number(time["quarter"]) if time["quarter"] else _number(time["minute"] or "0")
        )
    part = (match[0][-1] if match[0][-1] in "晚夜早晨" else "") + (time["part"] or "")
    hour, next_day = _to_hour(hour, part)
    value = value.replace(hour=hour, minute=minute) + timedelta(days=next_day)
    if match.groupdict().get("only") and value > at:
        value -= timedelta(days=1)
    exact = time["clock"] or time["half"] or time["quarter"] or time["minute"]
    return value, Precision.MINUTE if exact else Precision.HOUR, time.end()


def _to_hour(hour: int, part: str) -> tuple[int, int]:
    """Hour as said -> (hour of the day, days to add): 晚上八点 is 20, 晚上十二点 the midnight after."""
    evening = any(word in part for word in ("晚", "夜"))
    if hour == 24 or (evening and hour == 12):
        return 0, 1
    if evening and hour < 5:
        return hour, 1
    if hour < 12 and (evening or "下午" in part or (part in {"中午", "午间"} and hour < 6)):
        return hour + 12, 0
    return hour, 0


def _add_english_time(text: str, end: int, value: datetime) -> tuple[datetime, Precision, int]:
    time = _ENGLISH_TIME.match(text, end)
    if time is None or not (time["m"] or time["half"]):
        return value, Precision.DAY, end
    hour = int(time["h"])
    half = (time["half"] or "").lower()[:1]
    if half == "p" and hour < 12:
        hour += 12
    elif half == "a" and hour == 12:
        hour = 0
    return value.replace(hour=hour, minute=int(time["m"] or 0)), Precision.MINUTE, time.end()


def _number(text: str | None) -> int:
    value = read_numeral(text or "")
    if value is None:
        raise ValueError("no number")
    return int(value)
