"""Attachments -> what the complaint says of them. The bytes stay where they are."""

import hashlib
from collections.abc import Sequence

from gateway.contract.complaint import AttachmentRef
from gateway.contract.draft import Attachment, Draft
from gateway.contract.pages.uploads import clean_name, sniff_type

_ANY = "application/octet-stream"


def describe_attachments(drafts: Sequence[Draft]) -> tuple[AttachmentRef, ...]:
    """In order; the same bytes once. What is still to be collected has size 0 and an empty `sha256`."""
    collected = {each.remote: each for draft in drafts for each in draft.collected}
    unheard = {remote for draft in drafts for remote in draft.unheard}
    unheard -= {each.remote for draft in drafts for each in draft.collected if each.transcribed}
    described: dict[object, AttachmentRef] = {}
    for attachment in (each for draft in drafts for each in draft.attachments):
        reference = _describe(attachment)
        if found := collected.get(attachment.remote):
            facts = {"media_type": found.media_type, "size": found.size, "sha256": found.sha256}
            reference = reference.model_copy(update=facts)
        if attachment.remote in unheard:
            reference = reference.model_copy(update={"needs_transcription": True})
        described.setdefault(reference.sha256 or (reference.name, attachment.remote), reference)
    return tuple(described.values())


def _describe(attachment: Attachment) -> AttachmentRef:
    name = clean_name(attachment.name.encode("utf-8", "replace").decode())
    given = attachment.media_type.partition(";")[0].strip().lower()
    if not given.isascii() or given.count("/") != 1:
        given = _ANY
    if attachment.content is None:
        return AttachmentRef(name=name, media_type=given, size=0, sha256="")
    # What the bytes say goes before what the sender says; a sender may still name a kind of text or a zip's contents.
    sniffed = sniff_type(attachment.content)
    media_type = given if sniffed is None or (sniffed == "text/plain" and given != _ANY) else sniffed
    return AttachmentRef(
        name=name,
        media_type=media_type,
        size=len(attachment.content),
        sha256=hashlib.sha256(attachment.content).hexdigest(),
    )
