"""Bytes come out of the scrub in the form they came in, without a secret and otherwise to the byte."""

import base64
import json
import quopri
from email import message_from_bytes, policy
from pathlib import Path
from urllib.parse import parse_qs, quote, quote_plus

import pytest

from gateway.contract.complaint import Authenticity
from gateway.contract.envelope import Envelope, Thread
from gateway.intake.scrub.envelope import Scrub, scrub_raw
from gateway.intake.scrub.removal import Removal
from tests.contract.parties import ADAPTERS
from tests.keyring import mark

JSON, MAIL = "application/json", "message/rfc822"
SAID, TAGGED = "余额50.10，我的验证码是483920", "余额50.10，我的验证码是[已删除:验证码]"
SCRUB = Scrub(mark)


def scrub(raw: bytes, media_type: str = JSON) -> bytes:
    return scrub_raw(raw, media_type, Removal())


def enclose(raw: bytes, media_type: str = JSON, source_key: str = "k-1", **fields: object) -> Envelope:
    return Envelope(
        channel="95561",
        adapter="hotline",
        source_key=source_key,
        media_type=media_type,
        raw=raw,
        received_at=1,
        authenticity=Authenticity(verified=True, method="key"),
        **fields,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("ascii_only", [True, False])
def test_json_keeps_every_byte_but_the_string_that_held_the_secret(ascii_only: bool) -> None:
    before, after = (
        f'{{"a" : 1.10, "deep":[[{{"text": {json.dumps(words, ensure_ascii=ascii_only)}}}]],\r\n "a": 12345678901234567890}}'
        for words in (SAID, TAGGED)
    )
    assert scrub(before.encode()) == after.encode()


def test_a_field_named_after_a_secret_loses_its_value_also_as_a_number() -> None:
    raw = json.dumps({"cvv": 321, "交易密码": "852741", "branch_code": "350001", "otp": "忘记了"}).encode()
    assert json.loads(scrub(raw)) == {
        "cvv": "[已删除:安全码]",
        "交易密码": "[已删除:密码]",
        "branch_code": "350001",
        "otp": "忘记了",
    }


def test_a_label_that_is_a_value_of_its_own_names_the_next_one() -> None:
    rows = [{"name": "交易密码", "value": "852741"}, {"kind": "密码", "text": "locked"}]
    assert json.loads(scrub(json.dumps(rows).encode())) == [rows[0] | {"value": "[已删除:密码]"}, rows[1]]


def test_words_that_a_recogniser_gives_one_by_one_are_read_as_one() -> None:
    words = [{"w": w, "at": n * 100} for n, w in enumerate("我 的 验证 码 是 四 八 三 九 二 零 谢谢".split())]  # noqa: SIM905 - words
    told = json.loads(scrub(json.dumps({"words": words}, ensure_ascii=False).encode()))
    assert "".join(word["w"] for word in told["words"]) == "我的验证码是[已删除:验证码]谢谢"
    assert [word["at"] for word in told["words"]] == [word["at"] for word in words]


def test_an_answer_in_the_next_turn_goes_and_the_ids_beside_it_stay() -> None:
    turns = [
        {"id": "100234", "who": "agent", "text": "请报一下您收到的验证码"},
        {"id": "100235", "who": "customer", "text": "四八三九二零"},
    ]
    told = json.loads(scrub(json.dumps(turns, ensure_ascii=False).encode()))
    assert told[1] == {"id": "100235", "who": "customer", "text": "[已删除:验证码]"}


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_json_inside_strings_of_json_is_read_as_deep_as_it_goes(depth: int) -> None:
    def wrap(words: str) -> str:
        for _ in range(depth):
            words = json.dumps({"result": words})
        return words

    assert scrub(wrap(SAID).encode()) == wrap(TAGGED).encode()


def test_the_payload_of_a_signed_vcon_is_read() -> None:
    payload = base64.urlsafe_b64encode(json.dumps({"dialog": [{"body": SAID}]}).encode()).decode().rstrip("=")
    told = json.loads(scrub(json.dumps({"payload": payload, "signatures": []}).encode()))["payload"]
    assert json.loads(base64.urlsafe_b64decode(told + "=" * (-len(told) % 4))) == {"dialog": [{"body": TAGGED}]}


@pytest.mark.parametrize("cut", [0.5, 0.9, 0.99])
def test_json_that_was_cut_is_read_as_far_as_it_goes(cut: float) -> None:
    whole = json.dumps([{"text": SAID}, {"text": SAID, "more": "." * 100}], ensure_ascii=False).encode()
    assert b"483920" not in scrub(whole[: round(len(whole) * cut)])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<xml><MsgType>text</MsgType><Content><![CDATA[{}]]></Content></xml>", None),
        ("<xml><Content>{}</Content></xml>", None),
        ("<p>{}</p>", None),
        ("<p>密码</b>是&#49;2&#x33;<i>45</i>6，好</p>", "<p>密码</b>是[已删除:密码]<i></i>，好</p>"),
        ("<Order><Password>hunter22</Password></Order>", "<Order><Password>[已删除:密码]</Password></Order>"),
    ],
)
def test_markup_keeps_its_tags(before: str, after: str | None) -> None:
    told = scrub(before.format(SAID).encode(), "text/xml")
    assert told.decode() == (after or before.format(TAGGED))


