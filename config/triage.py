"""The rules of urgency as a bank writes them, checked before they are used (`config/triage.toml`, `[triage]`)."""

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from config.load import SettingsError
from config.settings import TriageSettings

_Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
_Words = tuple[Annotated[str, Field(min_length=1)], ...]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SignalRule(_Part):
    """`sure`: the signal holds whatever the rest of the text says (words a bank added in its settings).
    `floor`: what this signal needs of the second opinion, where that is not what its priority needs.
    """

    id: _Identifier
    priority: Annotated[str, Field(pattern="^(P0|P1|P2|INFO)$")]
    terms: _Words = ()
    sure: _Words = ()
    all: tuple[tuple[_Identifier, ...], ...] = ()
    strip: _Words = ()
    group: str = ""
    floor: Annotated[float, Field(ge=0, le=1)] | None = None
    only_with: tuple[_Identifier, ...] = ()
    otherwise: Annotated[str, Field(pattern="^(P0|P1|P2|INFO)$")] = "INFO"
    unless: tuple[_Identifier, ...] = ()


class GroupRule(_Part):
    """`ages`: years from and to (inclusive) that put the person of whom they are said into the group."""

    terms: _Words = ()
    strip: _Words = ()
    ages: tuple[int, int] | None = None
    vulnerable: bool = False


class ModelRule(_Part):
    """Thresholds of the second opinion: probabilities. `floor` is what an undamped rule needs to keep its priority."""

    critical: Annotated[float, Field(gt=0, le=1)] = 0.5
    high: Annotated[float, Field(gt=0, le=1)] = 0.5
    critical_floor: Annotated[float, Field(ge=0, le=1)] = 0.1
    high_floor: Annotated[float, Field(ge=0, le=1)] = 0.1


class RulesFile(_Part):
    version: int
    within: Annotated[int, Field(ge=1, le=200)]
    several: Annotated[int, Field(ge=0)]
    clause_limit: Annotated[int, Field(ge=10, le=1000)]
    model: ModelRule = ModelRule()
    concept: dict[_Identifier, _Words]
    signal: tuple[SignalRule, ...]
    group: dict[_Identifier, GroupRule] = {}

    @model_validator(mode="after")
    def _check_names(self) -> "RulesFile":
        known = {*self.concept, "group_vulnerable", "twenty_people"}
        for rule in self.signal:
            unknown = {name for names in (*rule.all, rule.only_with, rule.unless) for name in names} - known
            if unknown:
                raise ValueError(f"signal {rule.id} names concepts that do not exist: {', '.join(sorted(unknown))}")
            if rule.group and rule.group not in self.group:
                raise ValueError(f"signal {rule.id} names the group {rule.group}, which does not exist")
        return self


@dataclass(frozen=True, slots=True)
class TriageTables:
    """Everything the rules are compiled from. `models`: script (`chinese`, `spaced`) -> table text."""

    file: RulesFile
    source: str
    models: dict[str, str]
    name: str = "triage.toml"


def read_tables(settings: TriageSettings) -> TriageTables:
    """The shipped rules or the bank's file, with what its settings switch off and add. Raises SettingsError."""
    tables = files("config")
    if settings.file is None:
        source, name = tables.joinpath("triage.toml").read_text("utf-8"), "triage.toml"
    else:
        name = settings.file.name
        try:
            source = settings.file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"settings: triage.file: {settings.file} cannot be read ({type(error).__name__})"
            ) from None
    try:
        file = RulesFile.model_validate(tomllib.loads(source))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"settings: triage.file: {name}: {error}") from None
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        lines = [f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in problems]
        raise SettingsError(f"settings: triage.file: {name}: " + "; ".join(lines)) from None
    models = {
        script: tables.joinpath("tables", f"triage_{script}_model.csv").read_text("utf-8")
        for script in ("chinese", "spaced")
    }
    return TriageTables(_apply(settings, file), source, models, name)


def _apply(settings: TriageSettings, file: RulesFile) -> RulesFile:
    known = {rule.id for rule in file.signal} | {"pattern_critical", "pattern_high"}
    for key, names in (("off", settings.off), ("terms", tuple(settings.terms))):
        if unknown := sorted(set(names) - known):
            raise SettingsError(f"settings: triage.{key}: there is no signal {', '.join(unknown)}")
    signals = tuple(
        rule.model_copy(update={"sure": settings.terms.get(rule.id, ())})
        for rule in file.signal
        if rule.id not in settings.off
    )
    return file.model_copy(update={"signal": signals})
