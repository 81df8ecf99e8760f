"""What call-centre software meets at the hotline's door. (Secrets, damaged bodies, duplicates: tests/contract.)"""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from adapters.hotline.channel import Hotline, open_channel
from adapters.hotline.settings import ChannelSettings
from adapters.hotline.simulator import CURRENT, PREVIOUS, SETTINGS, push, sign
from gateway.contract.call import Call
from gateway.contract.envelope import Accepted, Envelope
from gateway.contract.errors import Refused
from gateway.contract.ports import SourceNumber
from gateway.contract.receipt import make_receipt
from tests.contract.house import START, make_house

RECEIPT = make_receipt(47_110_815_424)


def make_hotline(**settings: object) -> Hotline:
    return open_channel("95561", ChannelSettings.model_validate(SETTINGS | settings), make_house(Path("unused")))


def call(body: object, *, content_type: str = "application/json", key: str | None = None, **query: str) -> Call:
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    headers = {"content-type": content_type, "x-huiyin-key": CURRENT} | ({"idempotency-key": key} if key else {})
    return replace(push(text="x", key="x"), body=raw, headers=headers, query=query)


def receive(request: Call, channel: Hotline | None = None) -> Envelope:
    (envelope,) = (channel or make_hotline()).receive(request)
    return envelope


def refuse(request: Call, channel: Hotline | None = None) -> Refused:
    with pytest.raises(Refused) as refused:
        (channel or make_hotline()).receive(request)
    return refused.value


def test_it_answers_at_the_short_address_and_at_its_own() -> None:
    assert [route.path for route in make_hotline().routes()] == ["/intake/hotline", "/intake/95561"]


def test_an_idempotency_key_decides_and_the_call_still_has_its_thread() -> None:
    envelope = receive(call({"call_id": "c-1", "text": "卡被吞"}, key="k-1"))
    assert envelope.source_key == "key:k-1"
    assert envelope.thread is not None
    assert envelope.thread.key == "call:c-1"


def test_another_body_under_the_same_key_has_another_content() -> None:
    one, other = (receive(call({"text": text}, key="k-1")) for text in ("a", "b"))
    assert one.source_key == other.source_key
    assert one.content_digest() != other.content_digest()


def test_a_fuller_transcript_of_a_call_is_a_new_envelope_of_its_thread_and_replaces_the_first() -> None:
    channel = make_hotline()
    short, full = (
        receive(call({"call_id": 7, "turns": [{"role": "customer", "text": text}]}), channel)
        for text in ("我", "我要投诉")
    )
    assert short.source_key != full.source_key
    assert short.thread == full.thread
    assert channel.draft(full).replaces


def test_without_any_identifier_the_content_is_the_key() -> None:
    envelope = receive(call({"text": "卡被吞"}))
    assert envelope.source_key == f"sha256:{hashlib.sha256(envelope.raw).hexdigest()}"
    assert envelope.thread is None


@pytest.mark.parametrize("key", ["", "k" * 256, "键", "a\x00b"])
def test_an_idempotency_key_that_cannot_be_kept_is_refused(key: str) -> None:
    request = call({"text": "x"})
    refused = refuse(replace(request, headers={**request.headers, "idempotency-key": key}))
    assert (refused.code, refused.status) == ("bad_idempotency_key", 400)


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b'{"text":', "application/json", 400, "malformed_json"),
        (b"hello", "application/json", 400, "malformed_json"),
        (b'{"text": "\xff\xff\xff"}', "application/json", 400, "malformed_json"),
        (b"[" * 200_000, "application/json", 400, "too_deep"),
        (b"\x89PNG\x00\x00", "text/plain", 400, "malformed_json"),
        (b"<a/>", "application/xml", 415, "unsupported_media_type"),
        (b'{"hello": 1}', "application/json", 422, "no_text"),
        (b"null", "text/plain", 201, ""),
        (b"  ", "text/plain", 422, "invalid_fields"),
        (b'[{"call_id": "1", "text": "a"}, {"call_id": "2", "text": "b"}]', "application/json", 422, "several_calls"),
    ],
)
def test_each_fault_has_its_status(body: bytes, content_type: str, status: int, code: str) -> None:
    if status == 201:
        assert receive(call(body, content_type=content_type))
        return
    refused = refuse(call(body, content_type=content_type))
    assert (refused.status, refused.code) == (status, code)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"text": 7}, {"text"}),
        ({"text": "  "}, {"text"}),
        ({"turns": []}, {"turns"}),
        ({"turns": [{"role": "customer"}]}, {"turns"}),
        ({"turns": [{"text": "a"}, {"text": 7}, 8]}, {"turns[1].text", "turns[2]"}),
    ],
)
def test_an_invalid_body_is_told_where(body: object, fields: set[str]) -> None:
    refused = refuse(call(body))
    assert refused.status == 422
    assert set(refused.fields) == fields


def test_an_unknown_format_is_told_the_known_ones() -> None:
    refused = refuse(call({"text": "x"}, format="fax"))
    assert refused.status == 400
    assert "whisper" in refused.detail


def test_an_asked_format_is_kept_for_every_later_reading() -> None:
    envelope = receive(call(b'{"text": "literally"}', content_type="text/plain", format="turns"))
    assert envelope.hints == {"format": "turns"}


