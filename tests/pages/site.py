"""The pages behind the gateway's own HTTP door and over its own embedded store."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from aiohttp import web

from adapters.branch_qr import channel as branch_qr
from adapters.branch_qr.settings import ChannelSettings as BranchSettings
from adapters.guestbook import channel as guestbook
from adapters.guestbook.settings import ChannelSettings as GuestbookSettings
from gateway.contract.clock import Millis, to_datetime
from gateway.contract.complaint import (
    Authenticity,
    ChannelRef,
    Complainant,
    Complaint,
    Due,
    Kind,
    Provenance,
)
from gateway.contract.envelope import Envelope
from gateway.contract.ports import Event, House
from gateway.contract.receipt import Receipt
from gateway.contract.verdict import Level, Verdict
from gateway.intake.accept import Acceptance
from gateway.intake.numbers import draw_receipt
from gateway.intake.server import Intake
from gateway.intake.status_page import StatusPage
from gateway.states import DutyState
from gateway.store.migrate import migrate
from gateway.store.rows import InboxItem, NewDuty, Registered, Settled, Target
from gateway.store.sqlite import SqliteStore
from tests.pages.bank import BRANCH, StillClock, open_bank

LEASE_MS = 60_000


@dataclass
class Site:
    url: str
    branch_path: str
    house: House
    clock: StillClock
    store: SqliteStore
    accept: Acceptance
    status: StatusPage

    async def list_kept(self) -> Sequence[Envelope]:
        ids = await self.store.find_kept("", Millis(0), Millis(self.clock.at + 10**12), "", 100)
        items = [await self.store.find_envelope(each) for each in ids]
        return [item.envelope for item in items if item]

    async def register_all(self, *, phone: str = "", kind: Kind = Kind.COMPLAINT) -> None:
        """What the stages do: every waiting envelope becomes a complaint version, and the ledger takes it."""
        while items := await self.store.claim_inbox(10, self.clock.at, LEASE_MS):
            done = await self.store.register([_register(item, phone, kind) for item in items], self.clock.at)
            assert all(done)
        duties = await self.store.claim_duties(Target.SYSTEM, "ledger", 10, self.clock.at, LEASE_MS)
        await self.store.settle([Settled(duty=duty, state=DutyState.DONE) for duty in duties], self.clock.at)


def _register(item: InboxItem, phone: str, kind: Kind) -> Registered:
    version = item.version + 1
    received = to_datetime(item.envelope.received_at)
    complaint = Complaint(
        id=item.complaint_id or f"c-{item.receipt}",
        receipt=item.receipt,
        version=version,
        kind=kind,
        channel=ChannelRef(party=item.envelope.adapter, instance=item.envelope.channel),
        source_key=item.envelope.source_key,
        received_at=received,
        complainant=Complainant(phones=(phone,) if phone else ()),
        verdict=Verdict(made_by="test"),
        due=Due(acknowledge_at=received, decide_at=received + timedelta(days=15), profile="test"),
        authenticity=Authenticity(verified=True, method="none"),
        provenance=Provenance(envelope_sha256="", adapter="", rules_version=""),
    )
    event = Event.REGISTERED if version == 1 else Event.SUPPLEMENTED
    return Registered(
        item=item,
        complaint_id=complaint.id,
        version=version,
        event=event,
        kind=kind,
        level=Level.NORMAL,
        language="zh-Hans",
        branch="",
        document=complaint.model_dump_json(by_alias=True).encode(),
        duties=[
            NewDuty(
                target=Target.SYSTEM, instance="ledger", step="create", event=event, due_ms=item.envelope.received_at
            )
        ],
    )


def take_receipt(page: str) -> Receipt:
    """The number on a receipt page."""
    digits = page.partition('class="digits"')[2].partition("</p>")[0]
    return Receipt("".join(char for char in digits.partition(">")[2] if char.isdigit()))


@asynccontextmanager
async def open_site(folder: Path) -> AsyncIterator[Site]:
    clock = StillClock()
    url = f"sqlite:///{folder / 'huiyin.db'}"
    migrate(url)
    store = SqliteStore(url, draw_receipt=draw_receipt, clock=clock, min_free_mb=0)
    await store.open()
    house = open_bank(clock, public_url="")
    accept = Acceptance(store, lambda: None)
    intake = Intake(accept=accept, clock=clock, public_url="", trusted_proxies=(), per_minute=10_000)
    branch = branch_qr.open_channel("branch", BranchSettings(), house)
    intake.add_channel("branch", branch)
    intake.add_channel("guestbook", guestbook.open_channel("guestbook", GuestbookSettings(), house))
    status = StatusPage(store, accept, house)
    status.add_to(intake)
    runner = web.AppRunner(intake.app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    try:
        yield Site(
            f"http://127.0.0.1:{port}", branch.find_branch_link(BRANCH.code), house, clock, store, accept, status
        )
    finally:
        await runner.cleanup()
        await store.close()
