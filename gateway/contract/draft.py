"""What a channel could read out of one envelope, before any rule: only what the format says, nothing guessed."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.contract.complaint import Kind, Role, Transfer, Turn
from gateway.contract.value import value


class AddressKind(StrEnum):
    EMAIL = "email"
    PHONE = "phone"
    WECHAT = "wechat"
    WECOM = "wecom"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a Notice can go. `thread` is what makes it an answer there (a Message-ID, for mail)."""

    kind: AddressKind
    value: str
    thread: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """`name` and `media_type` are the sender's word. `content` when the envelope holds the bytes; `remote` when they are to be collected (a WeChat media id)."""

    name: str
    media_type: str
    content: bytes | None = None
    remote: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """An attachment that was `remote` and is ours now. `transcribed`: its words stand in the text of the same draft.
    `note`: why it was not taken (`complaint.Note`); then there is no `sha256`.
    """

    remote: str
    media_type: str
    size: int
    sha256: str
    transcribed: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """What a scanner said of an attachment: an `AttachmentRef.scan`."""

    sha256: str
    result: str


@value
class Draft:
    """All fields are optional: a channel gives what it has.

    `text` are the customer's own words; `turns` a conversation (then `text` may stay empty).
    `quoted` is text of others that came along (quoted mail, forwarded headers): kept, not judged.
    `replaces`: this draft is a fuller form of the earlier ones of its thread (a call that grew); otherwise it adds.
    `occurred_at` is when the format says it happened (start of the call), not what the words say.
    `unheard`: `remote` of attachments that are speech nobody has written down.
    `collected`: what became of attachments that an earlier draft of the matter named as `remote`.
    `scanned`: what became known of attachments of the matter.
    `acknowledge`: an address that must be told the receipt, where the channel's reply could not carry it.
    `kind`, `branch_code`, `role`, `request`: what the customer chose or typed in a form field of that name.
    """

    text: str = ""
    turns: tuple[Turn, ...] = ()
    quoted: str = ""
    title: str = ""
    kind: Kind | None = None
    language: str = ""
    occurred_at: datetime | None = None
    replaces: bool = False
    name: str = ""
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    wechat_openid: str = ""
    id_numbers: tuple[str, ...] = ()
    role: Role | None = None
    anonymous: bool = False
    branch_code: str = ""
    branch_name: str = ""
    request: str = ""
    accused_person: str = ""
    attachments: tuple[Attachment, ...] = ()
    unheard: tuple[str, ...] = ()
    collected: tuple[Collected, ...] = ()
    scanned: tuple[Scanned, ...] = ()
    transferred_by: Transfer | None = None
    acknowledge: Address | None = None
