"""Attachments -> what the complaint says of them. The bytes stay where they are."""

import hashlib
from collections.abc import Sequence

from config.settings import AttachmentSettings
from gateway.contract.complaint import AttachmentRef, Note
from gateway.contract.draft import Attachment, Collected, Draft
from gateway.contract.file_name import clean_name
from gateway.contract.file_type import clean_declared, tell_type
from gateway.contract.value import value


@value(kw_only=False)
class Listed:
    """`left_out`: how many came beyond the number that is listed; they stay in their envelopes."""

    references: tuple[AttachmentRef, ...]
    left_out: int = 0


def describe_attachments(drafts: Sequence[Draft], limits: AttachmentSettings) -> Listed:
    """In order; the same bytes once. What is still to be collected has size 0 and an empty `sha256`."""
    collected = {each.remote: each for draft in drafts for each in draft.collected}
    results = {each.sha256: each.result for draft in drafts for each in draft.scanned}
    unheard = {remote for draft in drafts for remote in draft.unheard}
    unheard -= {each.remote for draft in drafts for each in draft.collected if each.transcribed}
    described: dict[object, AttachmentRef] = {}
    total = 0
    beyond: set[object] = set()
    for attachment in (each for draft in drafts for each in draft.attachments):
        reference = _describe(attachment, collected.get(attachment.remote))
        key = reference.sha256 or (reference.name, attachment.remote)
        if key in described or key in beyond:
            continue
        if len(described) >= limits.count:
            beyond.add(key)
            continue
        total += reference.size
        facts: dict[str, object] = {"scan": results.get(reference.sha256, "")}
        if reference.size > limits.file_bytes:
            facts["note"] = Note.TOO_LARGE
        elif total > limits.complaint_bytes:
            facts["note"] = Note.BEYOND_TOTAL
        if attachment.remote in unheard:
            facts["needs_transcription"] = True
        described[key] = reference.model_copy(update=facts)
    return Listed(tuple(described.values()), len(beyond))


def _describe(attachment: Attachment, found: Collected | None) -> AttachmentRef:
    name = clean_name(attachment.name.encode("utf-8", "replace").decode())
    declared = clean_declared(attachment.media_type)
    if attachment.content is not None:
        media_type, size = tell_type(attachment.content, declared), len(attachment.content)
        digest = hashlib.sha256(attachment.content).hexdigest()
        return AttachmentRef(name=name, media_type=media_type, declared_type=declared, size=size, sha256=digest)
    if found is None:
        return AttachmentRef(name=name, media_type=declared, declared_type=declared, size=0, sha256="")
    return AttachmentRef(
        name=name,
        media_type=found.media_type,
        declared_type=declared,
        size=found.size,
        sha256=found.sha256,
        note=Note(found.note),
    )
