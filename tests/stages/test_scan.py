"""Attachments are looked at by a real clamd while the complaint goes its way, and malware stays in the house."""

import hashlib
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from config.settings import Settings
from gateway.contract.clock import Millis
from gateway.contract.errors import AdapterError, Rejected, TryLater
from gateway.contract.ports import Change, Delivered, Delivery, Step
from gateway.contract.receipt import Receipt
from gateway.intake.accept import Acceptance
from gateway.intake.scrub.envelope import Scrub
from gateway.plugins import open_channel, open_scan
from gateway.stages.attachments import Attachments
from gateway.stages.forward import Forward
from gateway.stages.register import Planner
from gateway.stages.scan import Scanning, owe_missed
from gateway.states import DutyState
from gateway.store.blobs import FileBlobs
from gateway.store.rows import Target
from gateway.store.sql_store import SqlStore
from tests.clamd_server import SIGNATURE, STREAM_LIMIT_BYTES, ClamdServer, make_eicar
from tests.keyring import mark
from tests.stages.conftest import House
from tests.store.conftest import Bench, on_sqlite

PDF = b"%PDF-1.7\n" + bytes(200)
INFECTED = f"infected {SIGNATURE}.UNOFFICIAL"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Files:
    """A system of record of the outside world that takes files: one step each."""

    read: Callable[[Receipt, str], Any]
    told: list[str] = field(default_factory=list)
    files: list[bytes] = field(default_factory=list)
    documents: list[dict[str, Any]] = field(default_factory=list)

    def plan(self, change: Change) -> Sequence[Step]:
        first = "create" if change.version == 1 else f"update:{change.version}"
        return [Step(first), *(Step(f"attach:{each.sha256}") for each in change.attachments)]

    async def deliver(self, delivery: Delivery) -> Delivered:
        self.told.append(delivery.step[:16])
        self.documents.append(json.loads(delivery.document))
        if delivery.step.startswith("attach:"):
            self.files.append(await self.read(delivery.receipt, delivery.step.partition(":")[2]))
        return Delivered(ticket="T-1")

    async def check(self) -> str:
        return "good"

    async def close(self) -> None:
        pass


class Mailbox:
    """A bank with one mailbox, worked by hand."""

    def __init__(self, bench: Bench, store: SqlStore, folder: Path, address: str, when_away: str) -> None:
        self.settings = Settings.model_validate(
            {
                "data_dir": str(folder),
                "channels": {"mail": {"adapter": "email"}},
                "scan": {
                    "adapter": "clamd",
                    "address": address,
                    "limit_bytes": STREAM_LIMIT_BYTES,
                    "when_away": when_away,
                },
                "stages": {"processes": 0},
            }
        )
        self.system = Files(self.hand_out)
        self.bank = House(bench, store, folder, self.settings, {"tracker": self.system}, {})
        self.bank.planner = Planner({"tracker": self.system}, {}, self.settings.escalation, scanning=True)
        self.register = self.bank.open_register()
        self.forward = Forward("tracker", self.system, store, bench.clock, batch=100, lease_s=60)
        self.blobs = FileBlobs(folder / "blobs", store)
        self.attachments = Attachments(store, self.blobs, self.bank.reader, scanning=True)
        self.channel = open_channel("mail", self.settings.channels["mail"], self.bank.house)
        self.scanning = self.open_scanning()

    async def hand_out(self, receipt: Receipt, sha256: str) -> bytes:
        return await self.attachments.hand_out(receipt, sha256)

    def open_scanning(self, store: Any = None) -> Scanning:
        assert self.settings.scan is not None
        return Scanning(
            open_scan(self.settings.scan, self.bank.house),
            store or self.bank.store,
            self.attachments,
            Acceptance(self.bank.store, Scrub(mark), lambda: None),
            self.bank.bench.clock,
            passes=self.settings.scan.when_away == "pass",
            lease_s=60,
        )

    async def receive(self, **files: bytes) -> Receipt:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "customer@mail.example", "complaints@bank.example", "投诉"
        mail.set_content("我的存款少了三百元，回单见附件。")
        for name, content in files.items():
            mail.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
        (receipt,) = await self.bank.accept(self.channel.make_envelope(mail.as_bytes()))  # type: ignore[attr-defined]
        assert receipt is not None
        return receipt

    async def work(self, *, scan: bool = True) -> None:
        while any([await self.register.work(), scan and bool(await self.scanning.work()), await self.forward.work()]):
            pass

    async def scans(self, receipt: Receipt) -> list[tuple[DutyState, str]]:
        return [(each.state, each.code) for each in await self.bank.duties(receipt) if each.target is Target.SCAN]

    async def marks(self, receipt: Receipt) -> list[str]:
        trace = await self.bank.store.trace(receipt)
        assert trace is not None
        return [each["scan"] for each in json.loads(trace.versions[-1][3])["attachments"]]


