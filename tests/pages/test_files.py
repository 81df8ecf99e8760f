"""Files from strangers are told by their first bytes, and their names hold no way out of a folder."""

import gzip
import unicodedata
import zipfile
from collections.abc import Callable
from io import BytesIO

import openpyxl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from gateway.contract.file_name import LENGTH, clean_name
from gateway.contract.file_type import ANY, clean_declared, sniff_type, tell_type
from gateway.contract.pages.uploads import Upload

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def draw(form: str) -> bytes:
    picture = BytesIO()
    Image.new("RGB", (8, 8)).save(picture, form)
    return picture.getvalue()


def pack(*names: str) -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            archive.writestr(name, "words " * 50)
    return packed.getvalue()


def make_sheet() -> bytes:
    book = BytesIO()
    openpyxl.Workbook().save(book)
    return book.getvalue()


TAKEN: list[tuple[Callable[[], bytes] | bytes, str]] = [
    (lambda: draw("PNG"), "image/png"),
    (lambda: draw("JPEG"), "image/jpeg"),
    (lambda: draw("GIF"), "image/gif"),
    (lambda: draw("WEBP"), "image/webp"),
    (lambda: draw("BMP"), "image/bmp"),
    (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "image/heic"),
    (b"\x00\x00\x00\x18ftypmp42", "video/mp4"),
    (b"\x00\x00\x00\x18ftypqt  ", "video/quicktime"),
    (b"\x00\x00\x00\x18ftyp3gp5", "video/3gpp"),
    (b"\x00\x00\x00\x18ftypM4A ", "audio/mp4"),
    (b"RIFF\x00\x00\x00\x00WAVEfmt ", "audio/wav"),
    (b"#!AMR\n" + bytes(20), "audio/amr"),
    (b"\x02#!SILK_V3" + bytes(20), "audio/silk"),
    (b"ID3\x04" + bytes(20), "audio/mpeg"),
    (b"OggS\x00", "audio/ogg"),
    (b"%PDF-1.7 all of it letters", "application/pdf"),
    ("等了两个小时".encode(), "text/plain"),
    ("等了两个小时".encode("gb18030"), "text/plain"),
    ("BMW 车贷的合同在哪里".encode(), "text/plain"),
    ("字".encode() * 8_000, "text/plain"),  # the head that is read ends within a character
]
REFUSED: list[tuple[Callable[[], bytes] | bytes, str | None]] = [
    (lambda: pack("a.txt"), "application/zip"),
    (lambda: pack("[Content_Types].xml", "_rels/.rels", "word/document.xml"), DOCX),
    (make_sheet, XLSX),
    (lambda: gzip.compress(b"words"), "application/gzip"),
    (b"Rar!\x1a\x07\x01\x00" + bytes(20), "application/vnd.rar"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "application/x-ole-storage"),
    (b"MZ\x90\x00" + bytes(100), "application/x-msdownload"),
    (b"\x7fELF\x02\x01\x01\x00" + bytes(60), "application/x-executable"),
    (b"<!doctype html><script>", None),
    (b"\xef\xbb\xbf \n<svg onload=x>", None),
    (b"<?xml version='1.0'?>", None),
    (b"\x00\x01\x02", None),
    (b"text with \x1b escape", None),
    ("等了".encode("utf-16"), None),
    (b"", "text/plain"),
]


@pytest.mark.parametrize(("made", "media_type"), TAKEN)
def test_what_customers_send_is_known_by_its_bytes_and_taken(
    made: Callable[[], bytes] | bytes, media_type: str
) -> None:
    content = made if isinstance(made, bytes) else made()
    assert sniff_type(content) == media_type
    assert Upload("x.exe", "application/x-msdownload", content).is_taken()


@pytest.mark.parametrize(("made", "media_type"), REFUSED[:-1])
def test_programs_archives_and_markup_are_known_and_not_taken_on_a_page(
    made: Callable[[], bytes] | bytes, media_type: str | None
) -> None:
    content = made if isinstance(made, bytes) else made()
    assert sniff_type(content) == media_type
    assert not Upload("photo.jpg", "image/jpeg", content).is_taken()


@pytest.mark.parametrize(
    ("content", "declared", "told"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(9), "image/jpeg", "image/png"),
        (b"MZ\x90\x00" + bytes(99), "image/jpeg", "application/x-msdownload"),
        (b"<html><script>", "image/jpeg", ANY),
        (b"<html><script>", "text/html; charset=utf-8", "text/html"),
        (pack("a.txt"), "Application/Vnd.Oasis.OpenDocument.Text", "application/vnd.oasis.opendocument.text"),
        (pack("a.txt"), "image/png", "application/zip"),
        (b"only letters", "text/csv", "text/csv"),
        (b"only letters", "application/pdf", "text/plain"),
        (b"only letters", "image/png", "text/plain"),
        (b"\x10\x20raw speex\x00", "audio/speex", "audio/speex"),
        (b"\x00\x00", "nonsense", ANY),
    ],
)
def test_the_bytes_go_before_the_senders_word_which_may_only_be_more_exact(
    content: bytes, declared: str, told: str
) -> None:
    assert tell_type(content, declared) == told


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"\x00\x00\x00\x18ftyp", b"PK\x03\x04", b"RIFF", b"\x1aE\xdf\xa3"])
)
def test_no_bytes_break_the_telling(tail: bytes, mark: bytes) -> None:
    told = tell_type(mark + tail, "image/jpeg")
    assert clean_declared(told) == told


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\x\\回单.jpg", "回单.jpg"),
        ("..", "file"),
        ("", "file"),
        ("/", "file"),
        ("a\x00b\r\nc.png", "abc.png"),
        ("\u202egnp.exe", "gnp.exe"),
        (".htaccess", "htaccess"),
        ("字" * 300 + ".jpeg", "字" * (LENGTH - 5) + ".jpeg"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("Com1 .jpg", "_Com1 .jpg"),
        ("console.log", "console.log"),
        ("bill.jpg:hidden.exe", "bill.jpg_hidden.exe"),
        ('a<b>"c|d?*.png', "a_b_c_d_.png"),
        ("  two\u2028 lines .png ", "two lines .png"),
    ],
)
def test_a_name_keeps_its_ending_and_nothing_that_could_do_harm(given: str, kept: str) -> None:
    assert clean_name(given) == kept


@given(st.text(max_size=300))
@example("字" * 99 + " .png")
@example("x" * 89 + ". .longending")
@example("nul" + "." * 300)
def test_no_name_leads_out_of_a_folder(name: str) -> None:
    kept = clean_name(name)
    assert 0 < len(kept) <= LENGTH
    assert not set(kept) & set('/\\<>:"|?*')
    assert kept == kept.strip(". ")
    assert all(unicodedata.category(char)[0] != "C" for char in kept)
    assert clean_name(kept) == kept
