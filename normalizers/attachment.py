"""Attachments -> what the complaint says of them. The bytes stay where they are."""

import hashlib
from collections.abc import Sequence

from gateway.contract.complaint import AttachmentRef
from gateway.contract.draft import Attachment
from gateway.contract.pages.uploads import clean_name, sniff_type

_ANY = "application/octet-stream"


def describe_attachments(attachments: Sequence[Attachment]) -> tuple[AttachmentRef, ...]:
    """In order; the same bytes once. What is still to be collected has size 0 and an empty `sha256`."""
    described: dict[object, AttachmentRef] = {}
    for attachment in attachments:
        reference = _describe(attachment)
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
