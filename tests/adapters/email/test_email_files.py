"""Mail that lies in files is imported whole, in order, and once."""

import io
from pathlib import Path

import pytest
from post_office import make_channel, make_mail

from tests.running import run_cli

MBOX_LINE = b"From wang@example.cn Thu Jan  1 10:00:00 2026\n"


def split(folder: Path, data: bytes, format_name: str | None = None) -> list[bytes]:
    envelopes = list(make_channel(folder).split(io.BytesIO(data), "archive", format_name))
    assert all(envelope.backfill for envelope in envelopes), "nobody is written to about history"
    return [envelope.raw for envelope in envelopes]


def write_mbox(*mails: bytes) -> bytes:
    return b"".join(MBOX_LINE + mail.replace(b"\r\n", b"\n") + b"\n" for mail in mails)


def test_a_file_with_one_mail_is_that_mail_to_the_byte(tmp_path: Path) -> None:
    for raw in (make_mail(), b"\xff\x00", b"\r\n\r\nno header", b"From: a@b.cn\n\nx"):
        assert split(tmp_path, raw) == [raw]


def test_a_mailbox_gives_its_mails_in_order_however_its_lines_end(tmp_path: Path) -> None:
    mails = [make_mail(f"第{number}封", number=number) for number in range(5)]
    found = split(tmp_path, write_mbox(*mails))
    assert found == [mail.replace(b"\r\n", b"\n") for mail in mails]
    assert split(tmp_path, write_mbox(*mails).replace(b"\n", b"\r\n")) == mails


@pytest.mark.parametrize(
    "line", ["From the branch I heard nothing.", "From 10:30 to 11:00 nobody answered, they said:"]
)
def test_a_sentence_that_begins_with_from_starts_no_new_mail(tmp_path: Path, line: str) -> None:
    mail = make_mail(f"你好\r\n\r\n{line}\r\n\r\n再见")
    (found,) = split(tmp_path, write_mbox(mail))
    assert found == mail.replace(b"\r\n", b"\n")


def test_what_a_mailbox_escaped_is_unescaped(tmp_path: Path) -> None:
    (found,) = split(tmp_path, write_mbox(make_mail(">From here\r\n>>From there")))
    assert b"\nFrom here\n>From there\n" in found


def test_a_mailbox_cut_off_in_the_middle_gives_what_is_there(tmp_path: Path) -> None:
    first, second = make_mail(number=1), make_mail(number=2)
    found = split(tmp_path, write_mbox(first, second)[:-30])
    assert found[0] == first.replace(b"\r\n", b"\n")
    assert second.replace(b"\r\n", b"\n").startswith(found[1])


def test_an_empty_file_holds_no_mail(tmp_path: Path) -> None:
    assert split(tmp_path, b"") == []


def test_the_format_can_be_said_where_the_first_line_deceives(tmp_path: Path) -> None:
    kept = b"From wang@example.cn Thu Jan  1 10:00:00 2026\n" + make_mail()
    assert split(tmp_path, kept, "eml") == [kept]
    assert len(split(tmp_path, kept)) == 1


def test_an_import_of_every_kind_of_file_adds_each_mail_once(tmp_path: Path) -> None:
    (tmp_path / "one.eml").write_bytes(make_mail("一", number=1))
    (tmp_path / "many.mbox").write_bytes(write_mbox(make_mail("二", number=2), make_mail("三", number=3)))
    for folder in ("cur", "new", "tmp"):
        (tmp_path / "Maildir" / folder).mkdir(parents=True)
    (tmp_path / "Maildir/cur/1767232800.M1.host:2,S").write_bytes(make_mail("四", number=4))
    (tmp_path / "Maildir/new/1767232801.M2.host").write_bytes(make_mail("五", number=5))
    (tmp_path / "Maildir/tmp/1767232802.M3.host").write_bytes(make_mail("写到一半", number=6))
    config = tmp_path / "huiyin.toml"
    config.write_text('[channels.mail]\nadapter = "email"\n[systems.ledger]\nadapter = "ledger"\n', "utf-8")
    files = [str(tmp_path / name) for name in ("one.eml", "many.mbox", "Maildir")]
    options = ("--config", str(config), "--data", str(tmp_path / "data"))
    first = run_cli("import", "mail", *files, *options)
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("accepted 5, known already 0")
    again = run_cli("import", "mail", *files, *options)
    assert again.stdout.startswith("accepted 0, known already 5")
