"""A raw mail -> a Draft. A parser may degrade, never refuse: only a mail with nothing in it is Unreadable."""

import re
from dataclasses import dataclass, replace
from email.message import Message

from adapters.email.address import fold_domain, is_address, read_domain
from adapters.email.automail import find_origin
from adapters.email.headers import Fields, Sender, decode_field, read_message_ids, read_senders
from adapters.email.parts import Parts, parse_mail, read_fields, read_parts
from adapters.email.quoting import Split, split_reply
from gateway.contract.draft import Address, AddressKind, Attachment, Draft
from gateway.contract.errors import Ignored, Unreadable

_FORWARD = re.compile(r"^\W*(?:(?:re|回复|答复)\s*[:：]\s*)*(?:fwd?|wg|tr|rv|转发|轉寄|轉發)\s*[:：]", re.IGNORECASE)
_TNEF = b"\x78\x9f\x3e\x22"
_INVITE_WORDS = 200
"""Characters; who writes more than that into an invitation wants to say something."""

_WHY_IGNORED = {
    "auto_reply": "An automatic reply, not a customer's words.",
    "bounce": "A mail server reports that a mail could not be delivered.",
    "read_receipt": "A receipt that says a mail was opened.",
    "abuse_report": "A report about a mail of ours, not a complaint by mail.",
    "mailing_list": "Mail of a mailing list. If the list stands before this mailbox, add it to own_lists.",
    "calendar_invite": "An invitation without a message.",
}


@dataclass(frozen=True, slots=True)
class Reader:
    """`staff`: domains whose mails with a mail attached hand on a customer's words."""

    staff: frozenset[str] = frozenset()
    own_lists: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()

    def read_draft(self, raw: bytes, *, null_sender: bool = False) -> Draft:
        """Raises Ignored for mail written by machines, Unreadable for an empty one."""
        message = parse_mail(raw)
        fields = read_fields(message)
        origin = find_origin(fields, null_sender=null_sender, own_lists=self.own_lists, recipients=self.recipients)
        if origin.code:
            raise _ignore(origin.code)
        if not fields.pairs and _is_binary(raw):
            return Draft(attachments=(_keep_binary(raw),))
        parts = read_parts(message)
        if parts.invites and len("".join(parts.text.split())) < _INVITE_WORDS:
            raise _ignore("calendar_invite")
        draft = self.read(fields, parts, quiet=origin.quiet)
        if not draft.text and not draft.attachments:
            raise Unreadable("email_empty", "The mail has no text, subject or attachment. Read the raw bytes.")
        return draft

    def read(self, fields: Fields, parts: Parts, *, quiet: bool) -> Draft:
        title = decode_field(fields.get("subject"), parts.codec)
        split = _split(parts, title)
        sender, answer_to = _find_people(fields, parts.codec)
        draft = Draft(
            # Many write everything into the subject; the words must stand where rules look for them.
            text=split.text or ("" if parts.mails else title),
            quoted=split.quoted,
            title=title,
            name=sender.name,
            emails=tuple(dict.fromkeys(address for address in (sender.address, answer_to) if address)),
            attachments=tuple(parts.attachments),
            acknowledge=None if quiet else _make_address(answer_to or sender.address, fields),
        )
        return self._add_mails(draft, fields, sender, parts.mails, quiet=quiet)

    def _add_mails(self, draft: Draft, fields: Fields, sender: Sender, mails: list[Message], *, quiet: bool) -> Draft:
        """A colleague who hands on one mail: the complainant is who wrote that. Otherwise mails inside are evidence."""
        if len(mails) == 1 and self._is_staff(sender, fields):
            inner_fields, inner_parts = read_fields(mails[0]), read_parts(mails[0])
            # What is wrapped once more stays an attachment: whose words it holds is for a person to see.
            inner = Reader().read(inner_fields, inner_parts, quiet=quiet or find_origin(inner_fields).quiet)
            if inner.text or inner.attachments:
                cover = "\n\n".join(filter(None, (draft.text, draft.quoted, inner.quoted)))
                return replace(inner, quoted=cover, attachments=inner.attachments + draft.attachments)
        for mail in mails:
            draft = _add_evidence(draft, mail)
        return replace(draft, text=draft.text or draft.title)

    def _is_staff(self, sender: Sender, fields: Fields) -> bool:
        """By the settings. Without them, mail that stays inside one house; a customer who copies himself is none."""
        domain = read_domain(sender.address)
        readers = [reader for name in ("to", "cc") for reader in read_senders(fields.get(name))]
        own = self.staff or {read_domain(reader.address) for reader in readers if reader.address}
        return bool(domain) and domain in own and (bool(self.staff) or len(own) == 1)


def _split(parts: Parts, title: str) -> Split:
    if _FORWARD.match(title):
        # The words of a forwarded complaint are the complaint, whoever passes it on.
        return Split("\n\n".join(filter(None, (parts.text, parts.quoted))).strip())
    split = split_reply(parts.text)
    quoted = "\n\n".join(filter(None, (split.quoted, parts.quoted)))
    return Split(split.text, quoted) if split.text else Split(quoted)


def _find_people(fields: Fields, codec: str) -> tuple[Sender, str]:
    """Who wrote, and where he wants the answer if that is elsewhere."""
    found = [sender for name in ("from", "sender", "reply-to", "return-path") for sender in read_senders(fields.get(name), codec)]  # fmt: skip
    sender = next((candidate for candidate in found if candidate.address), found[0] if found else Sender())
    replies = [candidate.address for candidate in read_senders(fields.get("reply-to"), codec) if candidate.address]
    return sender, replies[0] if len(replies) == 1 else ""


def _make_address(value: str, fields: Fields) -> Address | None:
    if not is_address(value):
        return None
    own_id = next(iter(read_message_ids(fields.get("message-id"))), "")
    return Address(AddressKind.EMAIL, fold_domain(value), own_id if own_id.isascii() and own_id.isprintable() else "")


def _add_evidence(draft: Draft, mail: Message) -> Draft:
    fields, parts = read_fields(mail), read_parts(mail)
    title = decode_field(fields.get("subject"), parts.codec)
    words = "\n".join(filter(None, (title, parts.text, parts.quoted)))
    try:
        content = mail.as_bytes()
    except (UnicodeError, LookupError, ValueError, TypeError, AttributeError, RecursionError):
        # The standard library cannot write every mail that it can read; the words are what counts, the raw mail is kept.
        content = words.encode()
    number = len(draft.attachments) + 1
    attachment = Attachment(name=f"mail-{number}.eml", media_type="message/rfc822", content=content)
    if not draft.text:
        return replace(draft, text=words, attachments=(*draft.attachments, attachment))
    quoted = "\n\n".join(filter(None, (draft.quoted, words)))
    return replace(draft, quoted=quoted, attachments=(*draft.attachments, attachment))


def _is_binary(raw: bytes) -> bool:
    return raw.startswith(_TNEF) or b"\0" in raw[:1_024]


def _keep_binary(raw: bytes) -> Attachment:
    if raw.startswith(_TNEF):
        return Attachment(name="winmail.dat", media_type="application/ms-tnef", content=raw)
    return Attachment(name="attachment-1.bin", media_type="application/octet-stream", content=raw)


def _ignore(code: str) -> Ignored:
    return Ignored(code, _WHY_IGNORED[code])