def test_the_sealed_copy_of_wechats_compatible_mode_goes_with_the_words_it_repeats() -> None:
    told = scrub(f"<xml><Content>{SAID}</Content><Encrypt><![CDATA[c2VhbGVk]]></Encrypt></xml>".encode(), "text/xml")
    assert told.decode() == f"<xml><Content>{TAGGED}</Content><Encrypt></Encrypt></xml>"


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_plain_text_stays_in_its_charset(codec: str) -> None:
    assert scrub(SAID.encode(codec), "text/plain").decode(codec) == TAGGED


def test_a_charset_without_the_characters_of_the_tag_gets_one_in_ascii() -> None:
    assert scrub("驗證碼是483920".encode("big5"), "text/plain; charset=big5").decode("big5") == "驗證碼是[removed:code]"


@pytest.mark.parametrize("codec", ["utf-8", "gb18030"])
def test_the_address_of_a_link_keeps_its_form(codec: str) -> None:
    before, after = (
        f"https://x.example/我的?q={quote(words, safe=',', encoding=codec)}&page=2#end" for words in (SAID, TAGGED)
    )
    untouched = f"100% https://x.example/%E6%88%91?n={quote('余额50.10')}&gbk=%D3%E0%B6%EE"
    raw = json.dumps({"url": before, "other": untouched}, ensure_ascii=False).encode()
    assert json.loads(scrub(raw)) == {"url": after, "other": untouched}


def test_a_form_keeps_its_fields() -> None:
    raw = f"code=0&requestId=77&text={quote_plus(SAID)}&x=%E4%BD%A0".encode()
    told = scrub(raw, "application/x-www-form-urlencoded")
    assert parse_qs(told.decode())["text"] == [TAGGED]
    assert told.startswith(b"code=0&requestId=77&text=")
    assert told.endswith(b"&x=%E4%BD%A0")


def test_fields_and_file_names_of_a_multipart_form_are_read_and_files_stay() -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(range(128, 256))
    parts = [
        f'--B\r\nContent-Disposition: form-data; name="text"\r\n\r\n{SAID}\r\n'.encode(),
        '--B\r\nContent-Disposition: form-data; name="file"; filename="密码123456.png"\r\nContent-Type: image/png\r\n\r\n'.encode(),
        png,
        b"\r\n--B--\r\n",
    ]
    told = scrub(b"".join(parts), "multipart/form-data; boundary=B")
    assert told == b"".join(parts).replace(SAID.encode(), TAGGED.encode()).replace(b"123456", "[已删除:密码]".encode())


def make_mail(charset: str, coding: str, words: str, subtype: str = "plain") -> bytes:
    data = words.encode(charset)
    body = (
        {
            "base64": base64.encodebytes,
            "quoted-printable": quopri.encodestring,
            "8bit": lambda given: given + b"\n",
        }[coding](data)
        .strip()
        .replace(b"\n", b"\r\n")
    )
    subject = base64.b64encode("关于密码123456".encode("gbk")).decode()
    head = (
        f"From: a@b.example\r\nMessage-ID: <1@b.example>\r\nSubject: =?gb2312?B?{subject}?=\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/mixed; boundary=xx\r\n\r\nThis is MIME.\r\n--xx\r\n"
        f"Content-Type: text/{subtype}; charset={charset}\r\nContent-Transfer-Encoding: {coding}\r\n\r\n"
    )
    tail = (
        "--xx\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
        "Content-Disposition: attachment; filename*=gbk''%C3%DC%C2%EB123456.pdf\r\n\r\nJVBERi0=\r\n--xx--\r\n"
    )
    return head.encode() + body + b"\r\n" + tail.encode()


