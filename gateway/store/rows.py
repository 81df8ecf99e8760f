"""What goes into the store and comes out of it: values, not tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.contract.clock import Millis
from gateway.contract.complaint import Kind
from gateway.contract.envelope import Envelope
from gateway.contract.ports import Event, News
from gateway.contract.receipt import Receipt
from gateway.contract.value import value
from gateway.contract.verdict import Level
from gateway.states import DutyState, EnvelopeState


@dataclass(frozen=True, slots=True)
class Lender:
    """An envelope that lends its hints to those of its thread (contract.envelope.LENT_S)."""

    channel: str
    thread: str
    received_at: Millis
    hints: Mapping[str, str]


@value
class InboxItem:
    """A claimed envelope. `claim` is the generation: a later claim makes this one powerless. `attempts` counts the
    claims, this one included.

    `number` is the receipt's (see `store.numbering`). `version` is the current version of the complaint under its receipt (0: none yet), `complaint_id` its id;
    `earlier` are the envelopes already registered under it, oldest first. `lenders` are those of all their threads,
    oldest first. `state` and `code` say where it stands.
    """

    id: str
    claim: int
    attempts: int
    receipt: Receipt | None
    number: int | None
    envelope: Envelope
    complaint_id: str | None = None
    version: int = 0
    earlier: Sequence[Envelope] = ()
    lenders: Sequence[Lender] = ()
    state: EnvelopeState = EnvelopeState.ACCEPTED
    code: str = ""


FILE = "file:"
"""Beginning of the reference of a duty that fetched a file; the rest is its name in the blobs."""


class Target(StrEnum):
    """`COLLECT`: an attachment to fetch from where the channel left it; `instance` is the channel's. `SCAN`: attachments
    to look at for malware.
    """

    SYSTEM = "system"
    NOTICE = "notice"
    COLLECT = "collect"
    SCAN = "scan"


@value
class NewDuty:
    """A duty born with a complaint version. `step` is the system's step name, the notice's purpose, or what to do with
    an attachment.

    `to` is JSON: a notice's address with the ways after it (`stages/ways.py`), what to fetch (`stages/collect.py`) or to
    scan, else empty. `address` is the digest of the address, for notices to customers (`digest_address`); the store keeps its mark.
    `due_ms` is when it may first be tried.
    """

    target: Target
    instance: str
    step: str
    event: Event
    to: str = ""
    address: bytes | None = None
    due_ms: Millis


@value
class Registered:
    """One claimed inbox item turned into a complaint version. Committed as a whole or not at all.

    `decide_ms`: by when it must be decided; None where nothing has to be (praise, a suggestion). `found_by`: what it is
    found again by (see `Store.find`).
    """

    item: InboxItem
    complaint_id: str
    version: int
    event: Event
    kind: Kind
    level: Level
    language: str
    branch: str
    document: bytes
    duties: Sequence[NewDuty] = ()
    decide_ms: int | None = None
    found_by: Sequence[str] = ()


@value
class Moved:
    """One claimed inbox item that becomes no complaint now: set aside, dismissed, or given back for later.

    `state` ACCEPTED means given back: it is claimable again from `due_ms`. `news` is not committed with it: whoever
    commits the move acts on it first.
    """

    item: InboxItem
    state: EnvelopeState
    code: str
    detail: str = ""
    due_ms: int = 0
    news: News | None = None


@value
class Duty:
    """A claimed outbox row, with all that carrying it out needs. `document` is the complaint of `version` as JSON.

    `attempts` counts the claims, this one included. `uncertain`: an earlier attempt may have succeeded unseen, because
    it said so or because its worker never came back.
    """

    id: str
    claim: int
    target: Target
    instance: str
    step: str
    event: Event
    to: str
    complaint_id: str
    receipt: Receipt
    version: int
    level: Level
    attempts: int
    uncertain: bool
    ticket: str | None
    created_ms: Millis
    address: bytes | None = None
    document: bytes


@value
class Settled:
    """The outcome of one claimed duty. `state` WAITING means later: tried again from `due_ms`.

    `then`: a duty of the same complaint version that is born with this outcome (the next warning of a ladder).
    """

    duty: Duty
    state: DutyState
    code: str = ""
    detail: str = ""
    ticket: str | None = None
    reference: str = ""
    uncertain: bool = False
    due_ms: int = 0
    then: NewDuty | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """One move. `subject` is `envelope`, `complaint` or `duty`; `detail` holds identifiers and codes, nothing personal."""

    at: Millis
    subject: str
    subject_id: str
    event: str
    before: str
    after: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeFacts:
    """Of one that is forgotten, what its bytes and its head told is empty."""

    id: str
    channel: str
    adapter: str
    source_key: str
    thread: str | None
    media_type: str
    size: int
    sha256: str
    received_at: Millis
    receipt_wanted: bool
    state: EnvelopeState
    code: str
    detail: str
    forgotten: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyFacts:
    id: str
    target: Target
    instance: str
    step: str
    event: Event
    version: int
    state: DutyState
    attempts: int
    code: str
    detail: str
    reference: str
    created_ms: Millis
    due_ms: Millis
    done_ms: Millis | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The whole life of one receipt. `versions` are (version, event, at, complaint JSON), oldest first.

    `tickets` maps a system instance to its number. `forgotten`: what was said is no longer kept (see
    `store.forgetting`); what was done is told all the same.
    """

    receipt: Receipt
    complaint_id: str | None
    envelopes: Sequence[EnvelopeFacts]
    versions: Sequence[tuple[int, Event, Millis, bytes]]
    duties: Sequence[DutyFacts]
    tickets: dict[str, str] = field(default_factory=dict)
    history: Sequence[HistoryRow] = ()
    forgotten: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A complaint of a person that was looked for."""

    receipt: Receipt
    channel: str
    kind: Kind
    level: Level
    created_ms: Millis
    changed_ms: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthKey:
    """A key that seals what is written in one month (UTC, like 2026-11), itself sealed by a version of the master key."""

    month: str
    version: int
    made_ms: Millis
    destroyed_ms: Millis | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """One thing that waits for a person: a set-aside envelope, a parked duty, or a gap in what a source counts by."""

    subject: str
    id: str
    where: str
    code: str
    detail: str
    receipt: Receipt | None
    since_ms: Millis
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How many things are in one state, and since when the oldest is. `where` is a channel or a target instance.

    `subject` is `envelope`, or for duties their target (`system`, `notice`). A waiting duty counts from when it was
    first due (a rung of an escalation ladder may be due later than it was born), whatever its retries.
    """

    subject: str
    where: str
    state: str
    count: int
    oldest_ms: Millis | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptMonth:
    """A month of which something is kept. `holds`: what of it is unfinished, in words, and how much; then it stays."""

    name: str
    envelopes: int
    complaints: int
    holds: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imbalance:
    """`told` by the history, `found` in the tables. `where` is a channel, or the instance of a target."""

    subject: str
    where: str
    state: str
    told: int
    found: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """`behind`: too much waits to be sealed, nothing was compared. `unsealed_ms`: when the oldest row that is not
    sealed was written. `heard`: when each channel last had something accepted.
    """

    imbalances: Sequence[Imbalance] = ()
    unsealed: int = 0
    unsealed_ms: int | None = None
    behind: bool = False
    heard: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """What of a channel must be decided soon and is not. `first_ms`: the earliest of these deadlines."""

    channel: str
    approaching: int
    passed: int
    first_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """How many numbers of a channel's source are missing, and since when the first is."""

    channel: str
    count: int
    since_ms: int


@dataclass(frozen=True, slots=True)
class AlarmCall:
    """When somebody was last told of the alarms that stand. `due_ms`: not to be tried before (a pause, or another node
    that is at it). `attempts` failed since.
    """

    recipient: str
    told_ms: int = 0
    due_ms: int = 0
    attempts: int = 0
