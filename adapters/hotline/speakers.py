"""Who speaks: role words of the vendors, and voices that a recogniser only numbered."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.contract.complaint import Speaker, Turn

# Order matters: 智能客服 is a machine, 客户经理 is staff although it begins like 客户.
_ROLES: tuple[tuple[Speaker, re.Pattern[str]], ...] = (
    (
        Speaker.BOT,
        re.compile(
            r"\b(bot|ivr|acd|robot|assistant|voicebot|virtual agent)\b|机器人|智能|语音导航|语音助手", re.IGNORECASE
        ),
    ),
    (Speaker.SYSTEM, re.compile(r"^(system|系统|系統)", re.IGNORECASE)),
    (
        Speaker.AGENT,
        re.compile(
            r"\b(agent|operator|representative|rep|csr|staff|employee|advisor|internal|seat|bank|teller)\b"
            r"|客服|坐席|座席|话务|話務|接线|接線|工作人员|工作人員|柜员|櫃員|经理|經理|专员|專員|员工|موظف",
            re.IGNORECASE,
        ),
    ),
    (
        Speaker.CUSTOMER,
        re.compile(
            r"\b(customer|caller|client|user|contact|external|consumer|complainant|visitor|guest)\b"
            r"|客户|客戶|顾客|顧客|用户|用戶|来电|來電|投诉人|投訴人|市民|储户|儲戶|客人|消费者|عميل|متصل",
            re.IGNORECASE,
        ),
    ),
)
_GREETING = re.compile(
    r"为您服务|為您服務|工号|工號|有什么可以帮|有什麼可以幫|竭诚为您"
    r"|how (?:can|may) i (?:help|assist)|thank you for (?:calling|contacting)|كيف (?:يمكنني|أستطيع) مساعدت",
    re.IGNORECASE,
)
_GREETS_WITHIN = 3


@dataclass(frozen=True, slots=True)
class Utterance:
    """`voice` is the speaker as the format names it: a role word, a name, a number or nothing."""

    voice: str
    text: str
    start_ms: int | None = None
    end_ms: int | None = None


def name_speaker(voice: str) -> Speaker | None:
    """A role word (`座席1023`, `AGENT`, `speaker_role`) -> who it is; None for a mere number or name."""
    label = re.sub(r"[\d_]+", " ", voice)
    return next((speaker for speaker, words in _ROLES if words.search(label)), None)


def assign_speakers(utterances: Sequence[Utterance]) -> tuple[Turn, ...]:
    """Unnamed voices: those that greet as staff do are agents, all others customers.

    A voice nobody can place counts as the customer: urgency is judged in the customer's words, and to overlook
    them is worse than to judge an agent's. A single voice for all is a recogniser that told nobody apart.
    """
    named = {voice: name_speaker(voice) for voice in dict.fromkeys(each.voice for each in utterances)}
    unnamed = [voice for voice, speaker in named.items() if speaker is None]
    if unnamed and len(named) > 1 and Speaker.AGENT not in named.values():
        greeting = _find_greeting(unnamed, utterances)
        for voice in greeting if len(greeting) < len(named) else greeting[:1]:
            named[voice] = Speaker.AGENT
    return tuple(
        Turn(speaker=named[each.voice] or Speaker.CUSTOMER, text=each.text, start_ms=each.start_ms, end_ms=each.end_ms)
        for each in utterances
    )


def _find_greeting(voices: Sequence[str], utterances: Sequence[Utterance]) -> list[str]:
    """Those of the voices that greet as staff in one of their first utterances, in the order they were given."""
    first: dict[str, list[str]] = {voice: [] for voice in voices}
    for each in utterances:
        if each.voice in first and len(first[each.voice]) < _GREETS_WITHIN:
            first[each.voice].append(each.text)
    return [voice for voice, said in first.items() if any(_GREETING.search(text) for text in said)]
