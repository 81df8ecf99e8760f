"""`/r/{receipt}`: how far it is, in plain words, for whoever holds the link or knows the phone number that was left.

A wrong guess gets the same answer whether the number exists or not, and five of them close the question for an hour.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from zoneinfo import ZoneInfo

from limits import RateLimitItemPerHour
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from gateway.contract.call import Call, Reply, Route
from gateway.contract.clock import to_datetime
from gateway.contract.complaint import Authenticity
from gateway.contract.envelope import Envelope
from gateway.contract.errors import AdapterError, Refused
from gateway.contract.pages.entry import TEXT_LENGTH, clean_text
from gateway.contract.pages.forms import Form, read_form
from gateway.contract.pages.languages import TEXTS, choose_language
from gateway.contract.pages.links import PURPOSE, check_link_secret, make_link_secret
from gateway.contract.pages.look import HEADERS, show
from gateway.contract.pages.seal import make_seal, read_seal
from gateway.contract.pages.supplement import SUPPLEMENT, write_supplement
from gateway.contract.ports import Accept, House
from gateway.contract.receipt import Receipt, parse_receipt, spoken
from gateway.contract.signing import same
from gateway.intake.progress import find_deadline, find_events, read_latest
from gateway.intake.server import Intake
from gateway.store.port import Store, StoreUnavailable
from gateway.store.rows import Trace

FIND_PATH = "/r"
PATH = "/r/{receipt}"
WRONG_TRIES_PER_HOUR = 5
DIGITS = 4


@dataclass(frozen=True, slots=True)
class Step:
    """One point of the timeline; `name` is a key of `[status]`, `when` empty for what is to come."""

    name: str
    when: str
    now: bool = False


class StatusPage:
    def __init__(self, store: Store, accept: Accept, house: House) -> None:
        self._store = store
        self._accept = accept
        self._house = house
        self._link_keys = house.derive_all(PURPOSE)
        self._seal_key = house.derive("status-form")
        self._zone = ZoneInfo(house.timezone)
        self._tries = MovingWindowRateLimiter(MemoryStorage())
        self._tries_item = RateLimitItemPerHour(WRONG_TRIES_PER_HOUR)

    def add_to(self, intake: Intake) -> None:
        intake.add_page("status", Route(method="GET", path=FIND_PATH, public=True), self.find)
        for method in ("GET", "POST"):
            intake.add_page("status", Route(method=method, path=PATH, limit_bytes=100_000, public=True), self.answer)

    async def find(self, call: Call) -> Reply:
        """For whoever has the number on paper. That its check digit is wrong may be told: it says nothing of others."""
        language = choose_language(call)
        typed = call.query.get("number", "")
        receipt = parse_receipt(typed)
        if receipt:
            return Reply(303, headers={**HEADERS, "Location": f"r/{receipt}?lang={language}"})
        notice = TEXTS[language].say("status", "find_wrong") if typed else ""
        status = 422 if typed else 200
        return show("find.html", call, self._house, language, status=status, typed=typed[:40], notice=notice)

    async def answer(self, call: Call) -> Reply:
        try:
            return await self._answer(call)
        except StoreUnavailable as error:
            return self._ask(call, notice="store_away", status=503, after_s=error.after_s)

    async def _answer(self, call: Call) -> Reply:
        form = Form({})
        if call.method == "POST":
            try:
                form = read_form(call.headers.get("content-type", ""), call.body)
            except Refused as error:
                return self._ask(call, status=error.status)
        receipt = parse_receipt(call.params["receipt"])
        secret = form.fields.get("s") or call.query.get("s", "")
        if receipt and secret and check_link_secret(self._link_keys, receipt, secret):
            trace = await self._store.trace(receipt)
            if trace is None:
                return self._ask(call, notice="verify_wrong", status=404)
            if trace.forgotten:
                return self._ask(call, notice="forgotten", status=410)
            if form.fields.get("do") in ("add", "withdraw"):
                return await self._keep(call, trace, form)
            return self._show(call, trace)
        if form.fields.get("do") == "look":
            return await self._verify(call, receipt, form.fields.get("digits", ""))
        return self._ask(call, status=200 if call.method == "GET" else 403)

    # --- who may look ----------------------------------------------------------------------------------------------

    async def _verify(self, call: Call, receipt: Receipt | None, typed: str) -> Reply:
        number = receipt or "none"
        # Counted before the store is asked: tries that come at once must not all pass before the first is counted.
        if not self._tries.hit(self._tries_item, number):
            return self._ask(call, notice="verify_stop", status=429, after_s=3600)
        trace = await self._store.trace(receipt) if receipt else None
        if not _know_phone(trace, typed) or trace is None:
            return self._ask(call, notice="verify_wrong", status=403)
        self._tries.clear(self._tries_item, number)
        return self._show(call, trace)

    def _ask(self, call: Call, *, notice: str = "", status: int = 200, after_s: int = 0) -> Reply:
        language = choose_language(call)
        receipt = parse_receipt(call.params["receipt"])
        return show(
            "verify.html",
            call,
            self._house,
            language,
            status=status,
            after_s=after_s,
            number=spoken(receipt) if receipt else call.params["receipt"][:20],
            notice=TEXTS[language].say("status", notice) if notice else "",
            open=notice not in ("verify_stop", "store_away", "forgotten"),
        )

    # --- what it shows ---------------------------------------------------------------------------------------------

    def _show(
        self, call: Call, trace: Trace, *, notice: str = "", problem: str = "", text: str = "", status: int = 200
    ) -> Reply:
        """`notice` is a key of `[status]`, `problem` one of `[error]`; `text` is what the customer typed already."""
        language = choose_language(call)
        texts = TEXTS[language]
        complaint = read_latest(trace)
        phones = complaint["complainant"]["phones"]
        deadline = find_deadline(trace, self._zone)
        return show(
            "status.html",
            call,
            self._house,
            language,
            status=status,
            number=spoken(trace.receipt),
            deadline=texts.say_date(deadline) if deadline else "",
            phone=_mask(phones[0]) if phones else "",
            steps=list(self._tell(trace, language)),
            notice=texts.say("status", notice) if notice else "",
            tone="good" if notice else "",
            problem=texts.say("error", problem, limit=str(TEXT_LENGTH)) if problem else "",
            text=text,
            open=not _find_withdrawal(trace),
            secret=make_link_secret(self._link_keys[0], trace.receipt),
            seal=make_seal(self._seal_key, call.received_at),
        )

    def _tell(self, trace: Trace, language: str) -> Iterator[Step]:
        texts = TEXTS[language]
        done = sorted(find_events(trace))
        for index, (at, name) in enumerate(done):
            local = self._to_local(at)
            yield Step(name, f"{texts.say_date(local.date())} {local:%H:%M}", now=index == len(done) - 1)
        reached = {name for _, name in done}
        if not reached & {"withdrawn", "closed"}:
            for name in ("registered", "forwarded", "closed"):
                if name not in reached:
                    yield Step(name, "")

    def _to_local(self, at: int) -> datetime:
        return to_datetime(at).astimezone(self._zone)

    # --- what it keeps ---------------------------------------------------------------------------------------------

    async def _keep(self, call: Call, trace: Trace, form: Form) -> Reply:
        withdraw = form.fields["do"] == "withdraw"
        text = "" if withdraw else clean_text(form.fields.get("text", ""))
        if not withdraw and (not text or len(text) > TEXT_LENGTH):
            problem = "text_long" if text else "text_missing"
            return self._show(call, trace, problem=problem, text=text, status=422)
        try:
            await self._accept([self._enclose(call, trace, form, text, withdraw=withdraw)])
        except AdapterError:
            return self._show(call, trace, problem="try_later", text=text, status=503)
        fresh = await self._store.trace(trace.receipt) or trace
        return self._show(call, fresh, notice="withdraw_done" if withdraw else "added")

    def _enclose(self, call: Call, trace: Trace, form: Form, text: str, *, withdraw: bool) -> Envelope:
        first = trace.envelopes[0]
        seal = read_seal(self._seal_key, form.fields.get("seal", ""))
        # A double tap sends the same form; without one, ten minutes tell a retry from a second thought.
        once = seal.nonce if seal else str(call.received_at // 600_000)
        mark = "withdraw" if withdraw else sha256(text.encode()).hexdigest()[:32]
        return Envelope(
            channel=first.channel,
            adapter=first.adapter,
            source_key=f"status:{trace.receipt}:{mark}:{once}",
            media_type=SUPPLEMENT,
            raw=write_supplement(text, choose_language(call), withdraw=withdraw),
            received_at=call.received_at,
            authenticity=Authenticity(verified=True, method="receipt_link"),
            joins=trace.receipt,
            hints={"withdraw": "1"} if withdraw else {},
        )


def _know_phone(trace: Trace | None, typed: str) -> bool:
    """Whether the digits end one of the phones. Compares in constant time, also where there is nothing to compare."""
    digits = _only_digits(typed)[-DIGITS:]
    phones = read_latest(trace)["complainant"]["phones"] if trace else []
    known = False
    for phone in [*phones, ""]:
        ending = _only_digits(phone)[-DIGITS:]
        known |= same(digits, ending) and len(ending) == DIGITS
    return known


def _only_digits(text: str) -> str:
    """Full-width and Arabic-Indic digits count as well."""
    return "".join(str(unicodedata.decimal(char)) for char in text if char.isdecimal())


def _mask(phone: str) -> str:
    digits = _only_digits(phone)
    return f"{digits[:3]}****{digits[-4:]}" if len(digits) >= 11 else f"****{digits[-2:]}"


def _find_withdrawal(trace: Trace) -> bool:
    return any(name == "withdrawn" for _, name in find_events(trace))
