"""What a customer wrote on the branch page or in the guestbook: fields, checks, keys and the Draft in them.

Order 2020-3 art. 13 lets a bank ask for little: only the words are required, everything else may stay empty.
"""

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from config.settings import AttachmentSettings
from gateway.contract.clock import Millis
from gateway.contract.complaint import Kind
from gateway.contract.draft import Attachment, Draft
from gateway.contract.errors import Refused
from gateway.contract.pages.forms import read_form
from gateway.contract.pages.languages import LANGUAGES, TEXTS
from gateway.contract.pages.seal import read_seal
from gateway.contract.pages.uploads import Upload

TEXT_LENGTH = 10_000
FIELD_LENGTH = 60
MIN_FILL_MS = 3_000
"""Nobody reads the page and writes a sentence in less; programs do."""
KINDS = frozenset(kind.value for kind in Kind)
STRONG_KEY_LENGTH = 16
"""A shorter key of a caller's own making could be somebody else's too, so it joins nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """`seal` is the form's, `key` a JSON caller's own idempotency key, `began_at` its word for when the form was opened.

    `trap` is the field that no person sees. `language` is what the customer chose, or empty.
    """

    kind: str = Kind.COMPLAINT
    text: str = ""
    phone: str = ""
    name: str = ""
    reply: bool = False
    branch: str = ""
    language: str = ""
    files: tuple[Upload, ...] = ()
    seal: str = ""
    key: str = ""
    began_at: Millis | None = None
    trap: str = ""
    from_form: bool = True


def read_entry(content_type: str, body: bytes) -> Entry:
    """Raises Refused (400 malformed, 415 wrong type). A form, or JSON with the same field names."""
    if content_type.partition(";")[0].strip().lower() == "application/json":
        return _read_json(body)
    form = read_form(content_type, body)
    return _read_fields(form.fields, form.files)


def _read_fields(fields: Mapping[str, str], files: tuple[Upload, ...]) -> Entry:
    return Entry(
        kind=fields.get("kind") or Kind.COMPLAINT,
        text=clean_text(fields.get("text", "")),
        phone=clean_text(fields.get("phone", "")),
        name=clean_text(fields.get("name", "")),
        reply=fields.get("reply", "") != "",
        branch=fields.get("branch", ""),
        language=_read_language(fields.get("language")),
        files=files,
        seal=fields.get("seal", ""),
        trap=fields.get("website", ""),
    )


def _read_json(body: bytes) -> Entry:
    fields = read_json_object(body)
    bad = {key: "must be a string" for key in ("kind", "text", "phone", "name", "idem") if not _is_text(fields, key)}
    if bad:
        raise Refused("invalid", "Some fields have the wrong type.", status=422, fields=bad)
    began = fields.get("ts")
    return Entry(
        kind=fields.get("kind") or Kind.COMPLAINT,
        language=_read_language(fields.get("language")),
        text=clean_text(fields.get("text") or ""),
        phone=clean_text(fields.get("phone") or ""),
        name=clean_text(fields.get("name") or ""),
        reply=fields.get("contact_ok") is True,
        key=fields.get("idem") or "",
        began_at=Millis(int(began * 1000)) if isinstance(began, int | float) and 0 < began < 10**11 else None,
        trap=str(fields.get("website") or ""),
        from_form=False,
    )


def _is_text(fields: Mapping[str, Any], key: str) -> bool:
    return isinstance(fields.get(key, ""), str | None)


def _read_language(value: object) -> str:
    return value if isinstance(value, str) and value in LANGUAGES else ""


def read_json_object(body: bytes) -> dict[str, Any]:
    """Raises Refused `json_malformed` (400)."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise Refused("json_malformed", "The body must be one JSON object in UTF-8.", status=400)
    return fields


