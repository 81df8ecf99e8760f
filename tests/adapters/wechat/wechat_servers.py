"""The simulated WeChat server with a clock that a test moves, and our own parts pointed at it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from adapters.wechat.channel import WeChatChannel, open_channel
from adapters.wechat.notice import WeChatNotifier, open_notice
from adapters.wechat.settings import ChannelSettings, NoticeSettings
from adapters.wechat.simulation import Account, WeChat, open_wechat
from gateway.contract.clock import Millis
from gateway.contract.draft import Address, AddressKind
from gateway.contract.ports import Notice, Purpose
from gateway.contract.receipt import Receipt
from tests.contract.house import ManualClock, make_house

OPENID = "oia2TjuEGTNoeX76QEjQNrcURxG8"
RECEIPT = Receipt("471108154242")
TEMPLATE = "ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY"
TEMPLATE_FIELDS = {"character_string1": "{receipt}", "time2": "{time}", "thing3": "有新进展"}
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(256)) * 40
AMR = b"#!AMR\n" + bytes(range(1, 200)) * 5
MP4 = b"\x00\x00\x00\x20ftypisom" + bytes(range(256)) * 300


@asynccontextmanager
async def serving(clock: ManualClock | None = None) -> AsyncIterator[tuple[WeChat, ManualClock]]:
    clock = clock or ManualClock()
    account = Account(templates={TEMPLATE: tuple(TEMPLATE_FIELDS)}, now_ms=clock.now_ms)
    async with open_wechat(account) as wechat:
        yield wechat, clock


def describe_account(wechat: WeChat, **changes: object) -> dict[str, Any]:
    account = wechat.account
    return {"appid": account.appid, "secret": account.secret, "api_url": wechat.url, **changes}


def make_channel(wechat: WeChat, clock: ManualClock, folder: Path, **changes: object) -> WeChatChannel:
    account = wechat.account
    settings = ChannelSettings.model_validate(
        describe_account(wechat, tokens=[account.callback_token], aes_keys=[account.encoding_aes_key], **changes)
    )
    return open_channel("gzh", settings, make_house(folder, clock))


def make_notifier(wechat: WeChat, clock: ManualClock, folder: Path, **changes: object) -> WeChatNotifier:
    settings = NoticeSettings.model_validate(describe_account(wechat, **changes))
    return open_notice("wx", settings, make_house(folder, clock))


def make_template_notifier(
    wechat: WeChat, clock: ManualClock, folder: Path, way: str = "template", **changes: object
) -> WeChatNotifier:
    values: dict[str, Any] = {"template_id": TEMPLATE, "template_fields": TEMPLATE_FIELDS, **changes}
    return make_notifier(wechat, clock, folder, way=way, **values)


def make_notice(openid: str = OPENID, *, number: int = 1, **changes: Any) -> Notice:
    values: dict[str, Any] = {
        "id": f"{number:032x}",
        "purpose": Purpose.PROGRESS,
        "to": Address(AddressKind.WECHAT, openid, "gzh"),
        "subject": "您反映的问题有新进展",
        "text": "您好：您反映的问题有新进展。受理编号：4711 0815 4242",
        "receipt": RECEIPT,
        "link": "https://huiyin.bank.example/r/471108154242?k=1",
    }
    return Notice(**{**values, **changes})


def move(clock: ManualClock, seconds: float) -> Millis:
    clock.advance(round(seconds * 1000))
    return clock.now_ms()
