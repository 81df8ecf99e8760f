"""The embedded ledger keeps every delivery exactly once."""

import csv
import io
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.ledger.book import name_document, read_entries
from adapters.ledger.export import HEADINGS
from adapters.ledger.settings import SystemSettings
from adapters.ledger.system import Ledger, open_system
from gateway.contract.complaint import Complainant, Complaint
from gateway.contract.errors import AlreadyThere, Misconfigured, TryLater
from gateway.contract.ports import Delivered, Event, House
from gateway.contract.receipt import make_receipt
from tests.contract.complaints import RECEIPT, make_delivery
from tests.contract.house import ManualClock, make_house


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def house(tmp_path: Path, clock: ManualClock) -> House:
    return make_house(tmp_path, clock)


@pytest.fixture
async def ledger(house: House) -> AsyncIterator[Ledger]:
    system = open_system("ledger", SystemSettings(), house)
    yield system
    await system.close()


async def read_complaint(house: House) -> Complaint:
    """Of the one entry."""
    (entry,) = read_entries(house.data_dir / "ledger.db")
    return Complaint.model_validate_json(await house.unseal(entry.document, name_document(entry.receipt)))


def update(version: int, title: str):
    step = f"update:{version}"
    return make_delivery(f"d-{version}", version=version, event=Event.SUPPLEMENTED, step=step, title=title)


async def test_an_entry_holds_the_complaint_under_its_receipt_and_a_number_of_the_day(
    ledger: Ledger, house: House, tmp_path: Path
) -> None:
    delivered = await ledger.deliver(make_delivery())
    (entry,) = read_entries(tmp_path / "ledger.db")
    assert delivered.ticket == entry.ticket == "TZ-20260101-000001"
    assert (entry.receipt, entry.kind, entry.level, entry.channel) == (RECEIPT, "complaint", "high", "95561")
    assert (await read_complaint(house)).narrative == "自助机吞卡"


async def test_only_its_owner_can_read_the_files(ledger: Ledger, tmp_path: Path) -> None:
    await ledger.deliver(make_delivery())
    assert read_modes(tmp_path) == dict.fromkeys(("ledger.db", "ledger.db-wal", "ledger.db-shm"), 0o600)


def read_modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.glob("ledger.db*")}