OpenMailbox = Callable[..., Mailbox]


@pytest.fixture
async def open_mailbox(
    bench: Bench, store: SqlStore, tmp_path: Path, clamd_server: ClamdServer
) -> AsyncIterator[OpenMailbox]:
    def start(when_away: str = "later") -> Mailbox:
        return Mailbox(bench, store, tmp_path, clamd_server.address, when_away)

    yield start
    if not clamd_server.is_up():
        clamd_server.start()


async def test_malware_is_marked_and_stays_in_the_house_while_its_complaint_goes_on(open_mailbox: OpenMailbox):
    mailbox = open_mailbox()
    receipt = await mailbox.receive(bill=PDF, virus=make_eicar())
    await mailbox.work(scan=False)
    assert mailbox.system.told == ["create"], "the complaint did not wait, and nothing unseen was handed on"
    assert await mailbox.marks(receipt) == ["", ""]
    await mailbox.work()
    assert await mailbox.marks(receipt) == ["clean", INFECTED]
    assert mailbox.system.told == ["create", "update:2", f"attach:{digest(PDF)}"[:16]]
    assert mailbox.system.files == [PDF]
    assert [each["scan"] for each in mailbox.system.documents[-1]["attachments"]] == ["clean", INFECTED]
    with pytest.raises(Rejected, match="attachment_infected"):
        await mailbox.attachments.hand_out(receipt, digest(make_eicar()))
    assert await mailbox.attachments.read(receipt, digest(make_eicar())) == make_eicar(), "it is evidence"


async def test_a_mail_without_attachments_brings_the_scanner_nothing(open_mailbox: OpenMailbox):
    mailbox = open_mailbox()
    receipt = await mailbox.receive()
    await mailbox.work()
    assert await mailbox.scans(receipt) == []
    assert mailbox.system.told == ["create"]


async def test_the_words_and_the_verdict_stay_as_they_were(open_mailbox: OpenMailbox):
    mailbox = open_mailbox()
    receipt = await mailbox.receive(virus=make_eicar())
    await mailbox.work()
    trace = await mailbox.bank.store.trace(receipt)
    assert trace is not None
    before, after = (json.loads(version[3]) for version in trace.versions)
    for same in ("narrative", "verdict", "complainant", "receipt", "authenticity", "kind"):
        assert before[same] == after[same]


async def test_while_the_scanner_is_away_the_files_wait_and_the_complaint_does_not(
    open_mailbox: OpenMailbox, clamd_server: ClamdServer
):
    mailbox = open_mailbox()
    clamd_server.stop()
    receipt = await mailbox.receive(bill=PDF)
    with capture_logs():
        await mailbox.work()
    assert mailbox.system.told == ["create"]
    assert await mailbox.scans(receipt) == [(DutyState.WAITING, "scan_unreachable")]
    with pytest.raises(TryLater, match="attachment_not_scanned"):
        await mailbox.attachments.hand_out(receipt, digest(PDF))
    clamd_server.start()
    mailbox.bank.advance(400)
    await mailbox.work()
    assert await mailbox.marks(receipt) == ["clean"]
    assert mailbox.system.files == [PDF]


async def test_where_the_bank_says_so_files_pass_while_the_scanner_is_away(
    open_mailbox: OpenMailbox, clamd_server: ClamdServer
):
    mailbox = open_mailbox("pass")
    clamd_server.stop()
    receipt = await mailbox.receive(bill=PDF)
    await mailbox.work()
    assert await mailbox.marks(receipt) == ["unscanned scan_unreachable"]
    assert mailbox.system.files == [PDF]


async def test_what_the_scanner_will_never_take_says_so_and_is_handed_on(open_mailbox: OpenMailbox):
    mailbox = open_mailbox()
    large = PDF + bytes(STREAM_LIMIT_BYTES)
    receipt = await mailbox.receive(film=large)
    await mailbox.work()
    assert await mailbox.marks(receipt) == ["unscanned scan_too_large"]
    assert mailbox.system.files == [large]


