"""vCon (draft-ietf-vcon-vcon-core 0.4.0 and its forerunners), read tolerantly.

The published validator rejects the draft's own examples, so this reads what is there: text dialogs, and transcripts
in `analysis` in the bodies seen in the field (turns, rows with `parties`, Deepgram's, plain text). The signed form
(JWS) is read without verifying; the encrypted one (JWE) is set aside.
"""

import base64
import html
import json
import re
from collections.abc import Iterator
from datetime import datetime
from email import message_from_bytes, policy
from typing import Any

from adapters.hotline.format import Context, Format, require_words
from adapters.hotline.phones import find_customer_phone
from adapters.hotline.speakers import Utterance, assign_speakers, name_speaker
from adapters.hotline.text import read_lines
from adapters.hotline.values import clean, dig, read_id, read_label, read_moment, read_ms, read_text, rows_of
from gateway.contract.complaint import Speaker
from gateway.contract.draft import Attachment, Draft
from gateway.contract.errors import Unreadable

_BREAK = re.compile(r"</?(?:p|div|br|tr|li|h[1-6])\b[^<>]{0,1000}>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,1000}>")
NAMES = ("vcon", "parties", "payload", "ciphertext")
"""Top-level names of which every vCon has one."""


def is_vcon(value: Any) -> bool:
    return isinstance(value, dict) and (
        "vcon" in value
        or ("parties" in value and ("dialog" in value or "analysis" in value))
        or is_signed(value)
        or _is_encrypted(value)
    )


def is_signed(value: Any) -> bool:
    return isinstance(value, dict) and "payload" in value and "signatures" in value


def _is_encrypted(value: dict[str, Any]) -> bool:
    return "ciphertext" in value and ("protected" in value or "recipients" in value)


def find_uuid(value: Any) -> str:
    """The conversation: an amended or redacted form names the one it was made of."""
    inner = _open_signed(value) if is_signed(value) else value
    return (
        read_id(dig(inner, "amended", "uuid")) or read_id(dig(inner, "redacted", "uuid")) or read_id(dig(inner, "uuid"))
    )


def _open_signed(value: Any) -> Any:
    try:
        payload = str(value["payload"])
        return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, RecursionError):
        return None


def _read(value: Any, context: Context) -> Draft:
    if isinstance(value, dict) and _is_encrypted(value):
        raise Unreadable("vcon_encrypted", "The vCon is encrypted. Ask the sender for the plain or signed form.")
    vcon = _open_signed(value) if is_signed(value) else value
    if not isinstance(vcon, dict):
        raise Unreadable("vcon_broken", "The signed vCon holds no readable payload. Ask the sender to send it again.")
    parties = rows_of(vcon.get("parties"))
    roles = _find_roles(parties, context)
    dialogs = rows_of(vcon.get("dialog"))
    starts = [moment for dialog in dialogs if (moment := read_moment(dialog.get("start"), context.zone))]
    start = min(starts, default=None)
    said = [*_read_dialogs(dialogs, roles, start, context), *_read_transcripts(vcon, roles, start, context)]
    utterances = [each for each in said if each.text]
    whole = utterances[0].text if len(utterances) == 1 and not utterances[0].voice else ""
    customers = [party for party, role in zip(parties, roles, strict=True) if role == Speaker.CUSTOMER.value]
    customer = customers[0] if customers else {}
    phone = find_customer_phone(context.own_numbers, customer.get("tel"))
    mail = read_text(customer.get("mailto")).removeprefix("mailto:")
    name = read_text(customer.get("name"))
    return require_words(
        Draft(
            text=whole,
            turns=() if whole else assign_speakers(utterances),
            title=read_text(vcon.get("subject")),
            occurred_at=start or read_moment(vcon.get("created_at"), context.zone),
            # A redacted copy says less than the call it was made of.
            replaces=bool(find_uuid(value)) and not dig(vcon, "redacted", "uuid"),
            name="" if name.lstrip("+").isdigit() or name_speaker(name) else name,
            phones=(phone,) if phone else (),
            emails=(mail,) if "@" in mail else (),
            attachments=tuple(_read_attachments(vcon)),
        )
    )


def _find_roles(parties: list[dict[str, Any]], context: Context) -> list[str]:
    """One a party, empty where unknown; if all but one are staff, the one is the customer."""
    roles = [_find_role(party, context) for party in parties]
    if len(roles) > 1 and sorted(roles) == ["", *[Speaker.AGENT.value] * (len(roles) - 1)]:
        roles[roles.index("")] = Speaker.CUSTOMER.value
    return roles


def _find_role(party: dict[str, Any], context: Context) -> str:
    """The party's own word for its role, else what its number or name says, else empty."""
    for word in (party.get("role"), dig(party, "meta", "role"), party.get("name")):
        if speaker := name_speaker(read_text(word)):
            return speaker.value
    tel = read_text(party.get("tel"))
    if tel:
        return "" if find_customer_phone(context.own_numbers, tel) else Speaker.AGENT.value
    return ""


