"""A customer's words judged by the shipped rules, or by rules a bank has changed."""

from collections.abc import Sequence
from functools import cache

from config.settings import TriageSettings
from gateway.contract.complaint import Turn
from gateway.contract.verdict import Priority, Signal
from gateway.triage.judge import Judgement, judge
from gateway.triage.rules import Rules, load_rules


@cache
def shipped() -> Rules:
    return load_rules(TriageSettings())


def tell(text: str, *, turns: Sequence[Turn] = (), rules: Rules | None = None) -> Judgement:
    return judge(text=text, turns=turns, channel="", language="", rules=rules or shipped())


def find(judgement: Judgement, name: str) -> Signal | None:
    return next((signal for signal in judgement.verdict.signals if signal.id == name), None)


def find_raised(judgement: Judgement) -> set[str]:
    """The signals that count; marks without effect left out."""
    return {signal.id for signal in judgement.verdict.signals if signal.priority is not Priority.INFO}
