import pytest

from gateway.contract.clock import Millis
from gateway.contract.errors import (
    AdapterError,
    AlreadyThere,
    Ignored,
    Misconfigured,
    Refused,
    Rejected,
    TryLater,
    Unreadable,
)
from gateway.contract.ports import Delivered, Event
from gateway.contract.receipt import Receipt
from gateway.contract.verdict import Level
from gateway.stages.settle import BUG_CEILING, LONGEST_PAUSE_S, MISCONFIGURED_PAUSE_S, find_pause, settle
from gateway.states import DUTY_MOVES, DutyState
from gateway.store.rows import Duty, Target

NOW = Millis(1_750_000_000_000)


def make_duty(*, attempts: int = 1, uncertain: bool = False) -> Duty:
    return Duty(
        id="d", claim=1, target=Target.SYSTEM, instance="tracker", step="create", event=Event.REGISTERED, to="",
        complaint_id="c", receipt=Receipt("471108154243"), version=1, level=Level.NORMAL, attempts=attempts,
        uncertain=uncertain, ticket=None, created_ms=NOW, document=b"{}",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("outcome", "state", "code", "ticket", "uncertain"),
    [
        (Delivered("T-1", "ref"), DutyState.DONE, "", "T-1", False),
        (Delivered(), DutyState.DONE, "", None, False),
        (AlreadyThere("seen", ticket="T-2"), DutyState.DONE, "seen", "T-2", False),
        (TryLater("http_503"), DutyState.WAITING, "http_503", None, False),
        (TryLater("timeout", uncertain=True), DutyState.WAITING, "timeout", None, True),
        (Misconfigured("key_refused"), DutyState.WAITING, "key_refused", None, False),
        (Rejected("too_long"), DutyState.PARKED, "too_long", None, False),
        (Unreadable("no_draft"), DutyState.PARKED, "no_draft", None, False),
        (Ignored("not_mine"), DutyState.PARKED, "not_mine", None, False),
        (Refused("wrong_door"), DutyState.PARKED, "wrong_door", None, False),
        (AdapterError("unnamed"), DutyState.PARKED, "unnamed", None, False),
        (ZeroDivisionError("13800138000"), DutyState.WAITING, "bug_ZeroDivisionError", None, True),
        (ConnectionResetError(), DutyState.WAITING, "bug_ConnectionResetError", None, True),
    ],
)
def test_every_outcome_of_an_attempt_has_its_state(
    outcome: Delivered | Exception, state: DutyState, code: str, ticket: str | None, uncertain: bool
):
    settled = settle(make_duty(), outcome, NOW)
    assert (settled.state, settled.code, settled.ticket) == (state, code, ticket)
    assert settled.uncertain is uncertain
    assert "13800138000" not in settled.detail
    assert (settled.due_ms > NOW) == (state is DutyState.WAITING)
    assert state is DutyState.WAITING or (DutyState.WAITING, state) in DUTY_MOVES


def test_the_table_above_knows_every_named_failure():
    named = {cls.__name__ for cls in AdapterError.__subclasses__()}
    marks = test_every_outcome_of_an_attempt_has_its_state.pytestmark  # type: ignore[attr-defined]
    assert named == {type(row[0]).__name__ for row in marks[0].args[1] if isinstance(row[0], AdapterError)} - {
        "AdapterError"
    }


def test_a_doubt_sticks_until_the_duty_is_done():
    for outcome in (TryLater("http_503"), Misconfigured("key_refused"), ZeroDivisionError()):
        assert settle(make_duty(uncertain=True), outcome, NOW).uncertain


def test_the_pause_doubles_from_a_second_to_five_minutes_and_never_grows_further():
    longest = [max(find_pause(attempts) for _ in range(200)) for attempts in range(1, 30)]
    shortest = [min(find_pause(attempts) for _ in range(200)) for attempts in range(1, 30)]
    for attempts, (low, high) in enumerate(zip(shortest, longest, strict=True), 1):
        full = min(LONGEST_PAUSE_S, 2.0**attempts)
        assert full / 2 <= low <= high <= full
        assert high > low, "spread, so that all do not come back at once"
    assert find_pause(10**6) <= LONGEST_PAUSE_S


def test_a_system_is_never_given_up_however_often_it_fails():
    for attempts in (1, BUG_CEILING, 10_000):
        for outcome in (TryLater("http_503"), Misconfigured("key_refused")):
            settled = settle(make_duty(attempts=attempts), outcome, NOW)
            assert settled.state is DutyState.WAITING
            assert settled.due_ms <= NOW + LONGEST_PAUSE_S * 1000


def test_what_the_other_side_asks_for_is_kept_to_where_it_is_longer():
    assert settle(make_duty(), TryLater("busy", after_s=1200), NOW).due_ms == NOW + 1_200_000
    assert settle(make_duty(attempts=20), TryLater("busy", after_s=1), NOW).due_ms >= NOW + LONGEST_PAUSE_S * 500
    assert settle(make_duty(), Misconfigured("key_refused"), NOW).due_ms == NOW + MISCONFIGURED_PAUSE_S * 1000


def test_a_bug_is_tried_to_a_ceiling_and_then_parked():
    states = [settle(make_duty(attempts=n), ZeroDivisionError(), NOW).state for n in range(1, BUG_CEILING + 2)]
    assert states == [DutyState.WAITING] * (BUG_CEILING - 1) + [DutyState.PARKED] * 2


@pytest.mark.parametrize("failure", [Rejected, TryLater, Misconfigured, Ignored])
def test_a_secret_in_the_words_of_a_failure_is_not_kept(failure: type[AdapterError]) -> None:
    settled = settle(make_duty(), failure("refused", "The tracker said: 验证码是483920"), NOW)
    assert settled.detail == "The tracker said: 验证码是[已删除:验证码]"
