"""`/guestbook` for visitors, `/intake/guestbook` for programs, and files for what was written elsewhere."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from adapters.guestbook.files import split_rows, write_cells
from adapters.guestbook.rows import ROW, digest_matter, draft_cells, draft_row, write_row
from adapters.guestbook.settings import ChannelSettings
from gateway.contract import signing
from gateway.contract.call import Call, Reply, Route
from gateway.contract.complaint import Authenticity, Kind
from gateway.contract.draft import Draft
from gateway.contract.envelope import Accepted, Envelope, Thread
from gateway.contract.errors import AdapterError, Refused, Unreadable
from gateway.contract.pages import entry as entries
from gateway.contract.pages.form_page import FormPage, answer_json, describe_fields, find_body_limit, wants_page
from gateway.contract.ports import House

THREAD_WINDOW_MS = 86_400_000
"""A page sent again within a day is a correction of the same matter; after that it is a new one."""
PAGE = "/guestbook"
ENTRY = "/intake/guestbook"
JSON = "application/json"


class Guestbook:
    formats: Sequence[str] = ("csv", "xlsx", "jsonl")

    def __init__(self, instance: str, settings: ChannelSettings, house: House) -> None:
        self._instance = instance
        self._settings = settings
        self._house = house
        self._seal_key = house.derive(f"guestbook/{instance}/form")
        branches = sorted(house.branches.values(), key=lambda branch: branch.code)
        self._page = FormPage(house, title="title_guestbook", seal_key=self._seal_key, branches=branches)

    def routes(self) -> Sequence[Route]:
        paths = dict.fromkeys((ENTRY, f"/intake/{self._instance}"))
        routes = [Route(method="POST", path=path, stateless=True) for path in paths]
        if self._settings.page:
            routes += [
                Route(method="GET", path=PAGE, public=True),
                Route(method="POST", path=PAGE, limit_bytes=find_body_limit(self._house.limits), public=True),
            ]
        return routes

    def receive(self, call: Call) -> Sequence[Envelope] | Reply:
        if call.path != PAGE:
            return [self._receive_json(call)]
        if call.method == "GET":
            return self._page.show_form(call)
        content_type = call.headers.get("content-type", "")
        entry = entries.read_entry(content_type, call.body)
        wrong = entries.check_entry(entry, self._house.limits, tuple(self._house.branches))
        if wrong:
            refused = entries.refuse_entry(wrong)
            raise refused if wants_page(call) else describe_fields(refused, self._house.limits)
        return [self._enclose(entry, call, content_type)]

    def reply(self, call: Call, accepted: Sequence[Accepted]) -> Reply:
        if call.path == PAGE and wants_page(call):
            return self._page.show_receipt(call, accepted[0])
        return answer_json(self._house, accepted[0])

    def refuse(self, call: Call, error: AdapterError) -> Reply | None:
        return self._page.refuse(call, error) if call.path == PAGE and wants_page(call) else None

    def split(self, source: BinaryIO, name: str, format_name: str | None) -> Iterator[Envelope]:
        now = self._house.clock.now_ms()
        data = source.read()
        seen: Counter[str] = Counter()

        def number(key: str) -> str:
            # Two visitors may write the same words: the second of equal rows is the second again on the next run.
            seen[key] += 1
            return f"{key}:{seen[key]}" if seen[key] > 1 else key

        for cells, problem in split_rows(data, name, format_name):
            raw = (
                write_row(cells, problem) if cells else write_row({"#file": hashlib.sha256(data).hexdigest()}, problem)
            )
            matter = "" if problem else digest_matter(cells)
            yield Envelope(
                channel=self._instance,
                adapter="guestbook",
                source_key=number(f"row:{hashlib.sha256(raw).hexdigest()[:32]}"),
                media_type=ROW,
                raw=raw,
                received_at=now,
                authenticity=Authenticity(verified=True, method="file"),
                thread=Thread(key=number(f"matter:{matter}")) if matter else None,
                backfill=True,
            )

    def draft(self, envelope: Envelope) -> Draft:
        media_type = envelope.media_type.partition(";")[0]
        if media_type == ROW:
            return draft_row(envelope.raw, self._house.timezone)
        if media_type == JSON and "page" not in envelope.hints:
            return draft_cells(write_cells(entries.read_json_object(envelope.raw)), self._house.timezone)
        try:
            entry = entries.read_entry(envelope.media_type, envelope.raw)
        except Refused as error:
            raise Unreadable(error.code, error.detail) from None
        return entries.draft_entry(entry, entry.branch)

    def _enclose(self, entry: entries.Entry, call: Call, content_type: str) -> Envelope:
        digest = entries.digest_entry(entry)
        source_key, thread_key = entries.find_keys(entry, self._seal_key, digest, call.received_at)
        doubt = entries.doubt_entry(entry, self._seal_key, call.received_at)
        hints = {"page": "1", "quarantine": doubt}
        return Envelope(
            channel=self._instance,
            adapter="guestbook",
            source_key=source_key,
            media_type=content_type,
            raw=call.body,
            received_at=call.received_at,
            authenticity=Authenticity(verified=False, method="none", detail=f"quarantine: {doubt}" if doubt else ""),
            content=digest,
            thread=Thread(key=thread_key, window_ms=THREAD_WINDOW_MS) if thread_key else None,
            hints={key: value for key, value in hints.items() if value},
        )

    def _receive_json(self, call: Call) -> Envelope:
        self._check_key(call)
        if call.media_type != JSON:
            raise Refused("type_unknown", "Send JSON with Content-Type application/json.", status=415)
        fields = entries.read_json_object(call.body)
        _check_fields(fields)
        content = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).digest()
        key = call.headers.get("idempotency-key") or fields.get("id")
        # Without a key of the caller's own, ten minutes tell a retry from another visitor with the same words.
        source_key = f"id:{key}" if key else f"direct:{content.hex()[:32]}:{call.received_at // 600_000}"
        return Envelope(
            channel=self._instance,
            adapter="guestbook",
            source_key=source_key,
            media_type=JSON,
            raw=call.body,
            received_at=call.received_at,
            authenticity=Authenticity(verified=True, method="key"),
            content=content,
        )

    def _check_key(self, call: Call) -> None:
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        given = call.headers.get("x-huiyin-key") or (token.strip() if scheme.lower() == "bearer" else "")
        if not given:
            raise Refused("key_missing", "Send the key of this channel in X-Huiyin-Key.", status=401)
        good = False
        for key in self._settings.keys:
            good |= signing.same(given, key.get_secret_value())
        if not good:
            raise Refused("key_wrong", "This key is not valid here. Ask the bank for the current one.", status=403)


_TEXT_FIELDS = (
    "text",
    "content",
    "title",
    "kind",
    "phone",
    "name",
    "email",
    "branch",
    "branch_code",
    "time",
    "language",
)


def _check_fields(fields: dict[str, Any]) -> None:
    """Raises Refused `invalid` (422) with the path of every field at fault."""
    wrong = {name: "must be a string" for name in _TEXT_FIELDS if not isinstance(fields.get(name, ""), str | None)}
    if not isinstance(fields.get("id", ""), str | int):
        wrong["id"] = "must be a string or a number"
    if fields.get("kind") and fields["kind"] not in entries.KINDS:
        wrong["kind"] = "must be one of " + ", ".join(kind.value for kind in Kind)
    if not wrong:
        try:
            draft = draft_cells(write_cells(fields), "UTC")
        except Unreadable:
            wrong["text"] = "must hold the customer's words"
        else:
            if len(draft.text) > entries.TEXT_LENGTH:
                wrong["text"] = f"must have at most {entries.TEXT_LENGTH} characters"
    if wrong:
        raise Refused("invalid", "Some fields need another look.", status=422, fields=wrong)


def open_channel(instance: str, settings: ChannelSettings, house: House) -> Guestbook:
    return Guestbook(instance, settings, house)
