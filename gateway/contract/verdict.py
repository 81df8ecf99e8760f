"""How urgent, and why: a level and the evidence for it. Signals only raise attention; they never close or refuse."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Level(StrEnum):
    """CRITICAL: wake a human now. HIGH: a human contact the same working day. NORMAL: the queue."""

    CRITICAL = "critical"
    HIGH = "high"
    NORMAL = "normal"


class Priority(StrEnum):
    """Of one signal: P0 life, safety, money in motion; P1 major; P2 care flag; INFO a mark without effect."""

    P0 = "P0"
    P1 = "P1"
    P2 = "P2"
    INFO = "INFO"


class Evidence(BaseModel):
    """The words that raised a signal. Offsets are characters into the narrative, or into `turns[turn].text`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    turn: int | None = None
    start: int
    end: int


class Signal(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    priority: Priority
    evidence: Evidence


class Verdict(BaseModel):
    """`made_by` names the rules and their version, e.g. `triage.toml@1f3a`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: Level = Level.NORMAL
    signals: tuple[Signal, ...] = ()
    made_by: str
