"""Drafts of one matter become one complaint; whatever a channel hands on can be read."""

import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contract.complaint import Complaint, Kind, Speaker, Turn
from gateway.contract.draft import Attachment, Draft
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
