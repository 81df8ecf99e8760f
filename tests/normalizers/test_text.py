"""Text as it is kept and as it is matched."""

from hypothesis import given
from hypothesis import strategies as st

from normalizers.text import clean, fold, plain


def test_what_nobody_can_see_is_taken_out_and_line_ends_become_one_kind() -> None:
    assert clean("我\u202e要\u0000投\u200b诉\r\n\r\n\r\n\r\n请\ufeff回电  \u2028谢谢") == "我要投诉\n\n请回电\n谢谢"


def test_what_is_part_of_a_sign_stays() -> None:
    assert clean("一家人👨‍👩‍👧，喜欢❤️") == "一家人👨‍👩‍👧，喜欢❤️"


def test_width_case_script_and_dots_inside_words_make_no_difference_to_matching() -> None:
    forms = ("自殺", "自杀", "自 杀", "自．殺", "自，杀")
    assert {fold(form, compact=True).text for form in forms} == {"自杀"}
    assert fold("ＣＶＶ　ＡＢＣ").text == "cvv abc"


def test_digits_of_any_script_are_digits_and_offsets_stay() -> None:
    words = "رقمي ٠١٢٣٤، 卡号１２３４"
    assert plain(words) == "رقمي 01234، 卡号1234"
    assert len(plain(words)) == len(words)


@given(st.text(max_size=80), st.data())
def test_every_place_in_folded_text_leads_back_to_the_character_it_came_from(text: str, data: st.DataObject) -> None:
    folded = fold(text, compact=True)
    if not folded.text:
        return
    at = data.draw(st.integers(0, len(folded.text) - 1))
    start, end = folded.span(at, at + 1)
    assert 0 <= start < end <= len(text)
    assert folded.text[at] in fold(text[start:end], compact=True).text


@given(st.text(max_size=200))
def test_cleaning_twice_changes_nothing_more_and_plain_never_moves_an_offset(text: str) -> None:
    assert clean(clean(text)) == clean(text)
    assert len(plain(text)) == len(text)
