"""Files from strangers are told by their first bytes, and their names hold no way out of a folder."""

from io import BytesIO

import pytest
from PIL import Image

from gateway.contract.pages.uploads import NAME_LENGTH, clean_name, sniff_type


@pytest.mark.parametrize(
    ("form", "media_type"),
    [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("GIF", "image/gif"), ("WEBP", "image/webp"), ("BMP", "image/bmp")],
)
def test_a_picture_of_any_phone_is_known_by_its_bytes(form: str, media_type: str) -> None:
    picture = BytesIO()
    Image.new("RGB", (8, 8)).save(picture, form)
    assert sniff_type(picture.getvalue()) == media_type


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"\x00\x00\x00\x18ftypheic", "image/heic"),
        (b"\x00\x00\x00\x18ftypmp42", "video/mp4"),
        (b"\x00\x00\x00\x18ftypqt  ", "video/quicktime"),
        (b"\x00\x00\x00\x18ftyp3gp5", "video/3gpp"),
        (b"\x00\x00\x00\x18ftypM4A ", "audio/mp4"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "audio/wav"),
        (b"#!AMR\n", "audio/amr"),
        (b"ID3\x04", "audio/mpeg"),
        (b"OggS\x00", "audio/ogg"),
        (b"%PDF-1.7", "application/pdf"),
        ("等了两个小时".encode(), "text/plain"),
        ("等了两个小时".encode("gb18030"), "text/plain"),
    ],
)
def test_recordings_videos_and_papers_are_known_by_their_bytes(content: bytes, media_type: str) -> None:
    assert sniff_type(content) == media_type


@pytest.mark.parametrize(
    "content",
    [
        b"PK\x03\x04",
        b"MZ\x90\x00",
        b"\x7fELF",
        b"<!doctype html><script>",
        b"\xef\xbb\xbf \n<svg onload=x>",
        b"<?xml version='1.0'?>",
        b"\x00\x01\x02",
        b"text with \x1b escape",
        "等了".encode("utf-16"),
    ],
)
def test_programs_archives_and_markup_are_not_taken(content: bytes) -> None:
    assert sniff_type(content) is None


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
        ("字" * 300 + ".jpeg", "字" * (NAME_LENGTH - 5) + ".jpeg"),
    ],
)
def test_a_name_keeps_its_ending_and_nothing_that_could_do_harm(given: str, kept: str) -> None:
    assert clean_name(given) == kept