def clean_text(text: str) -> str:
    """Line ends as \\n; without control characters, and without those that hide or turn text around (the raw keeps them).

    Joiners stay: Arabic and emoji need them.
    """
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    kept = (c for c in plain if c in "\n\t\u200c\u200d" or unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
    return "".join(kept).strip().strip("\u200c\u200d")


def check_entry(entry: Entry, limits: AttachmentSettings, branches: Sequence[str] = ()) -> dict[str, str]:
    """Field -> key of the text in `[error]` that tells the person what to do. Empty: all is well."""
    wrong: dict[str, str] = {}
    if entry.kind not in KINDS:
        wrong["kind"] = "kind_unknown"
    if not entry.text:
        wrong["text"] = "text_missing"
    elif len(entry.text) > TEXT_LENGTH:
        wrong["text"] = "text_long"
    if len(entry.phone) > FIELD_LENGTH:
        wrong["phone"] = "field_long"
    elif entry.phone and sum(char.isdigit() for char in entry.phone) < 5:
        wrong["phone"] = "phone_odd"
    elif entry.reply and not entry.phone and entry.from_form:
        wrong["phone"] = "phone_missing"
    if len(entry.name) > FIELD_LENGTH:
        wrong["name"] = "field_long"
    if entry.branch and entry.branch not in branches:
        wrong["branch"] = "branch_unknown"
    sizes = [len(file.content) for file in entry.files]
    if len(sizes) > limits.form_count:
        wrong["files"] = "files_many"
    elif sum(sizes) > limits.form_bytes or max(sizes, default=0) > limits.form_file_bytes:
        wrong["files"] = "files_large"
    elif not all(file.is_taken() for file in entry.files):
        wrong["files"] = "files_type"
    return wrong


def refuse_entry(wrong: Mapping[str, str]) -> Refused:
    """The status that fits: 413 and 415 where the files alone are at fault, else 422."""
    status = {"files_large": 413, "files_type": 415}.get(wrong.get("files", ""), 422) if len(wrong) == 1 else 422
    return Refused("invalid", "Some fields need another look.", status=status, fields=wrong)


def doubt_entry(entry: Entry, key: bytes, now: Millis) -> str:
    """Why this may be the work of a program: it is kept all the same, and marked. Empty: no doubt."""
    if entry.trap:
        return "honeypot"
    seal = read_seal(key, entry.seal)
    began = seal.issued_at if seal else entry.began_at
    if began is None:
        return "without_form"
    return "too_fast" if now - began < MIN_FILL_MS else ""


def digest_entry(entry: Entry) -> bytes:
    """SHA-256 over what the customer said. The boundary of a multipart body, the seal and the like do not count."""
    parts = [entry.kind, entry.text, entry.phone, entry.name, str(entry.reply), entry.branch]
    for file in entry.files:
        parts += [file.name, file.digest()]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).digest()


def find_keys(entry: Entry, seal_key: bytes, digest: bytes, now: Millis) -> tuple[str, str | None]:
    """-> (source key, thread key or None). The same content of the same form is one envelope; other content of it joins."""
    seal = read_seal(seal_key, entry.seal)
    mark = digest.hex()[:32]
    if seal:
        return f"form:{seal.nonce}:{mark}", f"form:{seal.nonce}"
    if entry.key:
        strong = len(entry.key) >= STRONG_KEY_LENGTH
        return f"idem:{entry.key}:{mark}", f"idem:{entry.key}" if strong else None
    # Nothing tells two people with the same words apart but the time: ten minutes cover a retry.
    return f"direct:{mark}:{now // 600_000}", None


def draft_entry(entry: Entry, branch_code: str) -> Draft:
    words = TEXTS[entry.language or "zh-Hans"]
    return Draft(
        text=entry.text,
        kind=Kind(entry.kind) if entry.kind in KINDS else None,
        language=entry.language,
        name=entry.name,
        phones=(entry.phone,) if entry.phone else (),
        anonymous=not entry.name and not entry.phone,
        branch_code=branch_code,
        request=words.say("form", "wish_contact") if entry.reply else "",
        attachments=tuple(
            Attachment(name=file.name, media_type=file.declared, content=file.content) for file in entry.files
        ),
    )
