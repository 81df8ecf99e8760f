"""Words to customers, against the simulated WeChat server over loopback."""

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from wechat_servers import OPENID, TEMPLATE, make_notice, make_notifier, make_template_notifier, move, serving

from adapters._tencent.token import COOL_DOWN_S
from adapters.wechat.settings import NoticeSettings
from gateway.contract.errors import AdapterError, Misconfigured, Rejected, TryLater

CUSTOM, TEMPLATE_SEND, TOKEN = "/cgi-bin/message/custom/send", "/cgi-bin/message/template/send", "/cgi-bin/stable_token"
HOUR_S = 3600


# --- what arrives --------------------------------------------------------------------------------------------------


async def test_the_customer_reads_the_words_as_they_are(tmp_path: Path):
    async with serving() as (wechat, clock):
        wechat.account.note_words(OPENID)
        notifier = make_notifier(wechat, clock, tmp_path)
        text = '引号"和\\反斜线，还有 😡'
        assert await notifier.send(make_notice(text=text)) == f"wechat:service:{1:032x}"
        assert wechat.account.people[OPENID].telephone == [text]
        await notifier.close()


async def test_a_text_that_is_too_long_is_cut_between_two_letters(tmp_path: Path):
    async with serving() as (wechat, clock):
        wechat.account.note_words(OPENID)
        notifier = make_notifier(wechat, clock, tmp_path)
        await notifier.send(make_notice(text="长" * 2000))
        (read,) = wechat.account.people[OPENID].telephone
        assert len(read.encode()) <= 2048
        assert set(read) == {"长", "…"}
        await notifier.close()


async def test_a_template_message_carries_the_receipt_and_is_not_told_twice(tmp_path: Path):
    async with serving() as (wechat, clock):
        wechat.account.follow(OPENID)
        wechat.faults[TEMPLATE_SEND] = ["drop_after"]
        notifier = make_template_notifier(wechat, clock, tmp_path)
        with pytest.raises(TryLater) as lost:
            await notifier.send(make_notice())
        assert lost.value.uncertain
        assert await notifier.send(make_notice()) == f"wechat:{wechat.account.appid}:200000001"
        (read,) = wechat.account.people[OPENID].telephone
        assert "471108154242" in read
        assert wechat.calls[-1][1]["client_msg_id"] == f"{1:032x}"
        await notifier.close()


async def test_a_subscribed_message_needs_the_customers_leave(tmp_path: Path):
    async with serving() as (wechat, clock):
        wechat.account.follow(OPENID).subscriptions = 1
        notifier = make_template_notifier(wechat, clock, tmp_path, way="subscribe")
        assert await notifier.send(make_notice()) == f"wechat:subscribe:{1:032x}"
        assert "471108154242" in wechat.account.people[OPENID].telephone[0]
        with pytest.raises(Rejected, match="wechat_not_subscribed"):
            await notifier.send(make_notice(number=2))
        await notifier.close()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"template_id": "another"}, "wechat_bad_template"),
        ({"template_fields": {"thing1": "x"}}, "wechat_template_mismatch"),
    ],
)
@pytest.mark.parametrize("way", ["template", "subscribe"])
async def test_a_template_that_does_not_fit_is_a_matter_of_settings(
    tmp_path: Path, way: str, changes: dict[str, object], code: str
):
    async with serving() as (wechat, clock):
        wechat.account.follow(OPENID)
        notifier = make_template_notifier(wechat, clock, tmp_path, way=way, **changes)
        with pytest.raises(Misconfigured, match=code):
            await notifier.send(make_notice())
        await notifier.close()


def test_a_template_must_be_named():
    with pytest.raises(ValueError, match="template_id and template_fields are needed"):
        NoticeSettings.model_validate({"appid": "wx1", "secret": "x", "way": "template"})


# --- windows and quotas --------------------------------------------------------------------------------------------


async def test_a_window_known_to_be_closed_costs_no_call(tmp_path: Path):
    async with serving() as (wechat, clock):
        wechat.account.note_words(OPENID)
        heard = clock.now_ms()
        notifier = make_notifier(wechat, clock, tmp_path)
        move(clock, 49 * HOUR_S)
        with pytest.raises(Rejected, match="wechat_window_closed"):
            await notifier.send(make_notice(heard_at=heard))
        with pytest.raises(Rejected, match="wechat_window_used"):
            await notifier.send(make_notice(heard_at=clock.now_ms(), sent_since=5))
        assert wechat.calls == []
        await notifier.close()


