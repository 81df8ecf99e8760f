"""What is kept of an entry, and how programs are answered. (The page in a browser: tests/pages.)"""

import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from adapters.branch_qr.channel import BranchPage, open_channel
from adapters.branch_qr.settings import ChannelSettings
from adapters.branch_qr.simulator import SETTINGS, push
from gateway.contract.call import Call, Reply
from gateway.contract.envelope import Accepted, Envelope
from gateway.contract.errors import Refused, TryLater, Unreadable
from gateway.contract.receipt import make_receipt
from tests.contract.house import START, ManualClock, make_house
from tests.pages.calls import MULTIPART, make_call, write_multipart

MINUTE_MS = 60_000
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
ACCEPTED = Accepted(envelope_id="e-1", receipt=make_receipt(47_110_815_424))


@pytest.fixture
def channel() -> BranchPage:
    return open_channel("branch", ChannelSettings.model_validate(SETTINGS), make_house(Path("unused"), ManualClock()))


def find_path(channel: BranchPage) -> str:
    return channel.find_branch_link("F0591001").removeprefix("https://huiyin.bank.example")


def find_seal(channel: BranchPage, at: int = START) -> str:
    """The seal of a form that was opened at this moment."""
    answer = channel.receive(make_call(find_path(channel), at=at))
    assert isinstance(answer, Reply)
    return answer.body.decode().partition('name="seal" value="')[2].partition('"')[0]


def keep(channel: BranchPage, call: Call) -> Envelope:
    got = channel.receive(call)
    assert not isinstance(got, Reply)
    (envelope,) = got
    return envelope


def send_form(channel: BranchPage, at: int = START + MINUTE_MS, **fields: str) -> Envelope:
    fields = {"kind": "complaint", "text": "等了两个小时"} | fields
    return keep(channel, make_call(find_path(channel), form=fields, at=at))


def change(call: Call, **fields: object) -> Call:
    return replace(call, body=json.dumps(json.loads(call.body) | fields).encode())


def refuse(channel: BranchPage, call: Call) -> Refused:
    with pytest.raises(Refused) as caught:
        channel.receive(call)
    return caught.value


# --- marked, but kept ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "after_ms", "doubt"),
    [
        ({}, MINUTE_MS, ""),
        ({"website": "http://spam.example"}, MINUTE_MS, "honeypot"),
        ({}, 2_000, "too_fast"),
        ({"seal": ""}, MINUTE_MS, "without_form"),
        ({"seal": "19b7.forged.AAAA"}, MINUTE_MS, "without_form"),
    ],
)
def test_what_looks_like_a_program_is_marked_and_kept_all_the_same(
    fields: dict[str, str], after_ms: int, doubt: str, channel: BranchPage
) -> None:
    envelope = send_form(channel, START + after_ms, **({"seal": find_seal(channel)} | fields))
    assert envelope.hints.get("quarantine", "") == doubt
    assert envelope.authenticity.detail == (f"quarantine: {doubt}" if doubt else "")
    assert envelope.authenticity.verified, "the branch's own code is no less real for that"
    assert channel.draft(envelope).text == "等了两个小时"


def test_a_form_left_open_for_a_year_is_taken_without_doubt(channel: BranchPage) -> None:
    seal = find_seal(channel)
    assert "quarantine" not in send_form(channel, START + 365 * 24 * 60 * MINUTE_MS, seal=seal).hints


# --- the same, and not the same ------------------------------------------------------------------------------------


def test_the_same_form_is_one_envelope_whatever_the_boundary_of_its_body(channel: BranchPage) -> None:
    fields = {"seal": find_seal(channel), "kind": "complaint", "text": "等了两个小时"}
    path = find_path(channel)
    sent = [
        keep(
            channel,
            make_call(
                path,
                body=write_multipart(fields, [("a.png", PNG)], boundary),
                content_type=f"multipart/form-data; boundary={boundary}",
                at=START + MINUTE_MS,
            ),
        )
        for boundary in ("one", "another")
    ]
    assert sent[0].raw != sent[1].raw
    assert sent[0].source_key == sent[1].source_key
    assert sent[0].content_digest() == sent[1].content_digest()


