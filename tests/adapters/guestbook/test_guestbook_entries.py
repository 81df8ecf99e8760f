"""Entries that programs post. (The page in a browser: tests/pages.)"""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from adapters.guestbook.channel import Guestbook, open_channel
from adapters.guestbook.settings import ChannelSettings
from adapters.guestbook.simulator import SETTINGS, push
from gateway.contract.call import Call, Reply
from gateway.contract.complaint import Kind
from gateway.contract.draft import Draft
from gateway.contract.envelope import Envelope
from gateway.contract.errors import Refused
from tests.contract.house import START, make_house
from tests.pages.calls import MULTIPART, make_call, write_multipart
from tests.running import gateway, write_config

KEY = "guestbook-key-current"


def open_guestbook(**settings: object) -> Guestbook:
    return open_channel("site", ChannelSettings.model_validate(SETTINGS | settings), make_house(Path("unused")))


def entry(body: object, *, at: int = START, **headers: str) -> Call:
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    sent = {"content-type": "application/json", "x-huiyin-key": KEY} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    return replace(push(text="x", key="x", received_at=at), body=raw, headers=sent)


def keep(call: Call, channel: Guestbook | None = None) -> Envelope:
    got = (channel or open_guestbook()).receive(call)
    assert not isinstance(got, Reply)
    (envelope,) = got
    return envelope


def refuse(call: Call, channel: Guestbook | None = None) -> Refused:
    with pytest.raises(Refused) as caught:
        (channel or open_guestbook()).receive(call)
    return caught.value


def read(body: object) -> Draft:
    return open_guestbook().draft(keep(entry(body)))


# --- who may post --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"x-huiyin-key": KEY},
        {"x-huiyin-key": "guestbook-key-previous"},
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer  {KEY} "},
    ],
)
def test_the_current_and_the_previous_key_open_the_entry(headers: dict[str, str]) -> None:
    call = entry({"text": "等了两个小时"})
    assert keep(replace(call, headers={"content-type": "application/json"} | headers)).authenticity.verified


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Basic eDp5"}, 401),
        ({"x-huiyin-key": ""}, 401),
        ({"x-huiyin-key": KEY[:-1]}, 403),
        ({"x-huiyin-key": KEY + "x"}, 403),
        ({"x-huiyin-key": "\\xe9"}, 403),
        ({"authorization": "Bearer nobody"}, 403),
    ],
)
def test_no_key_is_401_and_a_wrong_one_403(headers: dict[str, str], status: int) -> None:
    call = entry({"text": "等了两个小时"})
    refused = refuse(replace(call, headers={"content-type": "application/json"} | headers))
    assert refused.status == status
    assert "guestbook-key" not in str(refused)


def test_without_keys_in_the_settings_nobody_may_post() -> None:
    assert refuse(entry({"text": "x"}), open_guestbook(keys=[])).status == 403


def test_the_key_is_asked_for_before_the_body_is_looked_at() -> None:
    assert refuse(entry(b"{", x_huiyin_key="")).status == 401


def test_the_page_can_be_shut_and_the_entry_stays() -> None:
    paths = {route.path for route in open_guestbook(page=False).routes()}
    assert paths == {"/intake/guestbook", "/intake/site"}


# --- what may be posted --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ({}, ["text"]),
        ({"text": "  \u200b "}, ["text"]),
        ({"text": "字" * 10_001}, ["text"]),
        ({"text": 7, "phone": {"a": 1}}, ["phone", "text"]),
        ({"text": "x", "kind": "spam"}, ["kind"]),
        ({"text": "x", "id": [1]}, ["id"]),
    ],
)
def test_what_is_wrong_is_told_by_the_path_of_each_field(body: dict[str, object], paths: list[str]) -> None:
    refused = refuse(entry(body))
    assert refused.status == 422
    assert sorted(refused.fields) == paths


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b'"text"', b"[" * 100_000])
def test_what_is_no_json_object_is_malformed(body: bytes) -> None:
    assert refuse(entry(body)).status == 400


@pytest.mark.parametrize("media_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/xml"])
def test_what_is_no_json_by_its_type_is_refused_by_its_type(media_type: str) -> None:
    assert refuse(entry({"text": "x"}, content_type=media_type)).status == 415


def test_fields_are_read_under_the_names_that_people_give_them() -> None:
    draft = read(
        {
            "留言内容": "等了两个小时",
            "联系电话": "13800000000、0591-87654321",
            "姓名": "陈小姐",
            "网点名称": "五一支行",
            "留言类型": "表扬",
            "时间": "2026年1月1日 9时30分",
            "unknown": {"deep": [1]},
        }
    )
    assert draft.text == "等了两个小时"
    assert draft.phones == ("13800000000", "0591-87654321")
    assert (draft.name, draft.branch_name, draft.kind) == ("陈小姐", "五一支行", Kind.PRAISE)
    assert draft.occurred_at is not None
    assert draft.occurred_at.isoformat() == "2026-01-01T09:30:00+08:00"


