"""The simulated WeChat server against a real door and store: modes, forms, the time limit and the three tries."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from wechat_servers import OPENID, describe_account, make_channel, make_notifier, move, serving

from adapters.wechat.account import AccountSettings, opened_api
from adapters.wechat.simulation import Pusher, WeChat
from adapters.wechat.simulation.account import FORCED_APART_S
from adapters.wechat.simulation.pushes import UNAVAILABLE
from gateway.contract.errors import Misconfigured
from gateway.intake.accept import Acceptance
from gateway.intake.scrub.envelope import Scrub
from gateway.intake.server import Intake
from tests.contract.house import ManualClock
from tests.keyring import mark
from tests.store.conftest import Bench, on_sqlite

FORMS = ("xml", "json")


@dataclass
class Door:
    wechat: WeChat
    clock: ManualClock
    bench: Bench
    url: str

    def open_pusher(self, **options: Any) -> Pusher:
        self.wechat.pusher = Pusher(self.wechat.account, self.url, **options)
        return self.wechat.pusher

    def count_kept(self) -> int:
        return int(self.bench.query("SELECT count(*) FROM envelopes")[0][0])


@pytest.fixture
async def door(bench: Bench, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Door]:
    """The channel's settings are the parameter of the test, if it has one."""
    clock = ManualClock()
    bench.clock = clock  # type: ignore[assignment]
    store = await bench.open()
    async with serving(clock) as (wechat, _):
        channel = make_channel(wechat, clock, tmp_path, **getattr(request, "param", {}))
        intake = Intake(
            keep_soon=Acceptance(store, Scrub(mark), lambda: None).keep_soon,
            clock=clock,
            public_url="http://127.0.0.1",
            trusted_proxies=(),
            per_minute=1000,
        )
        intake.add_channel("gzh", channel)
        runner = web.ServerRunner(intake.build_server())
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        door = Door(wechat, clock, bench, f"http://127.0.0.1:{runner.addresses[0][1]}/wechat/gzh")
        yield door
        if wechat.pusher is not None:
            await wechat.pusher.close()
        await runner.cleanup()


MODES = [("safe", {}), ("compatible", {"mode": "compatible"}), ("plain", {"mode": "plain"})]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("mode", "door"), MODES, indirect=["door"], ids=[mode for mode, _ in MODES])
async def test_every_mode_and_form_is_answered_with_a_number(door: Door, mode: Any, form: Any):
    door.open_pusher(mode=mode, form=form)
    pushed = await door.wechat.say(OPENID, "柜员机吞卡")
    assert (pushed.tries, pushed.answered) == (1, True)
    assert "受理编号" in pushed.words
    assert pushed.fields["ToUserName"] == OPENID
    assert door.count_kept() == 1


@pytest.mark.parametrize("mode", ["plain", "compatible"])
async def test_in_safe_mode_a_push_that_is_not_encrypted_is_never_taken(door: Door, mode: Any):
    """What compatible mode encrypts beside the plain words is authentic, so that one is."""
    door.open_pusher(mode=mode)
    pushed = await door.wechat.say(OPENID, "柜员机吞卡")
    assert pushed.answered is (mode == "compatible")
    assert door.count_kept() == (mode == "compatible")


async def test_an_event_is_answered_in_silence(door: Door):
    door.open_pusher()
    pushed = await door.wechat.happen(OPENID, "VIEW", EventKey="https://bank.example/")
    assert (pushed.answered, pushed.words) == (True, "")


@on_sqlite
async def test_a_slow_store_brings_retries_and_one_number_each(door: Door):
    """Another process holds the database longer than WeChat waits."""
    door.open_pusher(limit_s=0.4)
    holder = sqlite3.connect(door.bench.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    pushes = [asyncio.create_task(door.wechat.say(f"o-{number}", "排队太久")) for number in range(10)]
    await asyncio.sleep(0.7)
    holder.execute("ROLLBACK")
    holder.close()
    pushed = await asyncio.gather(*pushes)
    assert {each.tries for each in pushed} <= {2, 3}
    assert all(each.answered for each in pushed)
    assert len({each.words for each in pushed}) == 10
    assert door.count_kept() == 10


@on_sqlite
async def test_three_times_without_an_answer_the_customer_reads_that_the_account_is_away(door: Door):
    door.open_pusher(limit_s=0.2)
    holder = sqlite3.connect(door.bench.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    pushed = await door.wechat.say(OPENID, "排队太久")
    holder.execute("ROLLBACK")
    holder.close()
    assert (pushed.tries, pushed.answered, pushed.words) == (3, False, UNAVAILABLE)


# --- its API -------------------------------------------------------------------------------------------------------


async def test_a_token_stays_the_same_until_it_is_forced_and_force_is_rare(tmp_path: Path):
    async with serving() as (wechat, clock):
        account = wechat.account
        first = account.give_token(force=False)
        move(clock, 3600)
        again = account.give_token(force=False)
        assert isinstance(first, tuple)
        assert isinstance(again, tuple)
        assert (first[0], first[1], again[1]) == (again[0], 7200, 3600)
        forced = account.give_token(force=True)
        assert isinstance(forced, tuple)
        assert account.check_token(first[0]) == 40001
        assert account.give_token(force=True) == 45011
        move(clock, FORCED_APART_S)
        assert isinstance(account.give_token(force=True), tuple)


async def test_old_and_new_token_are_both_good_for_five_minutes(tmp_path: Path):
    async with serving() as (wechat, clock):
        first = wechat.account.give_token(force=False)
        assert isinstance(first, tuple)
        move(clock, 7000)
        second = wechat.account.give_token(force=False)
        assert isinstance(second, tuple)
        assert second[0] != first[0]
        assert wechat.account.check_token(first[0]) == 0
        move(clock, 201)
        assert wechat.account.check_token(first[0]) == 42001
        assert wechat.account.check_token(second[0]) == 0


async def test_codes_and_menus_are_made(tmp_path: Path):
    async with serving() as (wechat, clock):
        settings = AccountSettings.model_validate(describe_account(wechat))
        scene = {"scene_str": "BR-350100-0007"}
        async with opened_api(settings, clock) as api:
            wanted = {"action_name": "QR_LIMIT_STR_SCENE", "action_info": {"scene": scene}}
            answer = await api.call("/cgi-bin/qrcode/create", wanted)
            assert wechat.account.codes[answer["ticket"]]["action_info"] == {"scene": scene}
            await api.call("/cgi-bin/menu/create", {"button": [{"type": "click", "name": "投诉", "key": "complain"}]})
            assert wechat.account.menu is not None


async def test_without_the_secret_the_account_has_no_interface():
    settings = AccountSettings.model_validate({"appid": "wx1"})
    with pytest.raises(Misconfigured, match="wechat_no_secret"):
        async with opened_api(settings, ManualClock()):
            pass


async def test_a_stranger_without_a_token_gets_nothing(tmp_path: Path):
    async with serving() as (wechat, clock):
        media_id = wechat.account.upload(b"\xff\xd8\xff", "image/jpeg")
        async with ClientSession() as session:
            url = f"{wechat.url}/cgi-bin/media/get?media_id={media_id}&access_token=guessed"
            async with session.get(url) as response:
                assert (response.status, (await response.json())["errcode"]) == (200, 40001)
        notifier = make_notifier(wechat, clock, tmp_path)
        await notifier.check()
        await notifier.close()
