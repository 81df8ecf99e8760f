"""The house's own JSON: a call with its turns, or a plain narrative.

    {"call_id", "start", "duration_ms", "caller", "callee", "agent", "branch", "kind", "title", "language",
     "turns": [{"role", "text", "begin_ms", "end_ms"}]}          or          {"id", "text", ...}

Names are read liberally (`callId`, `call-id`, `speaker` for `role` ...); fields it does not know are left alone.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from adapters.hotline.format import Context, Format, require_words
from adapters.hotline.phones import find_customer_phone
from adapters.hotline.speakers import Utterance, assign_speakers
from adapters.hotline.text import read_lines
from adapters.hotline.values import clean, dig, read_id, read_label, read_moment, read_ms, read_text
from gateway.contract.complaint import Kind
from gateway.contract.draft import Draft

TURNS = ("turns", "utterances", "dialogue", "dialog", "conversation", "messages", "transcript")
TEXT = ("text", "content", "narrative", "transcript", "message", "complaint", "description", "投诉内容", "内容")
CALL_ID = ("callid", "id", "externalid", "sessionid", "conversationid", "contactid", "uuid", "recordid", "通话id")
START = ("start", "starttime", "startedat", "begintime", "calltime", "submittedat", "createdat", "timestamp", "time")
PHONE = ("phone", "mobile", "customerphone", "contactphone", "电话")
_WORDS = frozenset((*TURNS, *TEXT))
SAID = ("text", "content", "words", "sentence", "utterance", "message", "humantranscript", "transcript")
VOICE = ("role", "speaker", "speakerrole", "participant", "party", "from", "channel", "channelindex", "spk")
BEGIN = ("beginms", "startms", "begin", "start", "begintime", "starttime", "offsetms")
END = ("endms", "end", "endtime")
_KINDS = {
    "投诉": Kind.COMPLAINT, "抱怨": Kind.COMPLAINT, "表扬": Kind.PRAISE, "建议": Kind.SUGGESTION,
    "意见": Kind.SUGGESTION, "咨询": Kind.INQUIRY, "查询": Kind.INQUIRY,
} | {kind.value: kind for kind in Kind}  # fmt: skip
_REPORTED = 20


def fold_names(value: Mapping[str, Any]) -> dict[str, Any]:
    """`callId`, `call_id` and `call-id` are one name."""
    return dict(zip(_fold(tuple(value)), value.values(), strict=True))


# A sender uses the same names in every call.
@lru_cache(1024)
def _fold(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.replace("_", "").replace("-", "").lower() for name in names)


@lru_cache(1024)
def _find_spelling(names: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Those of `names` that are `wanted` when folded, in the order in which they are wanted."""
    spelling = dict(zip(_fold(names), names, strict=True))
    return tuple(spelling[name] for name in wanted if name in spelling)


