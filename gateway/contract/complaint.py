"""The one schema, `huiyin.complaint/1`. Every derived value carries what made it.

pydantic is its source; `huiyin schema` prints the JSON Schema. Times are aware datetimes (ISO 8601 on the wire),
amounts decimal strings, offsets characters. Numbers that identify a person stand in full in `complainant` (the
system of record needs them) and masked in `privacy.findings`.
"""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.contract.verdict import Verdict

SCHEMA: Literal["huiyin.complaint/1"] = "huiyin.complaint/1"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Kind(StrEnum):
    COMPLAINT = "complaint"
    PRAISE = "praise"
    SUGGESTION = "suggestion"
    INQUIRY = "inquiry"


class Speaker(StrEnum):
    CUSTOMER = "customer"
    AGENT = "agent"
    BOT = "bot"
    SYSTEM = "system"


class Role(StrEnum):
    """In whose right somebody complains (Order 2020-3 art. 13, 14)."""

    SELF = "self"
    AGENT = "agent"
    HEIR = "heir"
    LEGAL_REPRESENTATIVE = "legal_representative"
    ORGANISATION = "organisation"


class Precision(StrEnum):
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"
    YEAR = "year"


class ChannelRef(_Part):
    """`party` is the adapter, `instance` its name in the settings."""

    party: str
    instance: str


class Moment(_Part):
    value: datetime | None = None
    precision: Precision = Precision.DAY
    text: str = ""


class Branch(_Part):
    """`matched_by`: `code` (signed or given), `name` (found in the text) or `alias`."""

    code: str
    name: str = ""
    region: str = ""
    matched_by: str = ""


class Document(_Part):
    """An identifier of the complainant, e.g. kind `cn_id`, `bank_card`, `passport`, `uscc`. `valid`: check digit holds."""

    kind: str
    number: str
    valid: bool


class Complainant(_Part):
    name: str = ""
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    wechat_openid: str = ""
    documents: tuple[Document, ...] = ()
    role: Role = Role.SELF
    anonymous: bool = False
    groups: tuple[str, ...] = ()
    party_count: int | None = None


class Turn(_Part):
    """One utterance. Times are milliseconds from the start of the call."""

    speaker: Speaker
    text: str
    start_ms: int | None = None
    end_ms: int | None = None


class Note(StrEnum):
    """Why an attachment goes no further than the bytes in which it came (limits in `[attachments]`)."""

    NONE = ""
    TOO_LARGE = "too_large"
    BEYOND_TOTAL = "beyond_total"


INFECTED = "infected "
"""Beginning of an `AttachmentRef.scan` that names what was found."""
CLEAN = "clean"
UNSCANNED = "unscanned "
"""Beginning of one that says why nothing will be known."""


class AttachmentRef(_Part):
    """`sha256` is empty and `size` 0 while the bytes are still to be fetched from the channel, or never could be.
    `media_type` is what the bytes show, `declared_type` what the sender or the channel said.
    `needs_transcription`: speech that nobody has written down, so it was not judged.
    `scan`: empty while nothing is known, `clean`, `infected NAME`, or `unscanned WHY` where it will stay unknown.
    """

    name: str
    media_type: str
    declared_type: str = ""
    size: int
    sha256: str
    needs_transcription: bool = False
    note: Note = Note.NONE
    scan: str = ""

    def may_leave(self, *, scanning: bool) -> bool:
        """Whether its bytes may be handed on. `scanning`: a scanner is on, so what it has not seen waits."""
        if not self.sha256 or self.note or self.scan.startswith(INFECTED):
            return False
        return bool(self.scan) or not scanning


class Amount(_Part):
    """`value` is a decimal string in units of `currency` (ISO 4217), `text` what the customer wrote."""

    value: str
    currency: str = "CNY"
    text: str


class Accused(_Part):
    institution: str = ""
    person: str = ""


class Code(_Part):
    """One facet of JR/T 0169-2018. `key` is ours and stable; `code` is official and null until the bank loads its table."""

    key: str
    code: str | None = None
    name: str
    confidence: float
    made_by: str
    evidence: str = ""


class Classification(_Part):
    """A: where the *business* was done (never derived from the intake channel). B: business. C: reason."""

    channel: Code | None = None
    business: Code | None = None
    reason: Code | None = None


class Repeat(_Part):
    of: str
    count: int


class Transfer(_Part):
    authority: str
    number: str = ""
    received_at: datetime | None = None


class Due(_Part):
    """Order 2020-3 art. 18: decide within 15 natural days of receipt, the first day not counted."""

    acknowledge_at: datetime
    decide_at: datetime
    profile: str


class Authenticity(_Part):
    """How sure the gateway is of who sent it, e.g. method `hmac`, `key`, `signed_code`, `wechat_safe`, `none`."""

    verified: bool
    method: str
    detail: str = ""


class Finding(_Part):
    """A sensitive number seen in the text, masked for screens. `action`: `kept` or `removed`."""

    kind: str
    masked: str
    action: Literal["kept", "removed"]


class Privacy(_Part):
    findings: tuple[Finding, ...] = ()
    redactions: int = 0


class Provenance(_Part):
    envelope_sha256: str
    adapter: str
    rules_version: str


class Complaint(_Part):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)

    id: str
    receipt: str | None
    schema_: Literal["huiyin.complaint/1"] = Field(default=SCHEMA, alias="schema")
    version: int = 1
    kind: Kind
    channel: ChannelRef
    source_key: str
    thread_key: str | None = None
    received_at: datetime
    occurred_at: Moment | None = None
    language: str = "und"
    branch: Branch | None = None
    complainant: Complainant = Complainant()
    title: str = ""
    narrative: str = ""
    turns: tuple[Turn, ...] = ()
    attachments: tuple[AttachmentRef, ...] = ()
    unlisted_attachments: int = 0
    request: str = ""
    amounts: tuple[Amount, ...] = ()
    accused: Accused | None = None
    classification: Classification = Classification()
    verdict: Verdict
    repeat: Repeat | None = None
    relates_to: tuple[str, ...] = ()
    transferred_by: Transfer | None = None
    due: Due
    authenticity: Authenticity
    privacy: Privacy = Privacy()
    provenance: Provenance