# --- the same, and not the same ------------------------------------------------------------------------------------


def test_the_id_or_the_header_decides_what_is_the_same() -> None:
    assert keep(entry({"text": "x", "id": 7})).source_key == keep(entry({"text": "y", "id": "7"})).source_key
    one, two = (keep(entry({"text": "x", "id": 7}, idempotency_key=key)) for key in ("a", "b"))
    assert one.source_key != two.source_key


def test_the_order_of_the_fields_makes_no_other_content() -> None:
    one, two = keep(entry({"id": 7, "text": "x"})), keep(entry({"text": "x", "id": 7}))
    assert one.content_digest() == two.content_digest()


def test_without_an_id_the_same_words_are_one_entry_for_ten_minutes() -> None:
    first = keep(entry({"text": "x"}, at=START))
    assert keep(entry({"text": "x"}, at=START + 60_000)).source_key == first.source_key
    assert keep(entry({"text": "x"}, at=START + 900_000)).source_key != first.source_key
    assert keep(entry({"text": "y"}, at=START)).source_key != first.source_key


# --- the page as values --------------------------------------------------------------------------------------------


def test_an_upload_on_the_page_has_a_name_without_folders_and_the_browsers_word_for_its_type() -> None:
    channel = open_guestbook()
    body = write_multipart({"text": "见附件", "branch": "F0591001"}, [("../../a.png", b"%PDF-1.7 x")])
    draft = channel.draft(keep(make_call("/guestbook", body=body, content_type=MULTIPART), channel))
    assert [(each.name, each.media_type) for each in draft.attachments] == [("a.png", "image/png")]
    assert draft.branch_code == "F0591001"


def test_an_entry_without_an_opened_form_is_marked_and_kept() -> None:
    envelope = keep(make_call("/guestbook", form={"text": "等了两个小时"}))
    assert envelope.hints["quarantine"] == "without_form"
    assert open_guestbook().draft(envelope).text == "等了两个小时"


# --- over the wire -------------------------------------------------------------------------------------------------

CONFIG = f"""
[channels.site]
adapter = "guestbook"
keys = ["{KEY}"]

[systems.ledger]
adapter = "ledger"
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory):
    data = tmp_path_factory.mktemp("guestbook")
    with gateway(data, "--config", str(write_config(data, CONFIG))) as running:
        yield running.url


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers={"X-Huiyin-Key": KEY}) as one:
        yield one


async def post(session: aiohttp.ClientSession, url: str, body: object) -> tuple[int, dict[str, Any], str]:
    async with session.post(f"{url}/intake/guestbook", json=body) as answer:
        return answer.status, await answer.json(content_type=None), answer.content_type


async def test_a_new_entry_is_201_the_same_again_200_and_other_words_under_its_id_409(
    url: str, session: aiohttp.ClientSession
) -> None:
    status, told, _ = await post(session, url, {"id": "G-1", "text": "等了两个小时"})
    assert (status, told["duplicate"]) == (201, False)
    status, again, _ = await post(session, url, {"text": "等了两个小时", "id": "G-1"})
    assert (status, again["duplicate"], again["receipt"]) == (200, True, told["receipt"])
    status, problem, media_type = await post(session, url, {"id": "G-1", "text": "别的话"})
    assert (status, media_type) == (409, "application/problem+json")
    assert "别的话" not in json.dumps(problem, ensure_ascii=False)


async def test_the_status_address_in_the_answer_opens(url: str, session: aiohttp.ClientSession) -> None:
    _, told, _ = await post(session, url, {"text": "状态页", "phone": "13800000000"})
    async with session.get(told["status_url"]) as page:
        assert page.status == 200
        assert "办理进度" in await page.text()


async def test_a_refusal_names_fields_and_repeats_nothing(url: str, session: aiohttp.ClientSession) -> None:
    status, problem, media_type = await post(session, url, {"text": "", "phone": 13912345678})
    assert (status, media_type, problem["code"]) == (422, "application/problem+json", "invalid")
    assert sorted(problem["fields"]) == ["phone"]
    assert "13912345678" not in json.dumps(problem)


async def test_a_body_above_the_limit_is_413(url: str, session: aiohttp.ClientSession) -> None:
    status, problem, _ = await post(session, url, {"text": "字" * 400_000})
    assert (status, problem["code"]) == (413, "too_large")
