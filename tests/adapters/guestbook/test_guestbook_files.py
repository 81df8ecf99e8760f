"""Tables of entries that were written elsewhere."""

import struct
import time
import zlib
from collections.abc import Callable, Sequence
from datetime import date, datetime
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest
from openpyxl import Workbook
from openpyxl.drawing.image import Image
from PIL import Image as PilImage

from adapters import guestbook
from adapters.guestbook import files, packing
from adapters.guestbook.channel import Guestbook, open_channel
from adapters.guestbook.packing import PARTS_LIMIT, RATIO_LIMIT
from adapters.guestbook.settings import ChannelSettings
from gateway.contract.draft import Draft
from gateway.contract.envelope import Envelope
from gateway.contract.errors import Unreadable
from tests.contract.house import make_house
from tests.running import gateway, read_ledger, run_cli, write_config

SAMPLES = Path(guestbook.__file__).parent / "samples"


@pytest.fixture
def book() -> Guestbook:
    return open_channel("guestbook", ChannelSettings(), make_house(Path("unused")))


def split(book: Guestbook, data: bytes, name: str) -> list[Envelope]:
    return list(book.split(BytesIO(data), name, None))


def read(book: Guestbook, data: bytes, name: str = "x.csv") -> list[Draft | str]:
    """The drafts in order; for a row that is set aside its code."""
    found: list[Draft | str] = []
    for envelope in split(book, data, name):
        try:
            found.append(book.draft(envelope))
        except Unreadable as error:
            found.append(error.code if error.detail else "nothing says what to do")
    return found


def texts(drafts: Sequence[Draft | str]) -> list[str]:
    return [each if isinstance(each, str) else each.text for each in drafts]


def write_book(*rows: Sequence[object], merge: Sequence[str] = ()) -> bytes:
    book = Workbook()
    sheet = book.worksheets[0]
    for row in rows:
        sheet.append(list(row))
    for area in merge:
        sheet.merge_cells(area)
    written = BytesIO()
    book.save(written)
    return written.getvalue()


# --- CSV -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "，"])
def test_a_table_is_read_in_every_encoding_and_with_every_delimiter_that_offices_save(
    encoding: str, delimiter: str, book: Guestbook
) -> None:
    table = "\r\n".join(delimiter.join(row) for row in (("内容", "姓名"), ("朱镕喆的卡被吞了㐂", "陈小姐")))
    (draft,) = read(book, table.encode(encoding))
    assert isinstance(draft, Draft)
    assert (draft.text, draft.name) == ("朱镕喆的卡被吞了㐂", "陈小姐")


def test_line_breaks_quotes_and_delimiters_inside_a_cell_are_words(book: Guestbook) -> None:
    table = '内容,姓名\r\n"他说：""等着"", 然后\r\n就走了。",陈小姐\r\n'
    assert texts(read(book, table.encode())) == ['他说："等着", 然后\n就走了。']


def test_titles_notes_and_empty_rows_around_the_table_are_no_entries(book: Guestbook) -> None:
    table = "官网留言导出\n\n2026年1月\n,,\n内容,电话\n\n一,13800000000\n,\n  ,\t\n二,\n\n"
    assert texts(read(book, table.encode())) == ["一", "二"]


def test_a_formula_in_a_cell_stays_the_words_it_is(book: Guestbook) -> None:
    evil = '=HYPERLINK("http://x","点我")'
    assert texts(read(book, f'内容\n"{evil.replace(chr(34), chr(34) * 2)}"\n'.encode())) == [evil]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("编号,日期\n1,2026-01-01\n", ["columns_unknown"]),
        ("", ["columns_unknown"]),
        ("\x00\x01", ["columns_unknown"]),
        ("内容,电话\n一,1,多\n二,2\n", ["cells_extra", "二"]),
        ("内容,电话\n,13800000000\n", ["text_missing"]),
    ],
)
def test_what_cannot_be_read_is_set_aside_with_what_to_do_and_its_neighbours_are_read(
    table: str, expected: list[str], book: Guestbook
) -> None:
    assert texts(read(book, table.encode())) == expected


