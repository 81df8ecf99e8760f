"""Who printed a code, and which branch it hangs in."""

import json
from pathlib import Path

import pytest

from adapters import branch_qr
from adapters.branch_qr.channel import BranchPage, open_channel
from adapters.branch_qr.settings import ChannelSettings
from adapters.branch_qr.simulator import SETTINGS
from adapters.branch_qr.tokens import Place, find_keys, make_token, read_token
from gateway.contract import signing
from gateway.contract.call import Reply
from gateway.contract.errors import Refused
from gateway.contract.pages.languages import TEXTS
from gateway.contract.ports import House
from tests.contract.house import make_house
from tests.pages.calls import make_call

KEYS = {1: b"the first key", 2: b"the second key"}
HOUSE = make_house(Path("unused"))
SAMPLES = Path(branch_qr.__file__).parent / "samples"


def open_branch(house: House = HOUSE, **settings: object) -> BranchPage:
    return open_channel("branch", ChannelSettings.model_validate(SETTINGS | settings), house)


def find_token(channel: BranchPage, code: str = "F0591001") -> str:
    return channel.find_branch_link(code).rpartition("/")[2]


def show(channel: BranchPage, token: str) -> str:
    answer = channel.receive(make_call(f"/b/{token}"))
    assert isinstance(answer, Reply)
    return answer.body.decode()


def refuse(channel: BranchPage, token: str) -> tuple[Refused, str]:
    """-> (the refusal, the page that the customer sees)."""
    call = make_call(f"/b/{token}")
    with pytest.raises(Refused) as caught:
        channel.receive(call)
    page = channel.refuse(call, caught.value)
    assert page is not None
    assert page.status == caught.value.status
    return caught.value, page.body.decode()


def test_a_code_says_branch_counter_and_key() -> None:
    token = make_token(KEYS, "BR-350100-0007", "三号窗口", version=1)
    assert read_token(KEYS, token) == Place("BR-350100-0007", "三号窗口", 1)


def test_new_codes_are_signed_with_the_newest_key_and_old_ones_stay_good() -> None:
    assert read_token(KEYS, make_token(KEYS, "A")).version == 2
    assert read_token(KEYS, make_token({1: KEYS[1]}, "A")).version == 1


def test_a_code_that_hangs_on_a_counter_today_is_read_the_same_for_ever() -> None:
    printed = json.loads((SAMPLES / "submissions.in.json").read_text("utf-8"))[0]["t"]
    keys = {1: b"test-key-branch-qr"}
    assert read_token(keys, printed) == Place("BR-350100-0007", "counter-03", 1)
    assert make_token(keys, "BR-350100-0007", "counter-03") == printed


def test_no_single_changed_character_of_a_code_is_taken() -> None:
    token = make_token(KEYS, "F0591001", "3")
    for position in range(len(token)):
        # The last character of base64 carries unused bits; the signature is compared as text, so even those count.
        other = "A" if token[position] != "A" else "B"
        with pytest.raises(Refused):
            read_token(KEYS, token[:position] + other + token[position + 1 :])


def test_the_key_version_inside_a_code_does_not_choose_the_key() -> None:
    payload = signing.encode(json.dumps({"b": "F0591001", "k": "", "v": 2}).encode())
    signed_by_first = f"qr1.{payload}.{signing.sign(KEYS[1], f'qr1.{payload}'.encode())}"
    assert read_token(KEYS, signed_by_first).version == 1


@pytest.mark.parametrize(
    "token", ["", "nonsense", "qr1", "qr1.", "qr1..", "qr2.a.b", "qr1." + "a" * 600, "二维码", "%00"]
)
def test_what_is_no_code_leads_to_a_page_with_words_and_the_hotline(token: str) -> None:
    error, page = refuse(open_branch(), token)
    assert error.status == 404
    assert TEXTS["zh-Hans"].say("wrong", "title_code") in page
    assert 'href="tel:95561"' in page


def test_a_code_signed_by_somebody_else_leads_to_the_same_words() -> None:
    error, page = refuse(open_branch(), make_token({2: b"somebody else"}, "F0591001"))
    assert error.status == 403
    assert TEXTS["zh-Hans"].say("wrong", "title_code") in page


def test_a_withdrawn_branch_or_key_closes_its_codes_and_no_others() -> None:
    old, new = make_token(KEYS, "F0591001", version=1), make_token(KEYS, "F0591001")
    keys = {str(version): key.decode() for version, key in KEYS.items()}
    for channel, closed, good in (
        (open_branch(keys=keys, revoked_keys=[1]), old, new),
        (open_branch(keys=keys, revoked_branches=["SH-021-0003"]), make_token(KEYS, "SH-021-0003"), old),
    ):
        error, page = refuse(channel, closed)
        assert (error.code, error.status) == ("code_revoked", 404)
        assert TEXTS["zh-Hans"].say("wrong", "code") in page
        assert TEXTS["zh-Hans"].say("form", "lead") in show(channel, good)


def test_a_printed_code_of_a_branch_that_left_the_table_still_opens_the_form() -> None:
    channel = open_branch(keys={"1": KEYS[1].decode()})
    assert "CLOSED-9" in show(channel, make_token({1: KEYS[1]}, "CLOSED-9"))


def test_without_keys_of_its_own_the_house_signs_and_another_house_does_not_know_the_code() -> None:
    ours, theirs = find_keys(ChannelSettings(), HOUSE), {1: bytes(32)}
    token = make_token(ours, "F0591001")
    assert read_token(ours, token).branch == "F0591001"
    with pytest.raises(Refused, match="code_forged"):
        read_token(theirs, token)


def test_a_signature_is_compared_with_every_key_and_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[int, int]] = []
    real = signing.hmac.compare_digest

    def watch(one: bytes, two: bytes) -> bool:
        compared.append((len(one), len(two)))
        return real(one, two)

    monkeypatch.setattr(signing.hmac, "compare_digest", watch)
    read_token(KEYS, make_token(KEYS, "F0591001"))
    read_token(KEYS, make_token(KEYS, "F0591001", version=1))
    assert len(compared) == 4
    assert all(one == two for one, two in compared)


def test_a_link_is_asked_only_for_branches_of_the_table() -> None:
    with pytest.raises(KeyError):
        open_branch().find_branch_link("NOWHERE")
    assert read_token({2: b"test-key-branch-qr-2"}, find_token(open_branch())).branch == "F0591001"