def test_two_people_with_the_same_words_are_two(channel: BranchPage) -> None:
    one, two = (send_form(channel, seal=find_seal(channel)) for _ in range(2))
    assert one.source_key != two.source_key


def test_other_words_on_the_same_form_join_the_first(channel: BranchPage) -> None:
    seal = find_seal(channel)
    one, two = send_form(channel, seal=seal), send_form(channel, seal=seal, text="还有：空调也坏了")
    assert one.source_key != two.source_key
    assert one.thread is not None
    assert one.thread == two.thread


def test_a_form_seen_at_one_branch_is_another_matter_at_the_next(channel: BranchPage) -> None:
    fields = {"seal": find_seal(channel), "text": "等了两个小时"}
    other = channel.find_branch_link("SH-021-0003").removeprefix("https://huiyin.bank.example")
    one = send_form(channel, **fields)
    two = keep(channel, make_call(other, form=fields, at=START + MINUTE_MS))
    assert one.source_key != two.source_key
    assert one.thread != two.thread


def test_a_short_key_of_a_programs_own_joins_nothing(channel: BranchPage) -> None:
    short, long = push(text="一", key="x"), push(text="一", key="7b1f0c5e-0000-4000-8000-000000000001")
    assert keep(channel, short).thread is None
    assert keep(channel, long).thread is not None
    assert keep(channel, change(long, text="二")).thread == keep(channel, long).thread


# --- files ---------------------------------------------------------------------------------------------------------


def test_a_file_has_a_name_without_folders_and_the_browsers_word_for_its_type(channel: BranchPage) -> None:
    files = [("../../etc/passwd", PNG), ("C:\\回单\\1.jpg", "不是图片".encode()), ("\u202egnp.exe", b"%PDF-1.7 x")]
    body = write_multipart({"text": "见附件"}, files)
    draft = channel.draft(keep(channel, make_call(find_path(channel), body=body, content_type=MULTIPART)))
    assert [(each.name, each.media_type) for each in draft.attachments] == [
        ("passwd", "image/png"),
        ("1.jpg", "image/png"),
        ("gnp.exe", "image/png"),
    ]
    assert draft.attachments[0].content == PNG


@pytest.mark.parametrize(
    ("files", "status", "error"),
    [
        ([("a.png", b"PK\x03\x04zip")], 415, "files_type"),
        ([("a.txt", b"<script>alert(1)</script>")], 415, "files_type"),
        ([("a.svg", b'  <svg onload="x">')], 415, "files_type"),
        ([("a.exe", b"MZ\x90\x00")], 415, "files_type"),
        ([("a.png", PNG)] * 7, 422, "files_many"),
        ([("a.png", PNG + bytes(10_000_000))], 413, "files_large"),
        ([("a.png", PNG + bytes(7_000_000))] * 3, 413, "files_large"),
    ],
)
def test_files_that_cannot_be_taken_are_refused_before_anything_is_kept(
    files: list[tuple[str, bytes]], status: int, error: str, channel: BranchPage
) -> None:
    call = make_call(find_path(channel), body=write_multipart({"text": "见附件"}, files), content_type=MULTIPART)
    refused = refuse(channel, call)
    assert (refused.status, refused.fields) == (status, {"files": error})


def test_the_untouched_file_field_of_a_browser_is_no_file(channel: BranchPage) -> None:
    body = write_multipart({"text": "没有附件"}, [("", b"")])
    assert (
        channel.draft(keep(channel, make_call(find_path(channel), body=body, content_type=MULTIPART))).attachments == ()
    )


# --- programs ------------------------------------------------------------------------------------------------------