@dataclass
class DyingStore:
    """The process ends between the word of what was found and the end of the duty."""

    store: SqlStore

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    async def settle(self, *_: object) -> None:
        raise ConnectionAbortedError


async def test_a_worker_that_dies_after_the_scan_doubles_nothing(open_mailbox: OpenMailbox):
    mailbox = open_mailbox()
    receipt = await mailbox.receive(virus=make_eicar())
    await mailbox.register.work()
    with pytest.raises(ConnectionAbortedError):
        await mailbox.open_scanning(DyingStore(mailbox.bank.store)).work()
    mailbox.bank.advance(61)
    await mailbox.work()
    assert await mailbox.scans(receipt) == [(DutyState.DONE, "")]
    assert mailbox.system.told == ["create", "update:2"]


async def test_what_a_later_mail_brings_is_scanned_and_what_came_before_is_not_again(open_mailbox: OpenMailbox):
    mailbox = open_mailbox()
    receipt = await mailbox.receive(virus=make_eicar())
    await mailbox.work()
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "customer@mail.example", "complaints@bank.example", "补充"
    mail.set_content("再补充一张。")
    mail.add_attachment(PDF, maintype="application", subtype="pdf", filename="2.pdf")
    envelope = mailbox.channel.make_envelope(mail.as_bytes())  # type: ignore[attr-defined]
    await mailbox.bank.accept(replace(envelope, joins=receipt))
    await mailbox.work()
    assert await mailbox.marks(receipt) == [INFECTED, "clean"]
    assert mailbox.system.files == [PDF]


async def test_what_came_before_the_scanner_is_looked_at_once_it_is_asked_for(open_mailbox: OpenMailbox):
    mailbox = open_mailbox()
    mailbox.bank.planner = Planner({"tracker": mailbox.system}, {}, mailbox.settings.escalation)
    mailbox.register = mailbox.bank.open_register()
    receipt, bare = await mailbox.receive(bill=PDF, virus=make_eicar()), await mailbox.receive()
    await mailbox.work()
    assert await mailbox.scans(receipt) == []

    mailbox.bank.planner = Planner({"tracker": mailbox.system}, {}, mailbox.settings.escalation, scanning=True)
    mailbox.register = mailbox.bank.open_register()
    later = await mailbox.receive(bill=PDF + b"1")
    await mailbox.register.work()
    store, now = mailbox.bank.store, Millis(mailbox.bank.bench.clock.now + 1)
    assert await owe_missed(store, now, now) == 0, "nothing was received since"
    assert await owe_missed(store, Millis(0), now) == 1, "of the later one it is owed already"
    assert await owe_missed(store, Millis(0), now) == 0
    mailbox.bank.advance(1)
    await mailbox.work()
    assert await mailbox.marks(receipt) == ["clean", INFECTED]
    assert await mailbox.marks(later) == ["clean"]
    assert await mailbox.scans(bare) == []
    assert await owe_missed(store, Millis(0), now) == 0


@on_sqlite
async def test_what_the_vault_has_destroyed_is_not_to_be_had_by_anybody(open_mailbox: OpenMailbox, bench: Bench):
    mailbox = open_mailbox()
    receipt = await mailbox.receive(bill=PDF)
    await mailbox.work()
    with closing(sqlite3.connect(bench.path)) as file, file:
        file.execute("UPDATE vault SET sealed = x'', destroyed_ms = 1 WHERE month > 0")
    store = await bench.open()
    attachments = Attachments(
        store, FileBlobs(mailbox.bank.folder / "blobs", store), mailbox.bank.reader, scanning=True
    )
    with pytest.raises(Rejected, match="attachment_erased"):
        await attachments.hand_out(receipt, digest(PDF))


@pytest.mark.parametrize("wanted", ["0" * 64, "", "../../etc/passwd"])
async def test_what_a_complaint_does_not_carry_is_not_to_be_had_by_its_receipt(open_mailbox: OpenMailbox, wanted: str):
    mailbox = open_mailbox()
    receipt = await mailbox.receive(bill=PDF)
    await mailbox.work()
    for number in (receipt, Receipt("471108154242")):
        with pytest.raises(AdapterError, match="attachment_missing"):
            await mailbox.attachments.hand_out(number, wanted)
