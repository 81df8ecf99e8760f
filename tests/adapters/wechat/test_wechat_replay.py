"""The memory of used signatures is bounded and never mistakes a retry for a forgery."""

from hypothesis import given
from hypothesis import strategies as st

from adapters.wechat.replay import ReplayGuard


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from([b"1", b"2"]))))
def test_the_first_words_under_a_signature_are_the_only_ones(uses):
    guard, first = ReplayGuard(), {}
    for signature, content in uses:
        assert guard.admit(signature, content) is (first.setdefault(signature, content) == content)


def test_the_oldest_are_forgotten_first():
    guard = ReplayGuard(limit=3)
    for signature in "abc":
        assert guard.admit(signature, b"1")
    assert not guard.admit("a", b"2")
    assert guard.admit("d", b"1")
    assert not guard.admit("b", b"2")
    assert guard.admit("a", b"2"), "forgotten for d"
