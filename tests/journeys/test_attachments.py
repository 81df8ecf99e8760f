"""What customers attach, from the mail port to the ledger and to the person who looks at it, and what a disk tells of it."""

import contextlib
import csv
import io
import smtplib
import sqlite3
import stat
import time
from email.message import EmailMessage
from pathlib import Path

from tests.clamd_server import SIGNATURE, ClamdServer, make_eicar
from tests.ports import find_port
from tests.running import gateway, read_ledger, run_cli, write_config

CONFIG = """
[channels.mail]
adapter = "email"
port = {port}

[systems.ledger]
adapter = "ledger"

[scan]
adapter = "clamd"
address = "{address}"
limit_bytes = 1048576

[attachments]
file_bytes = 500000

[stages]
poll_ms = 50
"""
BILL = "回单：尾号8888转出三百元。".encode() * 50
CARD, PHONE, NAME = "6222021234567890128", "13912345678", "欧阳建国"
WORDS = f"我叫{NAME}，电话{PHONE}，卡号{CARD}，存款少了三百元，请看回单。"


def write_mail() -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = f"{NAME} <customer@mail.example>", "complaints@bank.example", "存款少了"
    mail["Message-ID"] = "<1@mail.example>"
    mail.set_content(WORDS)
    mail.add_attachment(BILL, maintype="image", subtype="jpeg", filename="../../欧阳的回单.txt")
    mail.add_attachment(make_eicar(), maintype="application", subtype="pdf", filename="CON")
    mail.add_attachment(bytes(500_001), maintype="application", subtype="octet-stream", filename="film.bin")
    return mail


def send(port: int) -> str:
    """The receipt, as the mail port says it."""
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as line:
        line.ehlo()
        line.mail("customer@mail.example")
        line.rcpt("complaints@bank.example")
        code, answer = line.data(write_mail().as_bytes())
    assert code == 250, answer
    return answer.decode().partition("receipt ")[2].replace(" ", "")


def wait_for_scan(data: Path, limit_s: float = 60) -> dict[str, str]:
    """Name -> mark, once the ledger has learnt them."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        for entry in read_ledger(data):
            marks = {each["name"]: each["scan"] or each["note"] for each in entry["attachments"]}
            if all(marks.values()):
                return marks
        time.sleep(0.1)
    raise AssertionError("the ledger never learnt what the scanner said")


def read_all(data: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(data.rglob("*")) if path.is_file())


def test_a_mail_with_a_bill_and_a_virus_goes_all_the_way(tmp_path: Path, clamd_server: ClamdServer) -> None:
    data, port = tmp_path / "data", find_port()
    config = write_config(tmp_path, CONFIG.format(port=port, address=clamd_server.address))
    options = ("--config", str(config), "--data", str(data))
    with gateway(data, "--config", str(config)) as running:
        receipt = send(port)
        assert wait_for_scan(data) == {
            "欧阳的回单.txt": "clean",
            "_CON": f"infected {SIGNATURE}.UNOFFICIAL",
            "film.bin": "too_large",
        }
        listed = run_cli("attachments", receipt, *options)
        written = run_cli("attachments", receipt, "--out", str(tmp_path / "out"), *options)
        everything = run_cli("attachments", receipt, "--out", str(tmp_path / "all"), "--all", *options)
        book = run_cli("export", "ledger", "--receipt", receipt, *options)
        assert running.stop() == 0
    for ran in (listed, written, everything, book):
        assert ran.returncode == 0, ran.stderr
    assert "text/plain (said to be image/jpeg)" in listed.stdout
    assert "2 kept back" in written.stdout
    (bill,) = (tmp_path / "out").iterdir()
    assert (bill.name, bill.read_bytes()) == ("01-欧阳的回单.txt", BILL)
    assert stat.S_IMODE(bill.stat().st_mode) == 0o600
    assert (tmp_path / "all" / "02-_CON").read_bytes() == make_eicar()
    assert (tmp_path / "all" / "03-film.bin").stat().st_size == 500_001
    (line,) = csv.DictReader(io.StringIO(book.stdout.removeprefix("\ufeff"), newline=""))
    assert line["姓名"] == NAME
    assert PHONE in line["电话"]
    assert "存款少了三百元" in line["内容"]

    on_disk = read_all(data)
    assert len(on_disk) > 500_000
    for word in (NAME, "欧阳", "存款少了", "尾号8888", CARD, PHONE, "customer@mail.example"):
        assert word.encode() not in on_disk, "a disk image tells nothing of a customer"
    output = "".join(running.output)
    assert not any(word in output for word in (NAME, CARD, PHONE, "customer@mail.example", "回单"))


def test_what_cannot_be_taken_out_is_said_in_one_line(tmp_path: Path) -> None:
    config = write_config(tmp_path, '[systems.ledger]\nadapter = "ledger"\n')
    options = ("--config", str(config), "--data", str(tmp_path / "data"))
    assert run_cli("migrate", *options).returncode == 0
    for arguments, said in (
        (("attachments", "471108154243"), "no complaint is registered"),
        (("attachments", "1"), "that is no receipt number"),
        (("export", "nowhere"), "there is no system 'nowhere'"),
        (("export", "ledger"), "ledger_unusable"),
    ):
        ran = run_cli(*arguments, *options)
        assert ran.returncode == 1
        assert said in ran.stderr
        assert len(ran.stderr.strip().splitlines()) == 1
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "ledger.db")) as book, book:
        book.execute("PRAGMA user_version = 1")
    assert "Traceback" not in run_cli("export", "ledger", *options).stderr