def read_all(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


async def test_nothing_that_a_customer_said_or_is_stands_in_the_file(ledger: Ledger, tmp_path: Path) -> None:
    complaint = Complaint.model_validate_json(make_delivery().document)
    told = complaint.model_copy(
        update={
            "title": "张三的标题",
            "narrative": "我的卡6222021234567890123被吞",
            "complainant": Complainant(name="张三丰", phones=("13800138000",), emails=("zhang@mail.example",)),
        }
    )
    for version in (1, 2):
        document = told.model_copy(update={"version": version}).model_dump_json(by_alias=True).encode()
        await ledger.deliver(make_delivery(f"d-{version}", version=version, document=document))
    on_disk = read_all(tmp_path)
    assert len(on_disk) > 1000
    for word in ("张三", "被吞", "6222021234567890123", "13800138000", "zhang@mail.example"):
        assert word.encode() not in on_disk


async def test_a_document_moved_to_another_receipt_does_not_open(ledger: Ledger, house: House, tmp_path: Path) -> None:
    await ledger.deliver(make_delivery())
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as book, book:
        book.execute("PRAGMA foreign_keys = OFF")
        book.execute("UPDATE entries SET receipt = ?", (make_receipt(10_000_000_001),))
    out = io.StringIO(newline="")
    assert await ledger.export(out) == 1
    assert "sealed_changed" in out.getvalue()
    assert "自助机吞卡" not in out.getvalue()


async def test_the_same_delivery_again_changes_nothing_and_gives_its_ticket(ledger: Ledger, tmp_path: Path) -> None:
    first = await ledger.deliver(make_delivery())
    with pytest.raises(AlreadyThere) as again:
        await ledger.deliver(make_delivery(attempt=2))
    assert again.value.ticket == first.ticket
    assert len(read_entries(tmp_path / "ledger.db")) == 1


async def test_the_same_delivery_twice_in_one_batch_is_entered_once(ledger: Ledger, tmp_path: Path) -> None:
    outcomes = await ledger.deliver_many([make_delivery(), make_delivery()])
    assert [type(each) for each in outcomes] == [Delivered, AlreadyThere]
    with sqlite3.connect(tmp_path / "ledger.db") as book:
        assert book.execute("SELECT count(*) FROM entry_events").fetchone() == (1,)


async def test_a_newer_version_replaces_the_entry_and_an_older_one_never_does(
    ledger: Ledger, house: House, tmp_path: Path
) -> None:
    await ledger.deliver(make_delivery())
    await ledger.deliver(update(3, "第三版"))
    late = await ledger.deliver(update(2, "第二版"))
    (entry,) = read_entries(tmp_path / "ledger.db")
    assert (entry.version, entry.ticket) == (3, late.ticket)
    assert (await read_complaint(house)).title == "第三版"


async def test_an_update_that_comes_first_makes_the_entry(ledger: Ledger, house: House, tmp_path: Path) -> None:
    await ledger.deliver(update(2, "先到"))
    await ledger.deliver(make_delivery())
    (entry,) = read_entries(tmp_path / "ledger.db")
    assert entry.version == 2
    assert (await read_complaint(house)).title == "先到"


async def test_numbers_start_anew_on_the_banks_next_day(ledger: Ledger, clock: ManualClock) -> None:
    await ledger.deliver(make_delivery("a"))
    clock.advance(14 * 3_600_000)  # midnight in Shanghai, 16:00 UTC
    second = await ledger.deliver(make_delivery("b", receipt=make_receipt(10_000_000_001)))
    assert second.ticket == "TZ-20260102-000001"


async def test_what_was_entered_is_there_for_the_next_process(tmp_path: Path, ledger: Ledger) -> None:
    await ledger.deliver(make_delivery())
    other = open_system("ledger", SystemSettings(), make_house(tmp_path))
    with pytest.raises(AlreadyThere):
        await other.deliver(make_delivery(attempt=2))
    await other.close()


async def test_a_failed_commit_enters_none_of_the_batch_and_the_next_attempt_all(
    ledger: Ledger, tmp_path: Path
) -> None:
    await ledger.deliver(make_delivery("first"))
    with sqlite3.connect(tmp_path / "ledger.db") as book:
        book.execute(
            "CREATE TRIGGER full BEFORE INSERT ON entry_events WHEN new.delivery = 'b' "
            "BEGIN SELECT RAISE(ROLLBACK, 'disk full'); END"
        )
    book.close()
    batch = [make_delivery(each, receipt=make_receipt(10_000_000_001 + n)) for n, each in enumerate("abc")]
    outcomes = await ledger.deliver_many(batch)
    assert {type(each) for each in outcomes} == {TryLater}
    assert len(read_entries(tmp_path / "ledger.db")) == 1
    with sqlite3.connect(tmp_path / "ledger.db") as book:
        book.execute("DROP TRIGGER full")
    book.close()
    assert {type(each) for each in await ledger.deliver_many(batch)} == {Delivered}


async def test_a_locked_book_is_tried_later(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await ledger.deliver(make_delivery())
    await ledger._run(lambda: ledger._open().execute("PRAGMA busy_timeout = 1"))
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(TryLater) as later:
        await ledger.deliver(make_delivery("d-9", receipt=make_receipt(10_000_000_001)))
    other.close()
    assert later.value.code == "ledger_busy"


async def test_a_file_that_is_no_book_is_a_matter_of_settings(tmp_path: Path) -> None:
    file = tmp_path / "letter.db"
    file.write_text("Dear bank, " * 1000)
    system = open_system("ledger", SystemSettings(file=file), make_house(tmp_path))
    with pytest.raises(Misconfigured):
        await system.deliver(make_delivery())
    with pytest.raises(Misconfigured):
        await system.check()
    await system.close()


async def test_a_book_of_a_newer_gateway_is_left_alone(ledger: Ledger, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "ledger.db") as book:
        book.execute("PRAGMA user_version = 99")
    book.close()
    with pytest.raises(Misconfigured) as refused:
        await ledger.deliver(make_delivery())
    assert refused.value.code == "ledger_newer"


async def test_a_book_that_was_written_in_clear_is_refused_and_left_as_it_is(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as book, book:
        book.execute("CREATE TABLE entries (receipt TEXT PRIMARY KEY, title TEXT)")
        book.execute("INSERT INTO entries VALUES ('1', '张三')")
        book.execute("PRAGMA user_version = 1")
    with pytest.raises(Misconfigured) as refused:
        await ledger.deliver(make_delivery())
    assert refused.value.code == "ledger_unsealed"
    with closing(sqlite3.connect(path)) as book:
        assert book.execute("SELECT * FROM entries").fetchall() == [("1", "张三")]


async def test_without_the_vault_nothing_is_entered_in_clear(house: House, tmp_path: Path) -> None:
    async def be_away(value: bytes, about: str, matter: str) -> bytes:
        raise TryLater("store_unavailable")

    system = open_system("ledger", SystemSettings(), replace(house, seal=be_away))
    with pytest.raises(TryLater):
        await system.deliver(make_delivery())
    await system.close()
    assert not (tmp_path / "ledger.db").exists()


async def test_a_check_makes_no_book(ledger: Ledger, tmp_path: Path) -> None:
    assert "will be made" in await ledger.check()
    assert not (tmp_path / "ledger.db").exists()
    await ledger.deliver(make_delivery())
    assert (await ledger.check()).startswith("1 entries")


async def test_the_export_finds_one_entry_by_its_receipt(ledger: Ledger) -> None:
    other = make_receipt(10_000_000_001)
    await ledger.deliver(make_delivery())
    await ledger.deliver(make_delivery("d-2", receipt=other))
    for wanted, found in (("", [RECEIPT, other]), (other, [other]), (make_receipt(10_000_000_002), [])):
        out = io.StringIO(newline="")
        assert await ledger.export(out, wanted) == len(found)
        _, *lines = csv.reader(io.StringIO(out.getvalue(), newline=""))
        assert [line[1] for line in lines] == found


async def test_the_export_has_a_line_an_entry_and_runs_no_formula(ledger: Ledger) -> None:
    await ledger.deliver(make_delivery(title='=HYPERLINK("http://x.example")'))
    out = io.StringIO(newline="")
    assert await ledger.export(out) == 1
    heading, line = csv.reader(io.StringIO(out.getvalue(), newline=""))
    cells = dict(zip(heading, line, strict=True))
    assert tuple(heading) == HEADINGS
    assert cells["标题"].startswith("'=")
    assert cells["登记时间"] == "2026-01-01 10:00:00"