def test_a_row_with_bytes_of_no_encoding_is_set_aside_alone(book: Guestbook) -> None:
    table = "内容\n你好\n".encode() + b"\xff\xff\xfe\n" + "再见\n".encode()
    assert texts(read(book, table)) == ["你好", "bytes_broken", "再见"]


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-01-01 09:30:05", "2026-01-01T09:30:05+08:00"),
        ("2026/1/1 9:30", "2026-01-01T09:30:00+08:00"),
        ("2026年1月1日", "2026-01-01T00:00:00+08:00"),
        ("2026-01-01T01:30:00Z", "2026-01-01T01:30:00+00:00"),
        ("1767232800", "2026-01-01T02:00:00+00:00"),
        ("1767232800000", "2026-01-01T02:00:00+00:00"),
        ("2026-13-45", None),
        ("昨天下午", None),
    ],
)
def test_a_time_is_read_as_written_and_without_zone_by_the_clock_of_the_bank(
    written: str, moment: str | None, book: Guestbook
) -> None:
    (draft,) = read(book, f"内容,时间\n一,{written}\n".encode())
    assert isinstance(draft, Draft)
    assert (draft.occurred_at.isoformat() if draft.occurred_at else None) == moment


# --- XLSX ----------------------------------------------------------------------------------------------------------


def test_a_sheet_keeps_dates_and_long_numbers_whole(book: Guestbook) -> None:
    data = write_book(
        ("内容", "电话", "时间", "身份证号"),
        ("一", 13800000004, datetime.fromisoformat("2026-01-01T09:30"), "350102199001011234"),
        ("二", 13800000005.0, date(2026, 1, 2), None),
    )
    one, two = read(book, data, "x.xlsx")
    assert isinstance(one, Draft)
    assert isinstance(two, Draft)
    assert (one.phones, two.phones) == (("13800000004",), ("13800000005",))
    assert one.id_numbers == ("350102199001011234",)
    assert one.occurred_at is not None
    assert two.occurred_at is not None
    assert [each.isoformat() for each in (one.occurred_at, two.occurred_at)] == [
        "2026-01-01T09:30:00+08:00",
        "2026-01-02T00:00:00+08:00",
    ]


def test_a_cell_merged_downwards_counts_for_all_its_rows_and_makes_none(book: Guestbook) -> None:
    rows = (("登记表",), ("网点", "内容"), ("五一支行", "一"), (None, "二"), (), (None, "三"), ("湖东支行", "四"))
    drafts = read(book, write_book(*rows, merge=["A1:B1", "A3:A6"]), "x.xlsx")
    assert [(each.branch_name, each.text) for each in drafts if isinstance(each, Draft)] == [
        ("五一支行", "一"),
        ("五一支行", "二"),
        ("五一支行", "三"),
        ("湖东支行", "四"),
    ]


def test_a_huge_workbook_is_streamed_and_loses_no_row(book: Guestbook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "IN_MEMORY_LIMIT_BYTES", 0)
    data = write_book(("网点", "内容"), ("五一支行", "一"), (None, "二"), merge=["A2:A3"])
    assert texts(read(book, data, "x.xlsx")) == ["一", "二"]


def test_every_sheet_with_words_is_read_and_a_sheet_of_notes_is_passed_over(book: Guestbook) -> None:
    written = Workbook()
    for title, rows in (("一月", ("内容", "一")), ("说明", ("只有说明", "请勿填写")), ("二月", ("内容", "二"))):
        sheet = written.create_sheet(title)
        for row in rows:
            sheet.append([row])
    data = BytesIO()
    written.save(data)
    assert texts(read(book, data.getvalue(), "x.xlsx")) == ["一", "二"]


def test_a_workbook_that_unpacks_to_a_thousand_times_its_size_is_not_opened(book: Guestbook) -> None:
    packed = BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED) as bomb:
        bomb.writestr("xl/worksheets/sheet1.xml", bytes(RATIO_LIMIT * 200_000))
    assert texts(read(book, packed.getvalue(), "x.xlsx")) == ["file_unsafe"]


def overlap(data: bytes, times: int) -> bytes:
    """The one entry of an archive, named so often in its directory: all of them unpack the same bytes."""
    end = data.rindex(b"PK\x05\x06")
    size, start = struct.unpack_from("<II", data, end + 12)
    entry = data[start : start + size]
    tail = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, times, times, size * times, start, 0)
    return data[:start] + entry * times + tail


