"""Authentication data leaves a text: passwords, PIN, CVV, one-time codes, track data, card expiry.

Class C3 of JR/T 0171-2020 must not be kept, nor may PCI DSS 3.3 keep it after authorization; only the value goes, for a
tag that says what stood there. "忘记密码了" stays; "密码是123456" becomes "密码是[已删除:密码]". Numbers of class C2 (cards, phones)
are not touched here: see `privacy`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from ahocorasick_rs import AhoCorasick, BytesAhoCorasick, Implementation, MatchKind

from gateway.contract.value import value
from normalizers import secret_pattern as pattern
from normalizers.text import Folded, fold, plain

KINDS = {
    "password": "密码",
    "code": "验证码",
    "cvv": "安全码",
    "pin": "PIN",
    "expiry": "有效期",
    "track": "磁道信息",
}
_BY_NAME = {name: kind for kind, name in KINDS.items()} | {kind: kind for kind in KINDS}
TAG = re.compile(rf"\[(?:已删除|removed)[:_]({'|'.join(_BY_NAME)})\]")

_GATES = (
    *("码", "碼", "密", "口令", "背", "签名", "簽名", "位数", "位數", "数字", "數字", "有效"),
    *(
        "passw",
        "pass-",
        "pass w",
        "passc",
        "passp",
        "pass c",
        "pass p",
        "pass:",
        "pass=",
        "pass :",
        "令牌",
        "pwd",
        "otp",
        "pin",
        "cvv",
        "cvc",
        "cvn",
    ),
    *(
        " code",
        '"code ',
        "code:",
        "code=",
        "code is",
        "verif",
        "one-time",
        "one time",
        "the back",
        "expir",
        " exp",
        "valid t",
    ),
    *("رمز", "كود", "التحقق", "السر", "مرور"),
    # Letters of full width, and characters nobody sees, by which a label may be written.
    *("ｃ", "Ｃ", "ｐ", "Ｐ", "ｏ", "Ｏ", "\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad"),
    "^",
    *(f"{digit}{sign}" for digit in range(10) for sign in ("=2", "=3", "=4", "|")),
)


def make_scan(*more: str) -> BytesAhoCorasick:
    """Finds words by which a secret may be known in lower-case UTF-8; and `more`."""
    return BytesAhoCorasick([gate.encode() for gate in (*_GATES, *more)], implementation=Implementation.DFA)


_SCAN = make_scan()

_LINE = re.compile(r"[^\n]+")
_SPEAKER = re.compile(r"[ \t]*(?:\[[^\]\n]{1,30}\][ \t]*)?(?:<v [^>\n]{1,30}>)?(?:[^\n:：0-9]{1,12}[:：])?[ \t]*")
_CUE_NUMBER = re.compile(r"[ \t]*\d+[ \t\r]*\n[^\n]*-->")
_SHORT_TURN = 60
"""Characters: an answer to "what is the code" is no longer than this."""
_PATIENCE = 5
"""Turns in which the answer to a question may come."""
_PARTS = ("expiry", "track")
_SENT_DIGITS = 6
_KNOWN_LENGTH = 5
"""A value at least this long is removed wherever else it stands."""
_KNOWN_LIMIT = 1_000


def may_hold_secret(data: bytes) -> bool:
    """UTF-8 bytes that hold no word by which a secret is known, nor track data, are told in a microsecond or two."""
    return bool(_SCAN.find_matches_as_indexes(data.lower()))


@value(kw_only=False)
class Redacted:
    """`kinds`: one of KINDS for each value removed."""

    text: str
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Secret:
    """[start, end) of the text is the value."""

    start: int
    end: int
    kind: str


def write_tag(kind: str, *, ascii_only: bool = False) -> str:
    return f"[removed:{kind}]" if ascii_only else f"[已删除:{KINDS[kind]}]"


def find_removed(text: str) -> list[str]:
    """The kinds of what was removed from a text, in the order of the tags in it."""
    return [_BY_NAME[tag[1]] for tag in TAG.finditer(text)] if "[" in text else []


def remove_secrets(text: str) -> Redacted:
    return Conversation().remove(text)


@lru_cache(256)
def find_name_kind(name: str) -> str:
    """The kind of secret that a field of this name holds, or empty."""
    compact = fold(name, compact=True).text
    if not pattern.NAME.fullmatch(compact):
        return ""
    label = pattern.LABEL.search(compact)
    kind = label.lastgroup if label else None
    return kind or ("cvv" if "securitycode" in compact else "code")


@dataclass(slots=True)
class Conversation:
    """Texts that follow one another: what is asked in one and answered in the next ones, in pieces, goes as well.

    `values` are those removed so far, folded, with their kinds; they are removed wherever they stand again (`find_again`).
    """

    values: dict[str, str] = field(default_factory=dict)
    _asked: str = ""
    _left: int = 0
    _answered: bool = False

    def remove(self, text: str) -> Redacted:
        return replace_secrets(text, self.find(text))

    def find(self, text: str) -> list[Secret]:
        """In their order, apart from one another. Linear in the text; never raises."""
        if not self._asked and not may_hold_secret(text.encode("utf-8", "surrogatepass")):
            return []
        folded = fold(text)
        view = _read(folded.text)
        spans = _find_labelled(view)
        self._listen(view, spans)
        for span in spans.found:
            value = view[span.start : span.end]
            if span.kind not in _PARTS:
                self._know(value, span.kind)
        _find_values(view, self.values, spans)
        return _place(folded, view, spans.found)

    def find_again(self, text: str) -> list[Secret]:
        """The values found so far, in a text that came before them or beside them."""
        if not self.values:
            return []
        folded = fold(text)
        view = _read(folded.text)
        spans = _Spans(len(view))
        _find_values(view, self.values, spans)
        return _place(folded, view, spans.found)

    def remove_labelled(self, name: str, value: str) -> Redacted | None:
        """The value of a field whose name says that it holds a secret; None where the name or the value does not."""
        kind = find_name_kind(name)
        view = _read(fold(value).text).strip() if kind and len(value) <= 200 else ""
        if not view or not re.fullmatch(rf"[!-~]{{3,200}}|{pattern.DIGIT}{{3,20}}", view) or TAG.fullmatch(value):
            return None
        self._know(view, kind)
        return Redacted(write_tag(kind), (kind,))

    def _know(self, value: str, kind: str) -> None:
        """Letters alone may be a word that the text needs."""
        if len(value) >= _KNOWN_LENGTH and len(self.values) < _KNOWN_LIMIT and not value.isalpha():
            self.values.setdefault(value, kind)

    def _listen(self, view: str, spans: "_Spans") -> None:
        """Each line is a turn; speakers' names, cue numbers and times of subtitles are not said."""
        for line in _LINE.finditer(view):
            start, end = line.span()
            if "-->" in line[0] or not line[0].strip() or _CUE_NUMBER.match(view, start):
                continue
            prefix = _SPEAKER.match(view, start, end)
            start = prefix.end() if prefix else start
            last = spans.find_last(start, end)
            if self._asked and last < 0:
                answer = self._find_answer(view[start:end])
                for each in answer:
                    spans.add(start + each.start, start + each.end, each.kind)
                if answer:
                    self._left, self._answered = _PATIENCE, True
                    continue
            self._ask(view, max(start, last), end)

    def _ask(self, view: str, start: int, end: int) -> None:
        """What this turn leaves open: a question, or a label with nothing behind it."""
        tail = view[max(start, end - _SHORT_TURN) : end]
        label = next(reversed(list(pattern.LABEL.finditer(tail))), None)
        if label is not None and label.lastgroup:
            behind = tail[label.end() :]
            asks = pattern.ASKS.search(tail) and not pattern.ASKS_NOT.search(tail)
            if not pattern.OTHER_NUMBER.search(behind) and (asks or pattern.LEFT_OPEN.fullmatch(behind)):
                self._asked, self._left, self._answered = label.lastgroup, _PATIENCE, False
                return
        self._left -= 1
        if self._left <= 0 or pattern.OTHER_NUMBER.search(view, start, end):
            self._asked = ""

    def _find_answer(self, words: str) -> list[Secret]:
        if len(words) > _SHORT_TURN or pattern.OTHER_NUMBER.search(words):
            return []
        piece = pattern.PIECE.fullmatch(words)
        if piece is not None:
            start, end = piece.span("value")
            if len(piece["value"]) > 1 or self._answered:
                return [] if _is_other(words, start, end, self._asked) else [Secret(start, end, self._asked)]
        return [
            Secret(*found.span(), self._asked)
            for found in pattern.ANSWERS[self._asked].finditer(words)
            if not _is_other(words, *found.span(), self._asked)
        ]


