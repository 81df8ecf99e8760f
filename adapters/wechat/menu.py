"""The menu under the conversation: complain, ask how far it is, reach a person.

Source: developers.weixin.qq.com/doc/offiaccount/Custom_Menus/Creating_Custom-Defined_Menu.html: one to three buttons,
each with up to five below it; names of at most 16 and 60 bytes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.wechat.calling import Client
from gateway.contract.complaint import Kind

CHOICES: Mapping[str, Kind] = {f"huiyin.{kind}": kind for kind in Kind}
"""Event key of a menu entry -> the kind of the message that comes next."""
PROGRESS, PEOPLE = "huiyin.progress", "huiyin.people"
"""Event keys of the two other entries. A menu of the bank's own may use all of them."""

PATH = "/cgi-bin/menu/create"
LIMIT_BUTTONS, LIMIT_BELOW = 3, 5
LIMIT_NAME_BYTES, LIMIT_NAME_BELOW_BYTES = 16, 60


def _click(name: str, key: str) -> dict[str, Any]:
    return {"type": "click", "name": name, "key": key}


DEFAULT: Sequence[Mapping[str, Any]] = (
    {
        "name": "我要反映",
        "sub_button": [
            _click("投诉", "huiyin.complaint"),
            _click("建议", "huiyin.suggestion"),
            _click("表扬", "huiyin.praise"),
            _click("咨询", "huiyin.inquiry"),
        ],
    },
    _click("查询进度", PROGRESS),
    _click("人工服务", PEOPLE),
)


def check_menu(buttons: Sequence[Mapping[str, Any]]) -> None:
    """Raises ValueError for what WeChat would not take."""
    if not 1 <= len(buttons) <= LIMIT_BUTTONS:
        raise ValueError(f"a menu has 1 to {LIMIT_BUTTONS} buttons")
    for button in buttons:
        _check_name(button, LIMIT_NAME_BYTES)
        below = button.get("sub_button", [])
        if not isinstance(below, list) or len(below) > LIMIT_BELOW:
            raise ValueError(f"a button has at most {LIMIT_BELOW} below it (sub_button)")
        for entry in below:
            if not isinstance(entry, Mapping) or entry.get("sub_button"):
                raise ValueError("entries of sub_button are buttons without further ones below")
            _check_name(entry, LIMIT_NAME_BELOW_BYTES)
        for entry in below or [button]:
            if not entry.get("type"):
                raise ValueError("a button without sub_button needs a type, such as click or view")
            if entry["type"] == "click" and not entry.get("key"):
                raise ValueError("a click button needs a key")


def _check_name(button: Mapping[str, Any], limit_bytes: int) -> None:
    name = button.get("name")
    if not isinstance(name, str) or not 1 <= len(name.encode()) <= limit_bytes:
        raise ValueError(f"the name of a button has 1 to {limit_bytes} bytes (a Chinese character has three)")


def write_menu(buttons: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"button": [dict(button) for button in buttons or DEFAULT]}


async def create_menu(client: Client, buttons: Sequence[Mapping[str, Any]]) -> None:
    """Puts the menu in place of the one before; followers see it when they open the account again, within a day."""
    await client.call(PATH, write_menu(buttons))