def pack(name: str = "xl/worksheets/sheet1.xml", content: bytes = b"x" * 1000, mode: int = 0o644) -> bytes:
    packed = BytesIO()
    part = ZipInfo(name)
    part.external_attr = mode << 16
    with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
        archive.writestr(part, content)
    return packed.getvalue()


def put_into(workbook: bytes, sheet: bytes) -> bytes:
    """The workbook with another first sheet."""
    packed = BytesIO()
    with ZipFile(BytesIO(workbook)) as old, ZipFile(packed, "w", ZIP_DEFLATED) as new:
        for part in old.infolist():
            new.writestr(part, sheet if part.filename == "xl/worksheets/sheet1.xml" else old.read(part))
    return packed.getvalue()


SHEET = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>%b</sheetData>%b</worksheet>'
WORDS = b'<c r="A%d" t="inlineStr"><is><t>%b</t></is></c>'
HEADER = b'<row r="1">' + WORDS % (1, "内容".encode()) + b"</row>"
ENTRY = b'<row r="2">' + WORDS % (2, "等了两个小时".encode()) + b"</row>"


@pytest.mark.parametrize(
    "made",
    [
        lambda: overlap(pack(content=bytes(1_000_000)), 1_000),
        lambda: overlap(pack(), PARTS_LIMIT + 1),
        lambda: pack("../../../root/.ssh/authorized_keys"),
        lambda: pack("/etc/passwd"),
        lambda: pack("..\\..\\evil.xml"),
        lambda: pack("xl/link", b"/etc/passwd", mode=0o120777),
    ],
    ids=["overlapping", "many parts", "upwards", "absolute", "upwards on Windows", "link"],
)
def test_an_archive_made_to_harm_is_not_opened(made: Callable[[], bytes], book: Guestbook, tmp_path: Path) -> None:
    assert texts(read(book, made(), "x.xlsx")) == ["file_unsafe"]


def test_an_archive_in_an_archive_is_not_looked_into(book: Guestbook) -> None:
    inner = write_book(("内容",), ("一",))
    for _ in range(20):
        inner = pack("xl/inner.xlsx", inner)
    assert texts(read(book, inner, "x.xlsx")) == ["file_broken"]


@pytest.mark.parametrize(
    ("rows", "after"),
    [
        (b'<row r="1048576"><c r="XFD1048576"/></row>', b""),
        (b"", b'<mergeCells><mergeCell ref="A1:XFD1048576"/></mergeCells>'),
        (b"", b"<mergeCells>" + b'<mergeCell ref="&#66;2:B1048576"/>' * 500 + b"</mergeCells>"),
    ],
    ids=["a cell at the far end", "all merged", "merged again and again"],
)
def test_a_sheet_that_claims_to_be_huge_is_read_as_far_as_it_has_words(
    rows: bytes, after: bytes, book: Guestbook
) -> None:
    sheet = SHEET % (HEADER + ENTRY + rows, after)
    assert texts(read(book, put_into(write_book(("x",)), sheet), "x.xlsx")) == ["等了两个小时"]


def test_a_sheet_of_far_cells_ends_where_it_becomes_too_much(book: Guestbook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "CELLS_LIMIT", 100_000)
    far = b"".join(b'<row r="%d"><c r="XFD%d"/></row>' % (row, row) for row in range(3, 500))
    sheet = SHEET % (HEADER + ENTRY + far, b"")
    assert texts(read(book, put_into(write_book(("x",)), sheet), "x.xlsx")) == ["等了两个小时", "file_unsafe"]


def test_entities_that_grow_into_each_other_are_not_followed(book: Guestbook) -> None:
    grow = b"".join(b'<!ENTITY e%d "%b">' % (step, b"&e%d;" % (step - 1) * 10) for step in range(1, 10))
    doctype = b'<!DOCTYPE x [<!ENTITY e0 "lol">' + grow + b"]>"
    sheet = doctype + SHEET % (HEADER + b'<row r="2">' + WORDS % (2, b"&e9;") + b"</row>", b"")
    assert texts(read(book, put_into(write_book(("x",)), sheet), "x.xlsx")) == ["file_broken"]