async def test_what_we_do_not_know_wechat_says(tmp_path: Path):
    async with serving() as (wechat, clock):
        account = wechat.account
        notifier = make_notifier(wechat, clock, tmp_path)
        account.note_words(OPENID)
        for number in range(5):
            await notifier.send(make_notice(number=number))
        with pytest.raises(Rejected, match="wechat_window_used"):
            await notifier.send(make_notice(number=6))
        account.note_words(OPENID)
        await notifier.send(make_notice(number=7))
        move(clock, 48 * HOUR_S + 1)
        with pytest.raises(Rejected, match="wechat_window_closed"):
            await notifier.send(make_notice(number=8))
        account.people[OPENID].follows = False
        with pytest.raises(Rejected, match="wechat_not_following"):
            await notifier.send(make_notice(number=9))
        with pytest.raises(Rejected, match="wechat_bad_openid"):
            await notifier.send(make_notice("o-somebody-of-another-account", number=10))
        await notifier.close()


async def test_a_customer_of_another_account_is_not_tried(tmp_path: Path):
    async with serving() as (wechat, clock):
        notifier = make_notifier(wechat, clock, tmp_path, channel="another")
        with pytest.raises(Rejected, match="wechat_other_account"):
            await notifier.send(make_notice())
        assert wechat.calls == []


async def test_a_quota_used_up_is_for_later_and_says_when(tmp_path: Path):
    async with serving() as (wechat, clock):
        wechat.account.note_words(OPENID)
        wechat.account.daily_quota = 0
        notifier = make_notifier(wechat, clock, tmp_path)
        with pytest.raises(TryLater, match="wechat_quota") as later:
            await notifier.send(make_notice())
        assert later.value.after_s == HOUR_S
        assert not later.value.uncertain
        clock.now = 1_767_282_840_000  # 23:54 in China
        with pytest.raises(TryLater) as later:
            await notifier.send(make_notice())
        assert later.value.after_s == 361
        await notifier.close()


# --- the token -----------------------------------------------------------------------------------------------------


async def test_eight_notices_at_once_ask_for_one_token(tmp_path: Path):
    async with serving() as (wechat, clock):
        for number in range(8):
            wechat.account.note_words(f"o-{number}")
        notifier = make_notifier(wechat, clock, tmp_path)
        await asyncio.gather(*(notifier.send(make_notice(f"o-{n}", number=n)) for n in range(8)))
        assert wechat.count(TOKEN) == 1
        await notifier.close()


async def test_nodes_do_not_take_the_token_from_each_other(tmp_path: Path):
    async with serving() as (wechat, clock):
        wechat.account.note_words(OPENID)
        nodes = [make_notifier(wechat, clock, tmp_path) for _ in range(3)]
        for number, node in enumerate(nodes):
            await node.send(make_notice(number=number))
        await nodes[0].send(make_notice(number=4))
        assert wechat.account.tokens_made == 1
        assert wechat.count(CUSTOM) == 4
        for node in nodes:
            await node.close()


async def test_a_token_is_replaced_before_its_end_without_a_failed_call(tmp_path: Path):
    async with serving() as (wechat, clock):
        notifier = make_notifier(wechat, clock, tmp_path)
        for number in range(6):
            wechat.account.note_words(OPENID)
            await notifier.send(make_notice(number=number))
            move(clock, HOUR_S)
        assert wechat.count(CUSTOM) == 6
        assert wechat.account.tokens_made == 3
        await notifier.close()


@pytest.mark.parametrize("code", [40001, 40014, 42001])
async def test_a_refused_token_is_refreshed_once_and_the_notice_goes(tmp_path: Path, code: int):
    async with serving() as (wechat, clock):
        wechat.account.note_words(OPENID)
        wechat.faults[CUSTOM] = [code]
        notifier = make_notifier(wechat, clock, tmp_path)
        await notifier.send(make_notice())
        assert wechat.account.people[OPENID].sent_since == 1
        await notifier.close()


async def test_a_token_somebody_else_ended_is_replaced(tmp_path: Path):
    async with serving() as (wechat, clock):
        wechat.account.note_words(OPENID)
        notifier = make_notifier(wechat, clock, tmp_path)
        await notifier.send(make_notice(number=1))
        wechat.account.spoil_tokens()
        await notifier.send(make_notice(number=2))
        assert wechat.count(CUSTOM) == 3
        assert wechat.count(TOKEN) == 2
        await notifier.close()


