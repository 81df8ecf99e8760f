"""Drafts of one matter become one complaint; whatever a channel hands on can be read."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.settings import AttachmentSettings
from gateway.contract.complaint import AttachmentRef, Complaint, Kind, Speaker, Turn
from gateway.contract.draft import Attachment, Draft
from normalizers.attachment import describe_attachments
from tests.normalizers.conftest import read, read_all

words = st.text(max_size=120)
drafts = st.builds(
    Draft,
    text=words,
    turns=st.lists(st.builds(Turn, speaker=st.sampled_from(Speaker), text=words), max_size=4).map(tuple),
    quoted=words,
    title=words,
    kind=st.none() | st.sampled_from(Kind),
    language=st.text(max_size=10),
    name=words,
    phones=st.lists(st.text(max_size=30), max_size=3).map(tuple),
    emails=st.lists(st.text(max_size=30), max_size=3).map(tuple),
    id_numbers=st.lists(st.text(max_size=60), max_size=3).map(tuple),
    branch_code=st.text(max_size=20),
    branch_name=st.text(max_size=20),
    request=words,
    accused_person=words,
    replaces=st.booleans(),
    attachments=st.lists(
        st.builds(Attachment, name=st.text(max_size=20), media_type=st.text(max_size=20), content=st.binary(max_size=40)),
        max_size=2,
    ).map(tuple),
)  # fmt: skip


@given(st.lists(drafts, min_size=1, max_size=3))
@settings(max_examples=150, deadline=None)
def test_any_draft_can_be_read_and_the_complaint_survives_its_json(given_drafts: list[Draft]) -> None:
    complaint = read_all(given_drafts)
    assert Complaint.model_validate_json(complaint.model_dump_json()) == complaint


def test_supplements_add_up_and_a_fuller_form_replaces_what_came_before() -> None:
    first, second = Draft(text="我的卡被吞了", phones=("13800138000",)), Draft(text="今天还没有人回电")
    both = read_all([first, second])
    assert "我的卡被吞了" in both.narrative
    assert "今天还没有人回电" in both.narrative
    assert both.complainant.phones == ("13800138000",)
    fuller = read_all([first, Draft(text="我的卡昨天被吞了", replaces=True)])
    assert fuller.narrative == "我的卡昨天被吞了"
    assert fuller.complainant.phones == ()


def test_a_shorter_form_that_the_fuller_one_has_overtaken_takes_none_of_its_words_away() -> None:
    shorter = Draft(turns=(Turn(speaker=Speaker.CUSTOMER, text="我的卡被吞了"),), replaces=True)
    fuller = Draft(turns=(*shorter.turns, Turn(speaker=Speaker.CUSTOMER, text="里面有两万元")), replaces=True)
    assert read_all([fuller, shorter]).turns == read_all([shorter, fuller]).turns == fuller.turns
    corrected = Draft(turns=(Turn(speaker=Speaker.CUSTOMER, text="我的卡没有被吞"),), replaces=True)
    assert read_all([fuller, corrected]).turns == corrected.turns


def test_quoted_words_of_others_are_kept_as_a_turn_that_is_not_the_customers() -> None:
    complaint = read("请处理", quoted="-----原始邮件-----\n我叫李雷，电话13911112222")
    assert complaint.turns[-1].speaker is Speaker.SYSTEM
    assert complaint.complainant.phones == ()


def test_the_same_attachment_counts_once_and_its_type_is_told_by_its_bytes() -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(20)
    first = Attachment(name="../../etc/a.jpg", media_type="image/jpeg", content=png)
    (described,) = read("见图", attachments=(first, first)).attachments
    assert described.media_type == "image/png"
    assert "/" not in described.name
    assert described.size == len(png)


HOSTILE = (
    "1" * 12,
    "一万",
    "我叫王",
    "密码是",
    "2026年1",
    "abc@def.",
    "（",
    "姓王的经理",
    "<a>",
    "请处理。",
    "١٢",
    "１３８",
    " ",
    "\n",
    "-1",
)


def count_lines(text: str) -> int:
    """Python lines and calls run while reading: grows with the work, whatever the machine does meanwhile."""
    seen = 0

    def trace(_frame: object, _event: str, _arg: object) -> object:
        nonlocal seen
        seen += 1
        return trace

    sys.settrace(trace)  # type: ignore[arg-type]
    try:
        read(text)
    finally:
        sys.settrace(None)
    return seen


def test_the_work_grows_with_the_text_and_not_with_its_square() -> None:
    read("warm")
    for piece in HOSTILE:
        short, long = count_lines(piece * 500), count_lines(piece * 4_000)
        assert long <= short * 24 + 20_000, f"{piece!r}: {short} -> {long}"


# --- limits of attachments -----------------------------------------------------------------------------------------


def test_both_what_the_sender_said_and_what_the_bytes_show_are_known() -> None:
    program = Attachment(name="回单.jpg", media_type="image/JPEG; name=x", content=b"MZ\x90\x00" + bytes(99))
    (described,) = read("见图", attachments=(program,)).attachments
    assert (described.declared_type, described.media_type) == ("image/jpeg", "application/x-msdownload")


def test_a_file_over_the_limit_is_listed_with_a_note_and_the_complaint_goes_on() -> None:
    limits = AttachmentSettings(file_bytes=2_000, complaint_bytes=3_000)
    files = [Attachment(name=f"{size}.bin", media_type="a/b", content=bytes(size)) for size in (2_001, 900, 99, 1)]
    listed = describe_attachments([Draft(text="见附件", attachments=tuple(files))], limits)
    assert [(each.size, each.note) for each in listed.references] == [
        (2_001, "too_large"),
        (900, ""),
        (99, ""),
        (1, "beyond_total"),
    ]
    assert [each.may_leave(scanning=False) for each in listed.references] == [False, True, True, False]


def test_of_a_thousand_small_files_so_many_are_listed_and_the_others_counted() -> None:
    files = [Attachment(name="x", media_type="a/b", content=str(number).encode()) for number in range(1_000)]
    drafts = [Draft(attachments=tuple(files)), Draft(attachments=tuple(files))]
    listed = describe_attachments(drafts, AttachmentSettings(count=50))
    assert (len(listed.references), listed.left_out) == (50, 950)


@pytest.mark.parametrize(
    ("scan", "scanning", "may"),
    [
        ("", False, True),
        ("", True, False),
        ("clean", True, True),
        ("unscanned scan_unreachable", True, True),
        ("infected Eicar", True, False),
        ("infected Eicar", False, False),
    ],
)
def test_what_is_infected_or_waits_for_the_scanner_is_not_handed_on(scan: str, scanning: bool, may: bool) -> None:
    reference = AttachmentRef(name="a", media_type="a/b", size=1, sha256="0" * 64, scan=scan)
    assert reference.may_leave(scanning=scanning) is may
