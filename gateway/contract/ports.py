"""The three doors an adapter may offer: a CHANNEL (complaints come in), a SYSTEM (they are tracked there),
a NOTICE (words go to a person).

A party is a folder `adapters/<party>/`. For each door it offers there is a module with one opening function:

    settings.py   ChannelSettings / SystemSettings / NoticeSettings   pydantic models, extra="forbid"
    channel.py    open_channel(instance: str, settings: ChannelSettings, house: House) -> Channel
    system.py     open_system(instance: str, settings: SystemSettings, house: House) -> System
    notice.py     open_notice(instance: str, settings: NoticeSettings, house: House) -> Notifier
    speech.py     open_speech(instance: str, settings: SpeechSettings, house: House) -> Transcriber (no door of its own:
                  it writes down what came in by a channel)
    scan.py       open_scan(instance: str, settings: ScanSettings, house: House) -> Scanner (no door of its own either)
    simulator.py  the party's own behaviour, for tests and `huiyin simulate`

`gateway.plugins` imports these by the name in the settings. A channel is a `Channel` plus whichever of `Push`,
`Files`, `Poll`, `Listen`, `Collect` and `Numbers` it can do; the machine asks with isinstance.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Protocol, TextIO, runtime_checkable

from config.branches import BranchEntry
from config.settings import AttachmentSettings
from gateway.contract.call import Call, Reply, Route
from gateway.contract.clock import Clock, Millis
from gateway.contract.complaint import AttachmentRef, Complaint, Kind
from gateway.contract.draft import Address, Draft
from gateway.contract.envelope import Accepted, Envelope
from gateway.contract.errors import AdapterError, Misconfigured
from gateway.contract.progress import Ask
from gateway.contract.receipt import Receipt
from gateway.contract.value import value
from gateway.contract.verdict import Level


async def _have_nothing(*_: object) -> bytes:
    raise Misconfigured("store_closed", "This needs the store, which is not open here.")


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What an adapter may know of the house it lives in.

    `derive_each(purpose)` gives 32 bytes of key material of its own for a purpose such as `branch_qr/行长秘书`, by version of
    the master key; the same purpose and version give the same bytes for as long as the keyring holds them. Make with
    the highest (`derive`), take what any of them made (`derive_all`). `data_dir` is where an adapter with files of its
    own (the embedded ledger) may keep them. `limits` are those of attachments. `branch_link(code)` is the signed address
    of a branch's page, or nothing where no channel has one. `read_attachment(receipt, sha256)` gives the bytes of an
    attachment to a system of record; it raises Rejected (infected, over the limits, gone) or TryLater (not scanned yet,
    store away). What an adapter keeps in files of its own is sealed first: `seal(value, about, matter)` under the key
    of the month in which the complaint of that id began, `unseal(sealed, about)` only as what it was sealed as. Both raise TryLater while the store is away, `unseal`
    Rejected for what was changed, and for what can never be read again because its month's key was destroyed. They are
    there in a running gateway, and in commands that say so; elsewhere they raise Misconfigured.
    """

    clock: Clock
    public_url: str
    data_dir: Path
    bank_name: str
    bank_hotline: str
    timezone: str
    branches: Mapping[str, BranchEntry]
    derive_each: Callable[[str], Mapping[int, bytes]]
    limits: AttachmentSettings = field(default_factory=AttachmentSettings)
    branch_link: Callable[[str], str] = lambda code: ""  # noqa: ARG005 - the port's shape
    read_attachment: Callable[[Receipt, str], Awaitable[bytes]] = _have_nothing
    seal: Callable[[bytes, str, str], Awaitable[bytes]] = _have_nothing
    unseal: Callable[[bytes, str], Awaitable[bytes]] = _have_nothing

    def derive(self, purpose: str) -> bytes:
        return self.derive_all(purpose)[0]

    def derive_all(self, purpose: str) -> tuple[bytes, ...]:
        """The newest first."""
        keys = self.derive_each(purpose)
        return tuple(keys[version] for version in sorted(keys, reverse=True))


# --- CHANNEL: complaints come in -----------------------------------------------------------------------------------


@runtime_checkable
class Channel(Protocol):
    """What every channel can do: read a Draft out of a kept envelope. Pure, so that it can be run again at any time.

    Raises Unreadable (set aside for a person) or Ignored (no complaint: dismissed by rule).
    """

    def draft(self, envelope: Envelope) -> Draft: ...


@runtime_checkable
class Push(Protocol):
    """The other side calls us over HTTP.

    `receive` checks authenticity and finds the keys; it must not block nor take over 5 ms. It gives envelopes to keep,
    or a Reply where there is nothing to keep (a page, a URL verification). Raises Refused.
    `reply` answers in the party's own form; it is called only after the commit, one Accepted per envelope. It gives an
    Ask where the answer hangs on how far a matter is.
    `refuse` turns a failure into the party's own form, or None for `application/problem+json`. `error.code`
    `store_unavailable` comes as a TryLater: the party must be made to send again.
    """

    def routes(self) -> Sequence[Route]: ...

    def receive(self, call: Call) -> Sequence[Envelope] | Reply: ...

    def reply(self, call: Call, accepted: Sequence[Accepted]) -> Reply | Ask: ...

    def refuse(self, call: Call, error: AdapterError) -> Reply | None: ...


