"""Values that are found again wherever they went, and samples with these values written into what people say in them."""

import base64
import csv
import email
import io
import json
import quopri
import re
from collections.abc import Iterable, Iterator, Mapping
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import openpyxl

SECRETS = {
    "password": "Qz7kd92Xw",
    "code": "73916428",
    "cvv": "CVV 852",
    "pin": "59471382",
    "track": "6868=291210100000",
    "spoken code": "七三五八二六",
}
PERSONAL = {
    "name": "欧阳蒙面侠",
    "phone": "13971938264",
    "id number": "11010519491231002X",
    "card": "6225880137706868",
    "mail": "mengmian.xia@secret.example",
    "words": "蒙面超人二七一八",
}
_PERSON = (
    "我叫欧阳蒙面侠，电话13971938264，身份证11010519491231002X，卡号6225880137706868，邮箱mengmian.xia@secret.example。"
)
SAID = (
    _PERSON + "蒙面超人二七一八的密码是Qz7kd92Xw，验证码是73916428，CVV 852，PIN码59471382，"
    ";6225880137706868=291210100000123?，动态码是七三五八二六。"
)
_SAID_IN = (
    SAID,
    # For charsets that know no simplified characters, and for those that know no Chinese.
    "電話13971938264，密碼是Qz7kd92Xw，驗證碼是73916428，CVV 852，PIN 59471382，;6225880137706868=291210100000123?，動態碼是七三五八二六。",
    (
        "Call 13971938264. My password is Qz7kd92Xw, the verification code is 73916428, CVV 852, PIN 59471382, "
        ";6225880137706868=291210100000123?"
    ),
)
_WORDS = re.compile(r"[\u0600-\u06ff\u3400-\u9fff]| \S+ \S+ ")


def find_marks(values: Mapping[str, str], haystack: bytes) -> list[str]:
    """The names of the values that are in it, in any of the forms in which bytes carry words."""
    lowered = haystack.lower()
    return [
        name
        for name, value in values.items()
        if any(form in haystack or form.lower() in lowered for form in _spell(value))
    ]


def _spell(value: str) -> set[bytes]:
    raw = {value.encode(codec) for codec in ("utf-8", "gb18030", "utf-16-le", "utf-16-be")}
    escaped = json.dumps(value)[1:-1].encode()
    forms = {*raw, escaped, quote(value, safe="").encode(), quopri.encodestring(value.encode())}
    for data in raw:
        forms |= {data.hex().encode(), quote(data, safe="").encode(), *_write_base64(data)}
    return forms


def _write_base64(data: bytes) -> Iterator[bytes]:
    """What stands in base64 whatever comes before and after it."""
    for shift in range(3):
        whole = base64.b64encode(bytes(shift) + data)
        start = (0, 2, 3)[shift]
        core = whole[start : len(whole) - (0, 3, 2)[(shift + len(data)) % 3]]
        yield from (core, core.replace(b"+", b"-").replace(b"/", b"_"))


def mark(sample: Path) -> bytes:
    """The sample with SAID behind every piece of words in it; the same bytes where nobody says anything."""
    raw = sample.read_bytes()
    match sample.suffix:
        case ".eml":
            return _mark_mail(raw)
        case ".mbox":
            return re.sub(rb"(?m)^\n", lambda _: f"\n{SAID}\n".encode(), raw)
        case ".xlsx":
            return _mark_sheet(raw)
        case ".csv":
            return _mark_table(raw)
        case ".json" | ".jsonl" | ".vcon":
            return _mark_json(raw)
        case ".xml":
            return re.sub(rb"(\]\]>)?</Content>", lambda end: SAID.encode() + end[0], raw)
    if raw.startswith((b"seal=", b"code=")):
        return urlencode(
            [(name, _add(words)) for name, words in parse_qsl(raw.decode(), keep_blank_values=True)]
        ).encode()
    return _mark_lines(raw)


def _add(words: str) -> str:
    return f"{words}，{SAID}" if _WORDS.search(words) else words


