"""The rules of urgency, compiled once: one automaton over all their words, and the models of the second opinion."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from config.settings import TriageSettings
from config.triage import RulesFile, SignalRule, TriageTables, read_tables
from normalizers.lexicon import Lexicon
from normalizers.model import Scorer, read_model


@dataclass(slots=True)
class Role:
    """What one word stands for."""

    concepts: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()
    sure: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    strip: bool = False


class Rules:
    """Compiled rules. Pickles as its tables and is compiled again where it arrives (about 20 ms).

    `version` changes with anything that can change a verdict, e.g. `triage.toml@1f3a9c2e`.
    """

    def __init__(self, tables: TriageTables, off: tuple[str, ...] = ()) -> None:
        self._tables = tables
        self.off = off
        self.file: RulesFile = tables.file
        models = {script: read_model(text) for script, text in tables.models.items()}
        content = tables.file.model_dump_json() + repr(sorted(tables.models.items())) + repr(sorted(off))
        self.version = f"{tables.name}@{hashlib.sha256(content.encode()).hexdigest()[:8]}"
        self.signals: dict[str, SignalRule] = {rule.id: rule for rule in self.file.signal}
        self.composed = tuple(rule for rule in self.file.signal if rule.all)
        self.grouped = tuple(rule for rule in self.file.signal if rule.group)
        roles = _assign_roles(self.file)
        learned = (word for model in models.values() for word in model.words)
        self.lexicon = Lexicon({**dict.fromkeys(roles), **dict.fromkeys(learned)})
        self.roles = [roles.get(word) for word in self.lexicon.words]
        self.scorers = {script: Scorer(model, self.lexicon.words) for script, model in models.items()}

    def __reduce__(self) -> tuple[Callable[..., "Rules"], tuple[object, ...]]:
        return Rules, (self._tables, self.off)


def load_rules(settings: TriageSettings) -> Rules:
    """The shipped rules or the bank's, with what its settings switch off and add. Raises SettingsError."""
    return Rules(read_tables(settings), settings.off)


def _assign_roles(file: RulesFile) -> dict[str, Role]:
    roles: dict[str, Role] = {}

    def mark(words: tuple[str, ...]) -> list[Role]:
        return [roles.setdefault(word, Role()) for word in words]

    for concept, words in file.concept.items():
        for role in mark(words):
            role.concepts += (concept,)
    for rule in file.signal:
        for role in mark(rule.terms):
            role.signals += (rule.id,)
        for role in mark(rule.sure):
            role.sure += (rule.id,)
    for name, group in file.group.items():
        for role in mark(group.terms):
            role.groups += (name,)
    for phrases in (*(rule.strip for rule in file.signal), *(group.strip for group in file.group.values())):
        for role in mark(phrases):
            role.strip = True
    return roles