def test_a_program_gets_201_with_the_receipt_and_200_for_the_same_again(channel: BranchPage) -> None:
    call = push(text="等了两个小时", key="k-1")
    new = channel.reply(call, [ACCEPTED])
    again = channel.reply(call, [replace(ACCEPTED, duplicate=True)])
    assert (new.status, again.status) == (201, 200)
    told = json.loads(new.body)
    assert told["receipt"] == ACCEPTED.receipt
    assert told["duplicate"] is False
    assert told["status_url"].startswith(f"https://huiyin.bank.example/r/{ACCEPTED.receipt}?s=")
    assert json.loads(again.body) == told | {"duplicate": True}


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"text": "   "}, "text"),
        ({"text": "字" * 10_001}, "text"),
        ({"text": 7}, "text"),
        ({"kind": "spam"}, "kind"),
        ({"phone": "12"}, "phone"),
        ({"phone": ["1"]}, "phone"),
        ({"name": "名" * 61}, "name"),
    ],
)
def test_a_program_learns_in_words_which_field_is_at_fault(
    fields: dict[str, object], path: str, channel: BranchPage
) -> None:
    refused = refuse(channel, change(push(text="x", key="k"), **fields))
    assert refused.status == 422
    assert list(refused.fields) == [path]
    assert " " in refused.fields[path], "words, not a code"


def test_a_body_that_is_neither_form_nor_json_is_refused_by_its_type(channel: BranchPage) -> None:
    assert refuse(channel, make_call(find_path(channel), body=b"x", content_type="text/plain")).status == 415
    assert refuse(channel, make_call(find_path(channel), body=b"{", content_type="application/json")).status == 400


def test_invisible_and_turning_characters_are_left_out_of_the_words_and_kept_in_the_raw(channel: BranchPage) -> None:
    text = "太差了😡\u200b\u202e反\x00\r\n👨\u200d👩\u200d👧"
    envelope = send_form(channel, text=text)
    assert channel.draft(envelope).text == "太差了😡反\n👨\u200d👩\u200d👧"
    assert b"%E2%80%AE" in envelope.raw


def test_when_the_store_is_away_the_customer_keeps_their_words_and_is_asked_to_send_again(channel: BranchPage) -> None:
    call = make_call(find_path(channel), form={"text": "等了两个小时", "seal": find_seal(channel)})
    page = channel.refuse(call, TryLater("store_unavailable", after_s=5))
    assert page is not None
    assert page.status == 503
    assert page.headers["Retry-After"] == "5"
    assert "等了两个小时" in page.body.decode()


# --- files of submissions ------------------------------------------------------------------------------------------


def read_all(channel: BranchPage, body: bytes, name: str = "x.json") -> list[Envelope]:
    return list(channel.split(BytesIO(body), name, None))


def test_a_submission_that_came_in_before_is_known_again_in_a_file(channel: BranchPage) -> None:
    call = push(text="等了两个小时", key="7b1f0c5e-0000-4000-8000-000000000001")
    live, (filed,) = keep(channel, call), read_all(channel, call.body)
    assert (filed.source_key, filed.content_digest()) == (live.source_key, live.content_digest())
    assert filed.backfill


def test_words_under_a_forged_code_are_kept_without_a_branch(channel: BranchPage) -> None:
    (envelope,) = read_all(channel, push(text="等了两个小时", key="k", secret="wrong").body)
    assert not envelope.authenticity.verified
    assert channel.draft(envelope).branch_code == ""
    assert channel.draft(envelope).text == "等了两个小时"


@pytest.mark.parametrize("body", [b"", b"[", b"[7]", b"--x", b"\xff\xfe", b"text="])
def test_what_cannot_be_read_is_kept_and_set_aside(body: bytes, channel: BranchPage) -> None:
    (envelope,) = read_all(channel, body, "x")
    with pytest.raises(Unreadable):
        channel.draft(envelope)