def _read(raw: bytes) -> tuple[str, str]:
    for codec in ("utf-16",) if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else ("utf-8", "gb18030"):
        try:
            return raw.decode(codec), codec
        except UnicodeDecodeError:
            continue
    return raw.decode("utf-8", "surrogateescape"), "utf-8"


def _mark_lines(raw: bytes) -> bytes:
    text, codec = _read(raw)
    lines = text.split("\n")
    return "\n".join(line if "-->" in line else _add(line.rstrip("\r")) for line in lines).encode(
        codec, "surrogateescape"
    )


def _mark_json(raw: bytes) -> bytes:
    def walk(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: walk(inner, key) for key, inner in value.items()}
        if isinstance(value, list):
            return [walk(inner, name) for inner in value]
        if not isinstance(value, str):
            return value
        if name == "payload":
            plain = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
            return base64.urlsafe_b64encode(_mark_json(plain)).decode().rstrip("=")
        if value.startswith(("{", "[{")):
            return _mark_json(value.encode()).decode()
        return _add(value)

    text, _ = _read(raw)
    try:
        return json.dumps(walk(json.loads(text)), ensure_ascii=len(raw) % 2 == 0).encode("utf-8", "surrogatepass")
    except ValueError:
        pass
    try:
        documents = [walk(json.loads(line)) for line in text.splitlines() if line.strip()]
    except ValueError:
        return _mark_lines(raw)
    return "\n".join(json.dumps(document, ensure_ascii=False) for document in documents).encode()


def _mark_table(raw: bytes) -> bytes:
    text, codec = _read(raw)
    written = io.StringIO()
    rows = list(csv.reader(io.StringIO(text)))
    csv.writer(written).writerows(_mark_row(row, first=number == 0) for number, row in enumerate(rows))
    return written.getvalue().encode(codec, "replace")


def _mark_row(row: list[str], *, first: bool) -> list[str]:
    longest = max(row, key=len, default="")
    return row if first else [_add(cell) if cell == longest else cell for cell in row]


def _mark_sheet(raw: bytes) -> bytes:
    book = openpyxl.load_workbook(io.BytesIO(raw))
    for sheet in book.worksheets:
        for cell in (cell for row in sheet.iter_rows(min_row=2) for cell in row):
            if isinstance(cell.value, str) and len(cell.value) > 12:
                cell.value = _add(cell.value)
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def _mark_mail(raw: bytes) -> bytes:
    message = email.message_from_bytes(raw)
    for part in message.walk():
        if part.get_content_maintype() == "text" and not part.is_multipart():
            _mark_part(part)
    subject = base64.b64encode("密码是Qz7kd92Xw".encode("gbk")).decode()
    del message["subject"]
    message["Subject"] = f"=?gb2312?B?{subject}?="
    try:
        return message.as_bytes()
    except (UnicodeError, LookupError, ValueError, AttributeError, KeyError):
        return raw + f"\r\n{SAID}\r\n".encode()


def _mark_part(part: Message) -> None:
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return
    added = data + b"\r\n" + _encode_for(part.get_content_charset() or "utf-8")
    coding = str(part.get("content-transfer-encoding", "")).lower()
    if coding == "base64":
        added = base64.encodebytes(added)
    elif coding == "quoted-printable":
        added = quopri.encodestring(added)
    part.set_payload(added.decode("ascii", "surrogateescape"))


def _encode_for(charset: str) -> bytes:
    for words in _SAID_IN:
        try:
            return words.encode({"gb2312": "gb18030", "gbk": "gb18030"}.get(charset.lower(), charset))
        except (UnicodeError, LookupError):
            continue
    return _SAID_IN[-1].encode()


def mark_all(samples: Iterable[Path], folder: Path) -> list[Path]:
    """Written into the folder, under names of their own. Only those in which somebody says something."""
    marked = []
    for number, sample in enumerate(samples):
        raw = mark(sample)
        if raw != sample.read_bytes():
            path = folder / f"{number:03}_{sample.name.replace('.in.', '.')}"
            path.write_bytes(raw)
            marked.append(path)
    return marked