@pytest.mark.parametrize("coding", ["base64", "quoted-printable", "8bit"])
@pytest.mark.parametrize("charset", ["utf-8", "gb18030", "gb2312"])
def test_a_mail_is_read_in_its_charset_and_transfer_encoding(charset: str, coding: str) -> None:
    told = message_from_bytes(scrub(make_mail(charset, coding, SAID), MAIL), policy=policy.default)
    text, pdf = told.iter_parts()
    assert told["subject"] == "关于密码[已删除:密码]"
    assert text.get_content().strip() == TAGGED
    assert pdf.get_filename() == "密码[已删除:密码].pdf"
    assert pdf.get_payload(decode=True) == b"%PDF-"


def test_a_mail_without_a_secret_keeps_every_byte() -> None:
    raw = make_mail("gb2312", "quoted-printable", "没收到验证码").replace(b"123456", b"").replace(b"xuMNjM0NTY", b"")
    clean = raw.replace(raw[raw.index(b"Subject") : raw.index(b"MIME-V")], b"Subject: ok\r\n")
    assert scrub(clean, MAIL) == clean


@pytest.mark.parametrize(
    "sample", sorted(ADAPTERS.glob("*/samples/*.in.*")), ids=lambda path: f"{path.parent.parent.name}-{path.name}"
)
def test_no_sample_loses_a_byte_as_none_holds_a_secret(sample: Path) -> None:
    raw = sample.read_bytes()
    media_type = MAIL if sample.suffix in {".eml", ".mbox"} else "application/octet-stream"
    assert scrub(raw, media_type) == raw


def test_the_digest_stays_that_of_what_was_sent_and_keys_made_of_it_become_keyed() -> None:
    raw = json.dumps({"text": SAID}).encode()
    digest = enclose(raw).content_digest()
    first, removed = SCRUB(enclose(raw, source_key=f"call:c-7:{digest.hex()[:32]}"))
    again, _ = SCRUB(enclose(raw, source_key=f"call:c-7:{digest.hex()[:32]}"))
    assert removed == {"code": 1}
    assert first.content_digest() == digest
    assert first == again
    assert digest.hex()[:16] not in first.source_key
    assert first.source_key.startswith("call:c-7:")
    assert (
        SCRUB(enclose(raw, source_key=digest.hex()))[0]
        != Scrub(lambda value: mark(b"1" + value))(enclose(raw, source_key=digest.hex()))[0]
    )


def test_keys_and_hints_that_hold_a_secret_are_hidden() -> None:
    given = enclose(
        b"{}", source_key="id:密码123456", thread=Thread(key="call:验证码483920"), hints={"note": "cvv 321", "b": "F01"}
    )
    told, removed = SCRUB(given)
    assert told.thread is not None
    assert not {"123456", "483920", "321"} & {*told.source_key.split("码"), *told.thread.key.split("码")}
    assert told.hints == {"note": "cvv [已删除:安全码]", "b": "F01"}
    assert dict(removed) == {"password": 1, "code": 1, "cvv": 1}


def test_a_clean_envelope_is_given_back_as_it_is() -> None:
    envelope = enclose('{"text": "排队太久，没收到验证码"}'.encode())
    assert SCRUB(envelope)[0] is envelope


@pytest.mark.parametrize(
    "media_type", [JSON, MAIL, "text/xml", "multipart/form-data; boundary=B", "text/plain; charset=hz", ""]
)
@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"\0", b"\xff\xfe\x00", b'"' + b'\\"' * 50_000, b"[" * 50_000, b'{"a":' * 20_000, b"<a>" * 30_000),
        *(b"<![CDATA[" * 10_000, b"&#" * 30_000, b"--B\r\n" * 20_000, b"\r\n" * 30_000, b"Subject: =?gbk?B?" * 5_000),
        *("密码是".encode() * 20_000, "验证码是".encode("gb18030") * 10_000, b"\\u5bc6" * 20_000, b"%E5%AF%86" * 10_000, b"=?" * 20_000),
        *(b'Content-Type: multipart/x; boundary="' + b"B" * 10 + b'"\r\n\r\n' + (b"--" + b"B" * 10 + b"\r\n\r\n") * 5_000, b"a:" * 40_000),
        b"Content-Type: message/rfc822\r\n\r\n" * 2_000,
    ],
    ids=lambda raw: raw[:12].hex() if isinstance(raw, bytes) else None,
)  # fmt: skip
def test_whatever_comes_is_read_through_and_nothing_is_raised(raw: bytes, media_type: str) -> None:
    assert isinstance(scrub_raw(raw, media_type, Removal()), bytes)