async def test_a_server_that_refuses_every_token_is_not_asked_on_and_on(tmp_path: Path):
    async with serving() as (wechat, clock):
        wechat.account.note_words(OPENID)
        wechat.faults[CUSTOM] = [40001] * 100
        notifier = make_notifier(wechat, clock, tmp_path)
        for number in range(10):
            with pytest.raises(TryLater, match="wechat_token_refused"):
                await notifier.send(make_notice(number=number))
        assert wechat.count(TOKEN) == 3  # the first, and one refresh: asked for, then forced
        assert wechat.count(CUSTOM) == 2 + 9
        move(clock, COOL_DOWN_S)
        wechat.faults[CUSTOM] = [40001]
        await notifier.send(make_notice(number=11))
        await notifier.close()


async def test_wrong_settings_are_named_as_such(tmp_path: Path):
    async with serving() as (wechat, clock):
        for changes, code in (
            ({"appid": "wx-other"}, "wechat_bad_appid"),
            ({"secret": "guessed"}, "wechat_bad_secret"),
        ):
            notifier = make_notifier(wechat, clock, tmp_path, **changes)
            with pytest.raises(Misconfigured, match=code):
                await notifier.check()
            await notifier.close()
        for code, name in ((40164, "wechat_address_not_listed"), (48001, "wechat_not_authorized")):
            wechat.account.note_words(OPENID)
            wechat.faults[CUSTOM] = [code]
            notifier = make_notifier(wechat, clock, tmp_path)
            with pytest.raises(Misconfigured, match=name):
                await notifier.send(make_notice())
            await notifier.close()


# --- a server that misbehaves --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "uncertain"), [("drop", True), ("502", True), ("page", True), ("slow", True), (-1, False), (45011, False)]
)
async def test_a_failure_says_whether_the_words_may_have_arrived(tmp_path: Path, fault: object, uncertain: bool):
    async with serving() as (wechat, clock):
        wechat.account.note_words(OPENID)
        wechat.faults[CUSTOM] = [fault]  # type: ignore[list-item]
        notifier = make_notifier(wechat, clock, tmp_path, api_timeout_s=0.5)
        with pytest.raises(TryLater) as later:
            await notifier.send(make_notice())
        assert later.value.uncertain is uncertain
        await notifier.send(make_notice())
        await notifier.close()


@pytest.mark.parametrize("fault", ["drop", "502", "page", "slow", -1])
async def test_a_token_that_cannot_be_had_leaves_nothing_uncertain(tmp_path: Path, fault: object):
    async with serving() as (wechat, clock):
        wechat.faults[TOKEN] = [fault]  # type: ignore[list-item]
        notifier = make_notifier(wechat, clock, tmp_path, api_timeout_s=0.5)
        with pytest.raises(TryLater) as later:
            await notifier.send(make_notice())
        assert not later.value.uncertain
        assert wechat.count(CUSTOM) == 0
        await notifier.close()


async def test_a_server_that_is_away_took_nothing(tmp_path: Path):
    async with serving() as (wechat, clock):
        notifier = make_notifier(wechat, clock, tmp_path, api_url="http://127.0.0.1:9")
        with pytest.raises(TryLater, match="wechat_unreachable") as later:
            await notifier.send(make_notice())
        assert not later.value.uncertain
        await notifier.close()


async def test_no_failure_tells_secret_token_openid_or_words(tmp_path: Path):
    told: list[str] = []
    async with serving() as (wechat, clock):
        account = wechat.account
        account.note_words(OPENID)
        notifier = make_notifier(wechat, clock, tmp_path, api_timeout_s=0.5)
        await notifier.check()
        token = account.give_token(force=False)
        assert isinstance(token, tuple)
        with capture_logs() as logs:
            for fault in ("drop", "502", "page", "slow", "half", -1, 40003, 45015, 99999, 40001, 40001):
                wechat.faults[CUSTOM] = [fault]  # type: ignore[list-item]
                try:
                    await notifier.send(make_notice())
                except AdapterError as error:
                    told += [
                        str(error),
                        repr(error.__cause__),
                        repr(error.__context__ if not error.__suppress_context__ else None),
                    ]
        await notifier.close()
        for private in (account.secret, token[0], OPENID, "您反映的问题", TEMPLATE):
            assert private not in "".join(told) + repr(logs)
