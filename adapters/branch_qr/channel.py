"""`/b/{token}`: the form behind a branch's code, and the same as JSON."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from adapters.branch_qr.files import split_submissions
from adapters.branch_qr.settings import ChannelSettings
from adapters.branch_qr.tokens import Place, find_keys, make_token, read_token
from gateway.contract.call import Call, Reply, Route
from gateway.contract.clock import Millis
from gateway.contract.complaint import Authenticity
from gateway.contract.draft import Draft
from gateway.contract.envelope import Accepted, Envelope, Thread
from gateway.contract.errors import AdapterError, Refused, Unreadable
from gateway.contract.pages import entry as entries
from gateway.contract.pages.form_page import FormPage, answer_json, describe_fields, find_body_limit, wants_page
from gateway.contract.ports import House

THREAD_WINDOW_MS = 86_400_000
"""A page sent again within a day is a correction of the same matter; after that it is a new one."""


class BranchPage:
    formats: Sequence[str] = ("json", "form", "multipart")

    def __init__(self, instance: str, settings: ChannelSettings, house: House) -> None:
        self._instance = instance
        self._settings = settings
        self._house = house
        self._keys = find_keys(settings, house)
        self._seal_key = house.derive(f"branch_qr/{instance}/form")
        self._page = FormPage(house, title="title_branch", seal_key=self._seal_key)

    def routes(self) -> Sequence[Route]:
        path = "/b/{token}"
        return (
            Route(method="GET", path=path, public=True),
            Route(method="POST", path=path, limit_bytes=find_body_limit(self._house.limits), public=True),
        )

    def receive(self, call: Call) -> Sequence[Envelope] | Reply:
        place = self._find_place(call.params["token"])
        if call.method == "GET":
            return self._page.show_form(call, self._name_branch(place))
        content_type = call.headers.get("content-type", "")
        entry = entries.read_entry(content_type, call.body)
        wrong = entries.check_entry(entry, self._house.limits)
        if wrong:
            refused = entries.refuse_entry(wrong)
            raise refused if wants_page(call) else describe_fields(refused, self._house.limits)
        return [self._enclose(entry, place, content_type, call.body, call.received_at)]

    def reply(self, call: Call, accepted: Sequence[Accepted]) -> Reply:
        if wants_page(call):
            return self._page.show_receipt(call, accepted[0])
        return answer_json(self._house, accepted[0])

    def refuse(self, call: Call, error: AdapterError) -> Reply | None:
        if not wants_page(call):
            return None
        try:
            name = self._name_branch(self._find_place(call.params["token"]))
        except Refused:
            name = ""
        return self._page.refuse(call, error, name)

    def split(self, source: BinaryIO, name: str, format_name: str | None) -> Iterator[Envelope]:
        """Submissions kept elsewhere: one form body, or one JSON body or a list of them, in a file."""
        now = self._house.clock.now_ms()
        for content_type, body, token in split_submissions(source.read(), name, format_name):
            key = f"file:{hashlib.sha256(body).hexdigest()[:32]}"
            try:
                place = self._find_place(token)
            except Refused:
                place = None  # the words count, even where the code is no longer good
            try:
                entry = entries.read_entry(content_type, body)
            except Refused:
                entry = entries.Entry()  # kept as it is; `draft` will say what is wrong with it
            envelope = self._enclose(entry, place, content_type, body, now)
            if envelope.thread is None:  # no key of its own: the bytes are one, whenever they are read
                envelope = replace(envelope, source_key=key, content=b"")
            yield replace(envelope, backfill=True)

    def draft(self, envelope: Envelope) -> Draft:
        try:
            entry = entries.read_entry(envelope.media_type, envelope.raw)
        except Refused as error:
            raise Unreadable(error.code, error.detail) from None
        if not entry.text:
            raise Unreadable("text_missing", "The form holds no words of the customer.")
        return entries.draft_entry(entry, envelope.hints.get("branch", ""))

    def find_branch_link(self, code: str) -> str:
        """The address behind the code of a branch. Raises KeyError for one that is not in the table."""
        return f"{self._house.public_url}/b/{make_token(self._keys, self._house.branches[code].code)}"

    def write_posters(self, codes: Sequence[str], folder: Path, formats: Sequence[str]) -> Sequence[Path]:
        """One file per branch and format, named by the branch's code: svg and pdf are A4 posters, png the code alone."""
        from adapters.branch_qr.poster import Poster, write_poster

        written = []
        for code in codes:
            branch = self._house.branches[code]
            poster = Poster(
                bank=self._house.bank_name,
                branch=branch.name,
                hotline=self._house.bank_hotline,
                link=self.find_branch_link(code),
            )
            written += [write_poster(poster, folder / f"{_name_file(code)}.{ending}") for ending in formats]
        return written

    def _find_place(self, token: str) -> Place:
        place = read_token(self._keys, token)
        if place.version in self._settings.revoked_keys or place.branch in self._settings.revoked_branches:
            raise Refused("code_revoked", "This code was withdrawn by the bank. Call the hotline.", status=404)
        return place

    def _name_branch(self, place: Place) -> str:
        # A signed code whose branch is not in the table yet still leads to a form: the bank printed it.
        known = self._house.branches.get(place.branch)
        return known.name if known else place.branch

    def _enclose(
        self, entry: entries.Entry, place: Place | None, content_type: str, body: bytes, now: Millis
    ) -> Envelope:
        digest = entries.digest_entry(entry)
        source_key, thread_key = entries.find_keys(entry, self._seal_key, digest, now)
        where = f"{place.branch}/{place.counter}/" if place else ""
        doubt = entries.doubt_entry(entry, self._seal_key, now)
        hints = {"quarantine": doubt}
        if place:
            hints |= {"branch": place.branch, "counter": place.counter}
        return Envelope(
            channel=self._instance,
            adapter="branch_qr",
            source_key=where + source_key,
            media_type=content_type,
            raw=body,
            received_at=now,
            authenticity=Authenticity(
                verified=place is not None,
                method="signed_code" if place else "none",
                detail=f"quarantine: {doubt}" if doubt else "",
            ),
            content=digest,
            thread=Thread(key=where + thread_key, window_ms=THREAD_WINDOW_MS) if thread_key else None,
            hints={key: value for key, value in hints.items() if value},
        )


def _name_file(code: str) -> str:
    return re.sub(r"[^\w.-]", "_", code)


def open_channel(instance: str, settings: ChannelSettings, house: House) -> BranchPage:
    return BranchPage(instance, settings, house)
