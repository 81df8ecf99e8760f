"""The menu and the printed codes of the account. The only double is WeChat's interface."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from PIL import Image
from pydantic import ValidationError

from adapters._tencent.messages import Message
from adapters.wechat.channel import WeChatChannel
from adapters.wechat.intent import Wish, read_intent
from adapters.wechat.menu import DEFAULT, check_menu
from adapters.wechat.settings import ChannelSettings
from adapters.wechat.simulator import SETTINGS
from config.branches import BranchEntry
from gateway.contract.errors import Misconfigured, Rejected
from gateway.contract.ports import Codes, Menus, Posters
from tests.contract.house import make_house
from tests.running import run_cli, write_config

ADDRESS = "http://weixin.qq.com/q/02abcDEF"


@dataclass
class Interface:
    """Answers each call in turn, and is left again after its use."""

    answers: list[dict[str, Any]] = field(default_factory=list)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    open: int = 0

    async def call(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        self.calls.append((path, body))
        return self.answers.pop(0)

    @asynccontextmanager
    async def reach(self) -> AsyncIterator["Interface"]:
        self.open += 1
        yield self
        self.open -= 1


def open_account(interface: Interface | None, tmp_path: Path, **changes: object) -> WeChatChannel:
    settings = ChannelSettings.model_validate({**SETTINGS, **changes})
    return WeChatChannel("gzh", settings, make_house(tmp_path), interface.reach if interface else None)


class TestMenu:
    async def test_it_is_set_as_it_is_described(self, tmp_path):
        interface = Interface([{"errcode": 0, "errmsg": "ok"}])
        channel = open_account(interface, tmp_path)
        assert isinstance(channel, Menus)
        await channel.create_menu()
        assert interface.calls == [("/cgi-bin/menu/create", json.loads(channel.describe_menu()))]
        assert interface.open == 0

    def test_every_entry_of_the_shipped_menu_is_understood_and_taken_by_wechat(self):
        settings = ChannelSettings.model_validate(SETTINGS)
        check_menu(DEFAULT)
        entries = [entry for button in DEFAULT for entry in button.get("sub_button", [button])]
        wishes = set()
        for entry in entries:
            event = {"MsgType": "event", "Event": "CLICK", "EventKey": entry["key"]}
            wishes.add(read_intent(Message("xml", event), settings).wish)
        assert wishes == {Wish.CHOOSE, Wish.ASK, Wish.PEOPLE}

    async def test_the_banks_own_menu_goes_before_ours(self, tmp_path):
        menu = [{"type": "view", "name": "官网", "url": "https://bank.example"}]
        interface = Interface([{}])
        await open_account(interface, tmp_path, menu=menu).create_menu()
        assert interface.calls == [("/cgi-bin/menu/create", {"button": menu})]

    @pytest.mark.parametrize(
        "menu",
        [
            [{"name": "一", "type": "click", "key": "k"}] * 4,
            [{"name": "六个汉字太长了", "type": "click", "key": "k"}],
            [{"name": "", "type": "click", "key": "k"}],
            [{"type": "click", "key": "k"}],
            [{"name": "一", "type": "click"}],
            [{"name": "一"}],
            [{"name": "一", "sub_button": [{"name": "二", "type": "view"}] * 6}],
            [{"name": "一", "sub_button": [{"name": "二", "sub_button": [{"name": "三", "type": "view"}]}]}],
            [{"name": "一", "sub_button": [{"name": "二" * 21, "type": "view"}]}],
            [{"name": "一", "sub_button": "二"}],
            [{"name": "一", "sub_button": ["二"]}],
        ],
    )
    def test_a_menu_that_wechat_would_not_take_is_refused_at_the_start(self, menu):
        with pytest.raises(ValidationError, match="menu"):
            ChannelSettings.model_validate({**SETTINGS, "menu": menu})

    async def test_without_access_it_says_what_is_missing(self, tmp_path):
        with pytest.raises(Misconfigured, match="AppSecret"):
            await open_account(None, tmp_path).create_menu()


class TestCodes:
    async def test_each_branch_gets_its_scene_and_the_print_reads_back(self, tmp_path):
        interface = Interface([{"ticket": "t", "url": ADDRESS}, {"ticket": "t", "url": ADDRESS + "2"}])
        channel = open_account(interface, tmp_path)
        assert isinstance(channel, Codes)
        assert not isinstance(channel, Posters), "huiyin qr without --wechat prints the branch page"
        paths = await channel.make_codes(["F0591001", "BR-350100-0007"], tmp_path, ["png", "svg"])
        assert [path.name for path in paths] == [
            "F0591001.wechat.png",
            "F0591001.wechat.svg",
            "BR-350100-0007.wechat.png",
            "BR-350100-0007.wechat.svg",
        ]
        assert zxingcpp.read_barcode(Image.open(paths[0])).text == ADDRESS
        assert zxingcpp.read_barcode(Image.open(paths[2])).text == ADDRESS + "2"
        path, wanted = interface.calls[0]
        assert path == "/cgi-bin/qrcode/create"
        assert wanted == {
            "action_name": "QR_LIMIT_STR_SCENE",
            "action_info": {"scene": {"scene_str": "branch:F0591001"}},
        }
        scene = wanted["action_info"]["scene"]["scene_str"]
        event = {"MsgType": "event", "Event": "SCAN", "EventKey": scene}
        assert read_intent(Message("xml", event), ChannelSettings.model_validate(SETTINGS)).branch == "F0591001"

    @pytest.mark.parametrize("answer", [{}, {"url": 7}, {"url": "javascript:alert(1)"}])
    async def test_an_answer_without_an_address_is_refused(self, tmp_path, answer):
        with pytest.raises(Rejected, match="wechat_no_code"):
            await open_account(Interface([answer]), tmp_path).make_codes(["F0591001"], tmp_path, ["png"])

    async def test_a_branch_that_is_not_in_the_table_or_cannot_be_a_scene_makes_no_call(self, tmp_path):
        interface = Interface()
        channel = open_account(interface, tmp_path)
        with pytest.raises(KeyError):
            await channel.make_codes(["F0591001", "nowhere"], tmp_path, ["png"])
        bank = make_house(tmp_path)
        long = "9" * 60
        odd = {**bank.branches, "a b": BranchEntry("a b", "x"), long: BranchEntry(long, "x")}
        for code in ("a b", long):
            settings = ChannelSettings.model_validate(SETTINGS)
            channel = WeChatChannel("gzh", settings, replace(bank, branches=odd), interface.reach)
            with pytest.raises(Rejected, match="wechat_bad_scene"):
                await channel.make_codes([code], tmp_path, ["png"])
        assert interface.calls == []


class TestCommands:
    """`huiyin menu` and `huiyin qr --wechat` as a user calls them, on an account without an AppSecret."""

    @pytest.fixture
    def config(self, tmp_path):
        table = tmp_path / "branches.csv"
        table.write_text("code,name\nF0591001,福州五一支行\n", "utf-8")
        account = "".join(f"{key} = {json.dumps(value)}\n" for key, value in SETTINGS.items())
        text = f'[bank]\nbranches = "{table}"\n[channels.gzh]\nadapter = "wechat"\n{account}'
        return write_config(tmp_path, text)

    def test_the_menu_is_printed_and_nothing_is_set_in_a_dry_run(self, config, tmp_path):
        done = run_cli("menu", "--dry-run", "--config", str(config), "--data", str(tmp_path))
        assert done.returncode == 0
        assert [button["name"] for button in json.loads(done.stdout)["button"]] == ["我要反映", "查询进度", "人工服务"]

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("menu",), "AppSecret"),
            (("menu", "other"), "no channel has a menu"),
            (("qr", "F0591001", "--wechat"), "AppSecret"),
            (("qr", "F0591001", "--wechat", "--channel", "other"), "no channel has codes"),
            (("qr", "nowhere", "--wechat"), "nowhere"),
        ],
    )
    def test_what_cannot_be_done_is_said_in_one_line(self, config, tmp_path, arguments, said):
        done = run_cli(*arguments, "--config", str(config), "--data", str(tmp_path))
        assert done.returncode == 1
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1