def test_a_picture_that_claims_to_be_huge_breaks_nothing(book: Guestbook) -> None:
    picture, packed, swollen = BytesIO(), BytesIO(), BytesIO()
    PilImage.new("RGB", (8, 8)).save(picture, "PNG")
    workbook = Workbook()
    workbook.active.append(["内容"])
    workbook.active.append(["等了两个小时"])
    workbook.active.add_image(Image(picture))
    workbook.save(packed)
    with ZipFile(packed) as old, ZipFile(swollen, "w", ZIP_DEFLATED) as new:
        for part in old.infolist():
            content = old.read(part)
            if part.filename.endswith(".png"):
                content = bytearray(content)
                content[16:24] = struct.pack(">II", 2_000_000, 2_000_000)
                content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
            new.writestr(part, bytes(content))
    assert texts(read(book, swollen.getvalue(), "x.xlsx")) == ["file_broken"]


def test_a_workbook_under_a_password_is_kept_and_set_aside(book: Guestbook) -> None:
    data = bytearray(write_book(("内容",), ("一",)))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.find(mark)
        while place >= 0:
            data[place + at] |= 1
            place = data.find(mark, place + 4)
    assert texts(read(book, bytes(data), "x.xlsx")) == ["file_broken"]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_half_a_workbook_is_kept_and_set_aside(share: float, book: Guestbook) -> None:
    data = write_book(("内容",), ("一",))
    assert texts(read(book, data[: int(len(data) * share)], "x.xlsx")) == ["file_broken"]


# --- keys ----------------------------------------------------------------------------------------------------------


def test_a_second_run_of_a_file_gives_the_same_keys(book: Guestbook) -> None:
    for sample in sorted(SAMPLES.glob("*.in.*")):
        name, data = sample.name.replace(".in.", "."), sample.read_bytes()
        first, second = split(book, data, name), split(book, data, name)
        assert [each.source_key for each in first] == [each.source_key for each in second]
        assert len({each.source_key for each in first}) == len(first)


def test_two_visitors_with_the_same_words_are_two_entries(book: Guestbook) -> None:
    one, two = split(book, "内容\n谢谢\n谢谢\n".encode(), "x.csv")
    assert one.source_key != two.source_key
    assert one.thread != two.thread


def test_the_same_rows_as_csv_and_with_another_title_above_are_the_same(book: Guestbook) -> None:
    plain, titled = ("内容,电话\n一,1\n", "导出于今天\n内容,电话\n一,1\n")
    (one,), (two,) = split(book, plain.encode(), "a.csv"), split(book, titled.encode("gb18030"), "b.csv")
    assert one.source_key == two.source_key


CONFIG = """
[channels.guestbook]
adapter = "guestbook"

[systems.ledger]
adapter = "ledger"
"""


def test_a_weekly_export_adds_only_what_is_new_and_tells_what_changed(tmp_path: Path) -> None:
    options = ("--config", str(write_config(tmp_path, CONFIG)), "--data", str(tmp_path))
    export = tmp_path / "export.csv"
    head = "编号,内容,电话,处理结果\n"
    weeks = (
        "1,排队两个小时没人理,13800000001,\n2,停车场太小了,13800000002,\n",
        "1,排队两个小时没人理,13800000001,\n2,停车场太小了,13800000002,\n",
        "1,排队两个小时没人理,13800000001,已致歉\n2,停车场太小了,13800000002,\n3,大堂经理很好,,\n",
    )
    told = []
    for week in weeks:
        export.write_text(head + week, "utf-8")
        done = run_cli("import", "guestbook", str(export), *options)
        assert done.returncode == 0, done.stderr
        told.append(done.stdout.partition(";")[0].strip())
    assert told == [
        "accepted 2, known already 0",
        "accepted 0, known already 2",
        "accepted 2, known already 1",
    ]
    with gateway(tmp_path, "--config", options[1]):
        deadline = time.monotonic() + 60
        while sum(each["version"] for each in read_ledger(tmp_path)) < 4 and time.monotonic() < deadline:
            time.sleep(0.1)
    matters = sorted((each["narrative"], each["version"]) for each in read_ledger(tmp_path))
    assert matters == sorted([("排队两个小时没人理", 2), ("停车场太小了", 1), ("大堂经理很好", 1)])