@runtime_checkable
class Files(Protocol):
    """Files of this channel can be imported.

    `formats` are the names `--format` accepts. `split` streams the envelopes of one file in order and never raises on
    content: bytes it cannot split come as one envelope that `draft` will find Unreadable. Keys derive from content, so
    that a second run adds nothing. `name` is the file's name, for formats told by it.
    """

    formats: Sequence[str]

    def split(self, source: BinaryIO, name: str, format_name: str | None) -> Iterator[Envelope]: ...


@dataclass(frozen=True, slots=True)
class Polled:
    """What one poll found. `cursor` is committed together with the envelopes; `more`: ask again at once."""

    envelopes: Sequence[Envelope]
    cursor: str
    more: bool = False


@runtime_checkable
class Poll(Protocol):
    """We ask the other side. `confirm` runs after the commit (mark as seen, delete) and may be repeated. There is nobody to
    refuse a key that comes again with other content: it is kept too, under a key of its own.
    """

    interval_s: float

    async def poll(self, cursor: str | None) -> Polled: ...

    async def confirm(self, polled: Polled) -> None: ...


@dataclass(frozen=True, slots=True)
class SourceNumber:
    """A number of an envelope that its source counts by. Each `stream` (a mailbox, a day) is counted for itself; it tells
    nothing about a person.
    """

    stream: str
    number: int


@runtime_checkable
class Numbers(Protocol):
    """The source numbers what it sends, one by one, so that what never came is seen: a number missing between others.

    `find_number` is pure and fast and reads nothing but the source key; None: this one has no number. `counts` is False
    where the settings say that none has: then nobody opens what came to ask.
    """

    counts: bool

    def find_number(self, source_key: str) -> SourceNumber | None: ...


Accept = Callable[[Sequence[Envelope]], Awaitable[Sequence[Accepted]]]
"""Keeps envelopes durably and returns one Accepted each. Raises TryLater (`store_unavailable`) when it cannot commit,
Refused (`key_conflict`, 409) when a key comes with other content; then none of them was kept."""


@runtime_checkable
class Listen(Protocol):
    """The channel has a socket of its own (SMTP). It says yes to its peer only after `accept` returned."""

    async def listen(self, accept: Accept) -> None: ...

    async def close(self) -> None: ...


@runtime_checkable
class Posters(Protocol):
    """The channel has an address of its own per branch, to be printed (`huiyin qr`).

    Both raise KeyError for a branch that is not in the table. `formats` are of svg, png, pdf.
    """

    def find_branch_link(self, code: str) -> str: ...

    def write_posters(self, codes: Sequence[str], folder: Path, formats: Sequence[str]) -> Sequence[Path]: ...


@runtime_checkable
class Codes(Protocol):
    """The party itself makes codes for branches (`huiyin qr --wechat`): parametric codes of an official account.

    `make_codes` asks the party, so it raises like a System, and KeyError for a branch that is not in the table.
    """

    async def make_codes(self, codes: Sequence[str], folder: Path, formats: Sequence[str]) -> Sequence[Path]: ...


