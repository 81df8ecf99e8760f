"""The duty officer's page: the link in an early warning. Opening it shows why; pressing the button stops the ladder.

Only the POST counts: mail scanners and chat previews open links, and must not answer for a person.
"""

from zoneinfo import ZoneInfo

from gateway.contract.call import Call, Reply, Route
from gateway.contract.clock import Clock
from gateway.contract.complaint import Complaint
from gateway.contract.pages.languages import TEXTS, choose_language
from gateway.contract.pages.look import show
from gateway.contract.ports import House, Purpose
from gateway.contract.receipt import Receipt, spoken
from gateway.contract.signing import sign, verify
from gateway.intake.server import Intake
from gateway.ops.logs import log
from gateway.states import DutyState
from gateway.store.port import Store, StoreUnavailable
from gateway.store.rows import Trace

PURPOSE = "acknowledge-warning"
PATH = "/a/{token}"


def write_answer_link(house: House, receipt: Receipt) -> str:
    """Absolute address; whoever holds it may answer the warning of this one complaint."""
    return f"{house.public_url}/a/{receipt}.{sign(house.derive(PURPOSE), receipt.encode())}"


class AcknowledgePage:
    def __init__(self, store: Store, clock: Clock, house: House) -> None:
        self._store = store
        self._clock = clock
        self._house = house
        self._keys = house.derive_all(PURPOSE)
        self._zone = ZoneInfo(house.timezone)

    def add_to(self, intake: Intake) -> None:
        for method in ("GET", "POST"):
            intake.add_page("acknowledge", Route(method=method, path=PATH, limit_bytes=4096, public=True), self.answer)

    async def answer(self, call: Call) -> Reply:
        try:
            return await self._answer(call)
        except StoreUnavailable as error:
            return self._show_wrong(call, "away", 503, error.after_s)

    async def _answer(self, call: Call) -> Reply:
        receipt = self._find_receipt(call.params["token"])
        if receipt is None:
            return self._show_wrong(call, "broken", 403)
        trace = await self._store.trace(receipt)
        if trace is None or not trace.versions:
            return self._show_wrong(call, "broken", 404)
        word = "answered" if _is_answered(trace) else ""
        if call.method == "POST" and not word:
            cancelled = await self._store.cancel_warnings(receipt, "link", self._clock.now_ms())
            log.info("warning.acknowledged", receipt=receipt, cancelled=cancelled)
            word = "taken"
        complaint = Complaint.model_validate_json(trace.versions[-1][3])
        return show(
            "acknowledge.html",
            call,
            self._house,
            choose_language(call),
            receipt=spoken(receipt),
            level=complaint.verdict.level.value,
            signals=[(signal.id, signal.evidence.text) for signal in complaint.verdict.signals],
            received=complaint.received_at.astimezone(self._zone),
            branch=complaint.branch.name if complaint.branch else "",
            channel=complaint.channel.instance,
            word=word,
        )

    def _show_wrong(self, call: Call, what: str, status: int, after_s: int = 0) -> Reply:
        texts = TEXTS[choose_language(call)]
        return show(
            "wrong.html",
            call,
            self._house,
            texts.language,
            status=status,
            after_s=after_s,
            heading=texts.say("acknowledge", f"title_{what}"),
            advice=texts.say("acknowledge", what),
        )

    def _find_receipt(self, token: str) -> Receipt | None:
        """None for a link that we did not write."""
        receipt, _, signature = token.partition(".")
        return Receipt(receipt) if verify(self._keys, receipt.encode(), signature) else None


def _is_answered(trace: Trace) -> bool:
    """Whether somebody took over already and nobody is being called. Later words of the customer may call again."""
    warnings = [duty for duty in trace.duties if duty.step.partition(":")[0] == Purpose.WARNING]
    waiting = any(duty.state is DutyState.WAITING for duty in warnings)
    return not waiting and any(duty.state is DutyState.DISMISSED for duty in warnings)
