"""The page with the form, the page with the number, and the pages for what went wrong: shared by all web channels."""

import json
from collections.abc import Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from config.branches import BranchEntry
from config.settings import AttachmentSettings
from gateway.contract.call import Call, Reply
from gateway.contract.clock import to_datetime
from gateway.contract.complaint import Kind
from gateway.contract.envelope import Accepted
from gateway.contract.errors import AdapterError, Refused
from gateway.contract.pages.entry import TEXT_LENGTH, Entry, read_entry
from gateway.contract.pages.forms import FORM, MULTIPART, TEXT_LIMIT_BYTES
from gateway.contract.pages.languages import TEXTS, Texts, choose_language, find_chosen
from gateway.contract.pages.links import write_status_link
from gateway.contract.pages.look import show
from gateway.contract.pages.seal import make_seal, read_seal
from gateway.contract.ports import House
from gateway.contract.receipt import Receipt, spoken

DECIDE_DAYS = 15
"""Order 2020-3 art. 18: the outcome within 15 natural days, the day of receipt not counted."""


class FormPage:
    """`title` is a key of `[form]`; `branches` may be chosen from (none: no choice is offered)."""

    def __init__(self, house: House, *, title: str, seal_key: bytes, branches: Sequence[BranchEntry] = ()) -> None:
        self._house = house
        self._title = title
        self._seal_key = seal_key
        self._branches = branches
        self._facts = tell_limits(house.limits)

    def show_form(
        self,
        call: Call,
        branch_name: str = "",
        *,
        entry: Entry | None = None,
        wrong: Sequence[tuple[str, str]] = (),
        notice: str = "",
        status: int = 200,
        after_s: int = 0,
    ) -> Reply:
        """`entry` is what the person typed already: it stays on the page, under the same seal."""
        language = choose_language(call)
        texts = TEXTS[language]
        before, _, after = texts.words["form"]["urgent"].partition("{hotline}")
        sealed = entry is not None and read_seal(self._seal_key, entry.seal)
        return show(
            "form.html",
            call,
            self._house,
            language,
            status=status,
            after_s=after_s,
            title=self._title,
            branch_name=branch_name,
            branches=self._branches,
            kinds=[kind.value for kind in Kind],
            entry=entry or Entry(),
            seal=entry.seal if entry and sealed else make_seal(self._seal_key, call.received_at),
            chosen=entry.language if entry else find_chosen(call),
            wrong={field: texts.say("error", key, **self._facts) for field, key in wrong},
            files_note=texts.say("form", "files_note", **self._facts),
            notice=texts.say("error", notice) if notice else "",
            files_again=bool(entry and entry.files),
            urgent_before=before,
            urgent_after=after,
            find_link=f"{self._house.public_url}/r?lang={language}",
        )

    def show_receipt(self, call: Call, accepted: Accepted) -> Reply:
        language = choose_language(call)
        texts = TEXTS[language]
        receipt = accepted.receipt or Receipt("")
        received = to_datetime(call.received_at).astimezone(ZoneInfo(self._house.timezone)).date()
        decide_by = texts.say_date(received + timedelta(days=DECIDE_DAYS))
        return show(
            "receipt.html",
            call,
            self._house,
            language,
            groups=spoken(receipt).split(" "),
            added=accepted.supplement,
            step_decide=texts.say("receipt", "step_decide", date=decide_by),
            status_link=write_status_link(self._house, receipt) + f"&lang={language}",
            again_link=f"?lang={language}",
        )

    def refuse(self, call: Call, error: AdapterError, branch_name: str = "") -> Reply:
        """What went wrong, on the form with everything the person typed still in it."""
        refused = error if isinstance(error, Refused) else None
        if refused and refused.code in ("code_unknown", "code_forged", "code_revoked"):
            return self._show_wrong(call, "code", refused.status)
        status = refused.status if refused else 503
        after_s = round(getattr(error, "after_s", 0)) or (0 if refused else 5)
        if call.method != "POST":
            return self._show_wrong(call, "other", status, after_s)
        try:
            entry = read_entry(call.headers.get("content-type", ""), call.body)
        except Refused:
            return self.show_form(call, branch_name, notice="not_read", status=status, after_s=after_s)
        if refused and refused.code == "invalid":
            return self.show_form(call, branch_name, entry=entry, wrong=list(refused.fields.items()), status=status)
        notice = "too_many" if status == 429 else "try_later"
        return self.show_form(call, branch_name, entry=entry, notice=notice, status=status, after_s=after_s)

    def _show_wrong(self, call: Call, what: str, status: int, after_s: int = 0) -> Reply:
        texts = TEXTS[choose_language(call)]
        return show(
            "wrong.html",
            call,
            self._house,
            texts.language,
            status=status,
            after_s=after_s,
            heading=texts.say("wrong", f"title_{what}"),
            advice=texts.say("wrong", what),
        )


def wants_page(call: Call) -> bool:
    """Whether a browser asks: by what it sends, or, with GET, always."""
    return call.method == "GET" or call.media_type in (FORM, MULTIPART)


def find_body_limit(limits: AttachmentSettings) -> int:
    """Twice what the form takes in files, so that somebody who is over the limit is told so on a page with their words."""
    return 2 * limits.form_bytes + TEXT_LIMIT_BYTES


def tell_limits(limits: AttachmentSettings) -> dict[str, str]:
    """The numbers that stand in texts; sizes in MB."""
    return {
        "limit": str(TEXT_LENGTH),
        "count": str(limits.form_count),
        "each": f"{limits.form_file_bytes / 1_000_000:g}",
        "all": f"{limits.form_bytes / 1_000_000:g}",
    }


def describe_fields(error: Refused, limits: AttachmentSettings) -> Refused:
    """The field errors of a form in words, for callers that are programs."""
    english: Texts = TEXTS["en"]
    fields = {
        field: english.say("error", words, **tell_limits(limits)) if words in english.words["error"] else words
        for field, words in error.fields.items()
    }
    return Refused(error.code, error.detail, status=error.status, fields=fields, after_s=error.after_s)


def answer_json(house: House, accepted: Accepted) -> Reply:
    """201 for what is new, 200 for what came before: `{id, receipt, duplicate, status_url}`."""
    document = {
        "id": accepted.envelope_id,
        "receipt": accepted.receipt,
        "duplicate": accepted.duplicate,
        "status_url": write_status_link(house, accepted.receipt or Receipt("")),
    }
    return Reply(200 if accepted.duplicate else 201, json.dumps(document).encode(), "application/json")