def _pick(folded: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return _first(folded[name] for name in names if name in folded)


def _first(values: Iterable[Any]) -> Any:
    """The first that says anything."""
    return next((value for value in values if value not in (None, "", [])), None)


def _values(value: Mapping[str, Any], wanted: tuple[str, ...]) -> list[Any]:
    """What an object as it came says under these names. Before the 2xx, where folding it costs as much as all else here."""
    return [value[name] for name in _find_spelling(tuple(value), wanted)]


def _pick_turns(value: Mapping[str, Any]) -> list[Any] | None:
    return next((found for found in _values(value, TURNS) if isinstance(found, list)), None)


def _pick_text(value: Mapping[str, Any]) -> str:
    return next((text for found in _values(value, TEXT) if (text := read_text(found))), "")


def _is_turns(value: Any) -> bool:
    """A bare list of turns counts as the call."""
    if isinstance(value, list):
        folded = fold_names(value[0]) if value and isinstance(value[0], dict) else {}
        return _pick(folded, VOICE) is not None and isinstance(_pick(folded, SAID), str)
    if not isinstance(value, dict):
        return False
    return "text" in value or "turns" in value or not _WORDS.isdisjoint(fold_names(value))


def find_call_id(value: Any) -> str:
    if not isinstance(value, dict):
        return ""
    return next((read for found in _values(value, CALL_ID) if (read := read_id(found))), "")


def is_call(value: Any) -> bool:
    """An object that stands for a call of its own: that is what lists of calls are made of."""
    if not isinstance(value, dict):
        return False
    return _pick_turns(value) is not None or (bool(find_call_id(value)) and bool(_pick_text(value)))


def _has_words(value: Any) -> bool:
    return isinstance(value, str) and value != "" and not value.isspace()


def _check(value: Any) -> Mapping[str, str]:
    turns = value if isinstance(value, list) else _pick_turns(value)
    words = isinstance(value, dict) and any(map(_has_words, _values(value, TEXT)))
    if turns is None:
        return {} if words else {"text": "must hold the words of the call (or give turns)"}
    problems: dict[str, str] = {}
    for place, turn in enumerate(turns):
        said = turn if isinstance(turn, str) else _first(_values(turn, SAID)) if isinstance(turn, dict) else 0
        words = words or _has_words(said)
        if said is not None and not isinstance(said, str) and len(problems) < _REPORTED:
            path, what = (
                (f"turns[{place}].text", "must be text")
                if isinstance(turn, dict)
                else (f"turns[{place}]", "must be an object")
            )
            problems[path] = what
    if not words and not problems:
        problems["turns"] = "must hold at least one turn with text"
    return problems


def _read(value: Any, context: Context) -> Draft:
    folded = {"turns": value} if isinstance(value, list) else fold_names(value)
    turns = [said for turn in _pick_turns(folded) or [] if (said := _read_turn(turn)).text]
    text = _pick_text(folded)
    contact = (
        fold_names(found) if isinstance(found := _pick(folded, ("contact", "customer", "complainant")), dict) else {}
    )
    branch = _pick(folded, ("branch", "网点"))
    branch_code = read_label(_pick(folded, ("branchcode",)) or dig(branch, "code") or dig(branch, "id"))
    branch_name = read_text(_pick(folded, ("branchname",)) or dig(branch, "name"))
    if isinstance(branch, str) and not branch_code and not branch_name:
        branch_code, branch_name = (clean(branch), "") if branch in context.branches else ("", clean(branch))
    outbound = read_text(_pick(folded, ("direction",))).lower().startswith(("out", "呼出"))
    numbers = [
        _pick(folded, ("caller", "ani", "callernumber", "主叫")),
        _pick(folded, ("callee", "dnis", "calleenumber", "被叫")),
    ]
    phones = [
        find_customer_phone(context.own_numbers, *(reversed(numbers) if outbound else numbers)),
        find_customer_phone(
            context.own_numbers, _pick(contact, ("mobile", "phone", "tel", "phonenumber")), folded.get("phone")
        ),
    ]
    email = read_text(_pick(contact, ("email", "mail")))
    if not turns and (spoken := read_lines(text)):
        turns, text = list(spoken), ""
    return require_words(
        Draft(
            text=text,
            turns=assign_speakers(turns),
            title=read_text(_pick(folded, ("title", "subject", "标题"))),
            kind=_KINDS.get(read_text(_pick(folded, ("kind", "type", "类型"))).lower()),
            language=read_text(_pick(folded, ("language", "lang", "languagecode"))),
            occurred_at=read_moment(_pick(folded, START), context.zone),
            replaces=bool(find_call_id(value)),
            name=read_text(_pick(contact, ("name", "姓名")) or _pick(folded, ("customername", "callername"))),
            phones=tuple(dict.fromkeys(phone for phone in phones if phone)),
            emails=(email,) if "@" in email else (),
            branch_code=branch_code,
            branch_name=branch_name,
            request=read_text(_pick(folded, ("request", "demand", "诉求"))),
        )
    )


def _read_turn(turn: Any) -> Utterance:
    if isinstance(turn, str):
        return Utterance("", clean(turn))
    if not isinstance(turn, dict):
        return Utterance("", "")
    folded = fold_names(turn)
    begin, end = read_ms(_pick(folded, BEGIN)), read_ms(_pick(folded, END))
    if end is None and begin is not None and (lasting := read_ms(folded.get("durationms"))) is not None:
        end = begin + lasting
    return Utterance(read_label(_pick(folded, VOICE)), read_text(_pick(folded, SAID)), begin, end)


FORMAT = Format(name="turns", matches=_is_turns, read=_read, find_call_id=find_call_id, check=_check)