def _read(folded: str) -> str:
    """As long as what it is made of. Tags that stand there already hide their words."""
    view = plain(folded)
    return TAG.sub(lambda tag: "\x01" * len(tag[0]), view) if "[" in view else view


class _Spans:
    """Spans that do not overlap: who comes first has the place."""

    def __init__(self, length: int) -> None:
        self.found: list[Secret] = []
        self._taken = bytearray(length)

    def add(self, start: int, end: int, kind: str) -> bool:
        if start >= end or self._taken.find(1, start, end) >= 0:
            return False
        self._taken[start:end] = b"\x01" * (end - start)
        self.found.append(Secret(start, end, kind))
        return True

    def find_last(self, start: int, end: int) -> int:
        """Where the last span in [start, end) ends, or -1."""
        return self._taken.rfind(1, start, end) + 1 or -1


def _find_labelled(view: str) -> _Spans:
    spans = _Spans(len(view))
    _find_cards(view, spans)
    for label in pattern.LABEL.finditer(view):
        kind = label.lastgroup or ""
        other_name = pattern.IN_BRACKETS.match(view, label.end())
        _find_after(view, other_name.end() if other_name else label.end(), kind, spans)
    for number in pattern.NUMBER.finditer(view):
        start, end = number.span()
        if 4 <= end - start <= 8 and not _is_other(view, start, end, "code"):
            if view[start - 1 : start] != "." and any(rule.match(view, end) for rule in pattern.AFTER_NUMBER):
                spans.add(start, end, "code")
            elif end - start == _SENT_DIGITS:
                _find_six(view, start, end, spans)
        elif 13 <= end - start <= 19 and (stripe := pattern.AFTER_CARD.match(view, end)):
            spans.add(start, stripe.end(), "track")
    for match in pattern.ANY_CODE.finditer(view) if "code" in view else ():
        before = pattern.BEFORE_CODE.search(view, max(0, match.start() - 22), match.start())
        word, told = before[1] if before else None, match["is"].strip()
        # "Code: 4625" is one of a program; what people are sent to sign in with has six digits.
        if told in (":", "=") and len(match["value"]) < _SENT_DIGITS:
            continue
        if word not in pattern.OTHER_CODE if told else word in pattern.OWN_CODE:
            spans.add(*match.span("value"), "code")
    return spans