def test_a_declared_chinese_charset_is_honoured() -> None:
    channel = make_hotline()
    body = json.dumps({"text": "张喆镕的卡被吞"}, ensure_ascii=False).encode("gbk")
    envelope = receive(call(body, content_type="application/json; charset=GBK"), channel)
    assert channel.draft(envelope).text == "张喆镕的卡被吞"


def test_a_form_type_around_json_is_forgiven() -> None:
    """`curl -d` declares a form whatever it sends."""
    channel = make_hotline()
    assert (
        channel.draft(receive(call({"text": "卡被吞"}, content_type="application/x-www-form-urlencoded"), channel)).text
        == "卡被吞"
    )


def test_a_bearer_token_is_a_key() -> None:
    request = call({"text": "x"})
    bearer = {"content-type": "application/json", "authorization": f"Bearer {PREVIOUS}"}
    assert receive(replace(request, headers=bearer)).authenticity.method == "key"


@pytest.mark.parametrize(("secret", "opens"), [("right", True), ("rotated", True), ("wrong", False)])
def test_a_signature_opens_the_door_with_the_current_and_the_previous_secret(secret: str, opens: bool) -> None:
    request = push(text="卡被吞", key="k", secret=secret, signed=True)
    if opens:
        assert receive(request).authenticity.method == "hmac"
    else:
        assert refuse(request).status == 403


def test_a_signature_covers_the_body() -> None:
    request = push(text="卡被吞", key="k", signed=True)
    assert refuse(replace(request, body=request.body.replace("吞".encode(), "抢".encode()))).code == "signature_wrong"


@pytest.mark.parametrize(
    ("shift_s", "code"), [(299, ""), (-299, ""), (302, "signature_expired"), (-302, "signature_expired")]
)
def test_a_signature_lasts_five_minutes(shift_s: int, code: str) -> None:
    request = push(text="x", key="k", signed=True)
    headers = request.headers | sign(request.body, CURRENT, START + shift_s * 1000)
    request = replace(request, headers=headers)
    assert (refuse(request).code if code else receive(request).authenticity.method) == (code or "hmac")


@pytest.mark.parametrize(
    "header", ["", "t=,v1=", "t=1e9,v1=aa", "v1=aa", "t=²,v1=aa", "t=1767232800", "t=1767232800,v1=\udcff"]
)
def test_a_signature_that_is_none_is_refused(header: str) -> None:
    request = push(text="x", key="k", secret="missing")
    assert refuse(replace(request, headers={**request.headers, "x-huiyin-signature": header})).status == 403


def test_a_channel_without_any_secret_does_not_open() -> None:
    with pytest.raises(ValidationError):
        ChannelSettings.model_validate({})
    with pytest.raises(ValidationError):
        ChannelSettings.model_validate({"keys": ["short"]})


@pytest.mark.parametrize("duplicate", [False, True])
def test_the_answer_carries_the_receipt_and_where_to_look_it_up(duplicate: bool) -> None:
    answer = make_hotline().reply(call({}), [Accepted(envelope_id="e-1", receipt=RECEIPT, duplicate=duplicate)])
    assert answer.status == (200 if duplicate else 201)
    assert json.loads(answer.body) == {
        "id": "e-1",
        "receipt": RECEIPT,
        "duplicate": duplicate,
        "status_url": f"https://huiyin.bank.example/r/{RECEIPT}",
    }


@pytest.mark.parametrize(
    ("style", "field", "value"),
    [("tencent", "code", 0), ("aliyun", "code", 0), ("tccc", "ErrCode", 0), ("huawei", "retCode", "0")],
)
def test_a_product_gets_the_success_it_knows(style: str, field: str, value: object) -> None:
    answer = make_hotline(reply_style=style).reply(call({}), [Accepted(envelope_id="e-1", receipt=RECEIPT)])
    assert answer.status == 200
    assert json.loads(answer.body)[field] == value


def test_a_signed_vcon_says_that_its_own_signature_is_unverified() -> None:
    vcon = json.loads((Path(__file__).parents[3] / "adapters/hotline/samples/vcon_signed.in.vcon").read_text())
    envelope = receive(call(vcon, content_type="application/vcon+json"))
    assert "unverified" in envelope.authenticity.detail
    assert envelope.thread is not None
    assert envelope.thread.key == "call:018e3e72-e1a8-8b8f-b535-f0195890e152"


@pytest.mark.parametrize(
    ("source_key", "found"),
    [
        ("call:20261126-0042:" + "0" * 32, SourceNumber("20261126-", 42)),
        ("key:20261126-0042", SourceNumber("20261126-", 42)),
        ("call:x20261126-0042:" + "0" * 32, None),
        ("sha256:20261126-0042", None),
        ("", None),
    ],
)
def test_a_call_id_that_counts_tells_its_number(source_key: str, found: SourceNumber | None) -> None:
    counting = make_hotline(call_numbers="(?P<stream>[0-9]{8}-)(?P<number>[0-9]+)")
    assert counting.find_number(source_key) == found
    assert make_hotline().find_number(source_key) is None


@pytest.mark.parametrize("pattern", ["(", "[0-9]+"])
def test_a_pattern_without_a_number_refuses_to_start(pattern: str) -> None:
    with pytest.raises(ValidationError, match="call_numbers"):
        make_hotline(call_numbers=pattern)