def _name_voice(party: Any, roles: list[str]) -> str:
    while isinstance(party, list):
        party = party[0] if party else None
    if isinstance(party, int) and 0 <= party < len(roles):
        return roles[party] or f"party {party}"
    return read_label(party)


def _read_dialogs(
    dialogs: list[dict[str, Any]], roles: list[str], start: datetime | None, context: Context
) -> Iterator[Utterance]:
    for dialog in dialogs:
        if dialog.get("type") == "text":
            party = dialog["originator"] if "originator" in dialog else dialog.get("parties")
            yield Utterance(_name_voice(party, roles), _read_body(dialog), _offset(dialog.get("start"), start, context))


def _offset(value: Any, start: datetime | None, context: Context) -> int | None:
    moment = read_moment(value, context.zone)
    return max(0, round((moment - start).total_seconds() * 1000)) if moment and start else None


def _read_transcripts(
    vcon: dict[str, Any], roles: list[str], start: datetime | None, context: Context
) -> Iterator[Utterance]:
    analyses = [each for each in rows_of(vcon.get("analysis")) if str(each.get("type")).startswith("transcript")]
    if not analyses:
        return
    # One transcript per dialog and recogniser: the last one is the latest.
    analysis = analyses[-1]
    body = analysis.get("body")
    if isinstance(body, str):
        body = _parse(body) if analysis.get("encoding") == "json" else {"transcript": body}
    rows = rows_of(body) or rows_of(dig(body, "turns"))
    for row in rows:
        party = row["party"] if "party" in row else row.get("parties", row.get("speaker"))
        begin = read_ms(row.get("start_ms"))
        if begin is None:
            begin = _offset(row.get("start"), start, context)
        lasting = read_ms(row.get("duration"), 1000)
        end = begin + lasting if begin is not None and lasting is not None else read_ms(row.get("end_ms"))
        yield Utterance(_name_voice(party, roles), read_text(row.get("text")), begin, end)
    if rows:
        return
    found = False
    for number, channel in enumerate(rows_of(dig(body, "results", "channels"))):
        best = dig(channel, "alternatives", 0)
        paragraphs = rows_of(dig(best, "paragraphs", "paragraphs"))
        for paragraph in paragraphs:
            words = " ".join(read_text(sentence.get("text")) for sentence in rows_of(paragraph.get("sentences")))
            voice = f"{number}.{read_label(paragraph.get('speaker'))}"
            yield Utterance(voice, words, read_ms(paragraph.get("start"), 1000), read_ms(paragraph.get("end"), 1000))
        if not paragraphs:
            yield Utterance(f"channel {number}", read_text(dig(best, "transcript")))
        found = True
    if not found:
        text = read_text(dig(body, "transcript")) or read_text(dig(body, "text"))
        yield from read_lines(text) or (Utterance("", text),)


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return {"transcript": text}


def _read_body(dialog: dict[str, Any]) -> str:
    body = dialog.get("body")
    if not isinstance(body, str):
        return ""
    if dialog.get("encoding") == "base64url":
        body = _decode(body).decode("utf-8", "replace")
    media_type = read_text(dialog.get("mediatype") or dialog.get("mimetype")).lower()
    if media_type.startswith("multipart/"):
        declared = " ".join(str(dialog.get("mediatype") or dialog.get("mimetype")).split())
        media_type, body = _read_mail(f"Content-Type: {clean(declared)}\n\n{clean(body)}".encode())
    if media_type.startswith("text/html"):
        body = html.unescape(_TAG.sub("", _BREAK.sub("\n", body)))
    return clean(body)


def _read_mail(raw: bytes) -> tuple[str, str]:
    """The body part that is text: its media type and its words."""
    part = message_from_bytes(raw, policy=policy.default).get_body(("plain", "html"))
    content = part.get_payload(decode=True) if part else None
    if part is None or not isinstance(content, bytes):
        return "", ""
    for charset in ("utf-8", part.get_content_charset("utf-8")):
        # The words were Unicode in the JSON, whatever charset a part still declares.
        try:
            return part.get_content_type(), content.decode(charset)
        except (UnicodeDecodeError, LookupError):
            continue
    return part.get_content_type(), content.decode("utf-8", "replace")


def _decode(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""


def _read_attachments(vcon: dict[str, Any]) -> Iterator[Attachment]:
    """Files that the vCon carries itself; a recording that it only links to stays where it is."""
    for each in rows_of(vcon.get("attachments")):
        content = _decode(str(each["body"])) if each.get("encoding") == "base64url" and each.get("body") else b""
        if content:
            media_type = read_text(each.get("mediatype") or each.get("mimetype")) or "application/octet-stream"
            yield Attachment(
                name=read_text(each.get("filename")) or "attachment", media_type=media_type, content=content
            )


FORMAT = Format(name="vcon", matches=is_vcon, read=_read, find_call_id=find_uuid)