@runtime_checkable
class Menus(Protocol):
    """The party shows customers a menu of ours (`huiyin menu`). `describe_menu` is its JSON; `create_menu` puts it there
    in place of the one before, and raises like a System.
    """

    def describe_menu(self) -> str: ...

    async def create_menu(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Media:
    """What lies at the other side. `media_type` is its word, `size` too (bytes; None: not said). `chunks` may be read
    once, inside the context that gave it.
    """

    media_type: str
    size: int | None
    chunks: AsyncIterator[bytes]


@runtime_checkable
class Collect(Protocol):
    """Attachments of the channel lie at the other side and are fetched soon after the complaint was registered.

    `collects`: whether the settings allow it; if not, attachments stay named and unfetched. `kept_s`: how long the other
    side keeps a thing after it was sent. `takes` are the beginnings of media types that are kept (`image/`).
    `collect` raises TryLater, Rejected (gone, refused) or Misconfigured, on entering and while chunks are read.
    """

    collects: bool
    kept_s: int
    limit_bytes: int
    takes: Sequence[str]

    def collect(self, remote: str) -> AbstractAsyncContextManager[Media]: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What the other side says later about a notice it had taken. `reference` is what `Notifier.send` returned; `code`
    is stable and says why it was not delivered.
    """

    reference: str
    delivered: bool
    code: str = ""


@runtime_checkable
class BringsNews(Protocol):
    """Envelopes of this channel may tell what became of a notice. Pure, as `draft`; None: this one does not."""

    def read_news(self, envelope: Envelope) -> News | None: ...


# --- SYSTEM: complaints are tracked there --------------------------------------------------------------------------


class Event(StrEnum):
    """What happened to a complaint that a system of record may want to know."""

    REGISTERED = "registered"
    SUPPLEMENTED = "supplemented"
    REREAD = "reread"


@value
class Change:
    """Enough of a new complaint version to plan the deliveries it needs. `attachments` are those that may be handed on now:
    not what is over the limits, infected, or not scanned yet where a scanner is on (it comes with a later version).
    """

    event: Event
    version: int
    kind: Kind
    level: Level
    attachments: tuple[AttachmentRef, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One idempotent act at a system, e.g. `create`, `attach:3f1a...`, `note`. Steps of one complaint at one system
    run in the order they were planned, each with a state of its own: a failed attachment never repeats the create.
    """

    name: str


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One step to carry out.

    `id` is the idempotency key: constant over all attempts. `ticket` is the system's number, once a step gave it.
    `uncertain`: an earlier attempt may have succeeded unseen; look it up by `receipt` or `id` before creating.
    `document` is the complaint of this version as JSON bytes; `complaint` reads it on first use.
    """

    id: str
    step: str
    event: Event
    receipt: Receipt
    version: int
    attempt: int
    document: bytes
    ticket: str | None = None
    uncertain: bool = False

    @cached_property
    def complaint(self) -> Complaint:
        return Complaint.model_validate_json(self.document)


@value(kw_only=False)
class Delivered:
    """`ticket` where this step learnt the system's number, `reference` what proves the step (an id, a URL)."""

    ticket: str | None = None
    reference: str = ""


@runtime_checkable
class System(Protocol):
    """`plan` is pure and fast. `deliver` raises TryLater, Rejected, Misconfigured or AlreadyThere.

    `check` reaches the system once without changing it (`huiyin check --online`); it raises like `deliver`.
    """

    def plan(self, change: Change) -> Sequence[Step]: ...

    async def deliver(self, delivery: Delivery) -> Delivered: ...

    async def check(self) -> str: ...

    async def close(self) -> None: ...


@runtime_checkable
class Book(Protocol):
    """A system that is a book of the bank's own, which nobody can read but through the house (`huiyin export`).

    `export` writes CSV, one line an entry, and returns their number; with a `receipt` that entry alone. It raises like
    `deliver`.
    """

    async def export(self, out: TextIO, receipt: str = "") -> int: ...


@runtime_checkable
class BatchSystem(Protocol):
    """A system that takes many deliveries in one go; one outcome each, in order."""

    async def deliver_many(self, deliveries: Sequence[Delivery]) -> Sequence[Delivered | AdapterError]: ...


# --- NOTICE: words go to a person ----------------------------------------------------------------------------------


class Purpose(StrEnum):
    ACKNOWLEDGEMENT = "acknowledgement"
    PROGRESS = "progress"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """`id` is the idempotency key. `text` is plain text; `link` the page to answer on, already part of the text.

    A WARNING without `receipt` and `link` is about the gateway itself: promises that are broken.
    `heard_at`: when this person last wrote to us from the address, None if that is not known. `sent_since`: how many
    notices this notifier has sent there since (0 where `heard_at` is None). Both are of the whole house and of the last
    commit: a notice under way on another node is not in them.
    """

    id: str
    purpose: Purpose
    to: Address
    subject: str
    text: str
    receipt: Receipt | None
    language: str = "zh-Hans"
    link: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    heard_at: Millis | None = None
    sent_since: int = 0


@runtime_checkable
class Notifier(Protocol):
    """`serves` are the address kinds it can reach. `send` returns the sent id, unique over all that ever were sent
    where the other side tells later what became of it (`News`). It raises like a System; of a notice to a customer,
    Rejected means "never this way", and the next way is tried.
    """

    serves: Sequence[str]

    async def send(self, notice: Notice) -> str: ...

    async def check(self) -> str: ...

    async def close(self) -> None: ...


# --- SCAN: what customers attach may be harmful --------------------------------------------------------------------


@runtime_checkable
class Scanner(Protocol):
    """Off unless the settings name one. `scan` gives the name of the malware it found, empty for none. It raises TryLater
    while it is away, Rejected for what it will never look at.
    """

    async def scan(self, content: bytes) -> str: ...

    async def check(self) -> str: ...

    async def close(self) -> None: ...


# --- SPEECH: words are made of sound -------------------------------------------------------------------------------


@runtime_checkable
class Transcriber(Protocol):
    """Off unless the settings name one. `transcribe` gives the words, empty for none; it raises like a System."""

    async def transcribe(self, sound: bytes, media_type: str) -> str: ...

    async def check(self) -> str: ...

    async def close(self) -> None: ...