def _find_after(view: str, at: int, kind: str, spans: _Spans) -> None:
    """The value behind a label that ends at `at`, and those that are added to it ("和", "改成")."""
    further = pattern.FURTHER_PIN if kind == "pin" else pattern.FURTHER
    for rule in pattern.AFTER_LABEL[kind]:
        match = rule.match(view, at)
        if match and pattern.OTHER_GAP.search(match.groupdict().get("gap") or ""):
            continue
        while match and not _is_other(view, *match.span("value"), kind) and spans.add(*match.span("value"), kind):
            match = further.match(view, match.end("value")) if kind != "cvv" else None
            if match is None:
                return


def _find_six(view: str, start: int, end: int, spans: _Spans) -> None:
    for kind, rule in pattern.AFTER_SIX.items():
        if rule.match(view, end) and not pattern.BEFORE_OTHER.search(view, max(0, start - 5), start):
            spans.add(start, end, kind)


def _find_cards(view: str, spans: _Spans) -> None:
    if "^" in view:
        for stripe in pattern.STRIPE.finditer(view):
            spans.add(*stripe.span("value"), "track")
    for line in pattern.CARD_LINE.finditer(view):
        spans.add(*line.span("value"), "expiry")
    if "有效期" in view or "exp" in view or "valid" in view:
        for expiry in pattern.EXPIRY.finditer(view):
            if not pattern.NO_CARD.search(view, max(0, expiry.start() - 14), expiry.start()):
                spans.add(*expiry.span("value"), "expiry")


def _is_other(view: str, start: int, end: int, kind: str) -> bool:
    """A phone, a date or the number of a service that stands where a value may stand."""
    value = view[start:end]
    if pattern.DATE.fullmatch(value):
        return True
    if kind == "track":
        return False
    if kind == "code" and (pattern.SERVICE.fullmatch(value) or pattern.PHONE.fullmatch(value)):
        return True
    if kind == "password" and re.fullmatch(r"20[0-4]\d[01]\d[0-3]\d", value):
        return pattern.AFTER_DATE.match(view, end) is not None
    return False


def _find_values(view: str, values: Mapping[str, str], spans: _Spans) -> None:
    if not values:
        return
    known = sorted(values)
    for which, start, end in AhoCorasick(known, matchkind=MatchKind.LeftmostLongest).find_matches_as_indexes(view):
        if not (_is_word(view[start - 1 : start]) or _is_word(view[end : end + 1])):
            spans.add(start, end, values[known[which]])


def _is_word(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _place(folded: Folded, view: str, spans: list[Secret]) -> list[Secret]:
    """From the folded text to the original, without the white space behind a value."""
    placed = []
    for span in sorted(spans, key=lambda each: each.start):
        end = span.start + len(view[span.start : span.end].rstrip())
        placed.append(Secret(*folded.span(span.start, end), span.kind))
    return placed


def replace_secrets(text: str, secrets: Sequence[Secret]) -> Redacted:
    """`secrets` as `find` gives them."""
    if not secrets:
        return Redacted(text)
    parts: list[str] = []
    at = 0
    for secret in secrets:
        parts += [text[at : secret.start], write_tag(secret.kind)]
        at = secret.end
    return Redacted("".join([*parts, text[at:]]), tuple(secret.kind for secret in secrets))
