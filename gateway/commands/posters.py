"""`huiyin qr`: branch posters with signed addresses, or codes of an official account; `huiyin menu`: its menu."""

import argparse
import asyncio
import sys
from typing import TypeVar

from config.settings import Settings
from gateway import plugins
from gateway.commands import Refusal
from gateway.commands.opening import load_settings, open_rules
from gateway.contract.errors import AdapterError
from gateway.contract.ports import Codes, House, Menus, Posters

T = TypeVar("T")


def run_qr(options: argparse.Namespace) -> int:
    settings = load_settings(options).settings
    house, _reader = open_rules(settings, kept_key=True)
    unknown = [code for code in options.branches if code not in house.branches]
    if unknown:
        raise Refusal(f"not in the branch table: {', '.join(unknown)}")
    if options.wechat:
        return _make_codes(settings, house, options)
    channel = find_posters(settings, house)
    if channel is None:
        raise Refusal('no channel has branch addresses; add one with adapter = "branch_qr"')
    if not settings.server.public_url:
        print(f"huiyin: server.public_url is not set, so these codes lead to {house.public_url}", file=sys.stderr)
    options.out.mkdir(parents=True, exist_ok=True)
    for path in channel.write_posters(options.branches, options.out, options.format):
        print(path)
    return 0


def _make_codes(settings: Settings, house: House, options: argparse.Namespace) -> int:
    channel = _find(Codes, settings, house, options.channel)  # type: ignore[type-abstract]
    if channel is None:
        raise Refusal('no channel has codes of its party; add one with adapter = "wechat"')
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        paths = asyncio.run(channel.make_codes(options.branches, options.out, options.format))
    except AdapterError as error:
        raise Refusal(str(error)) from None
    for path in paths:
        print(path)
    return 0


def run_menu(options: argparse.Namespace) -> int:
    settings = load_settings(options).settings
    house, _reader = open_rules(settings, kept_key=True)
    channel = _find(Menus, settings, house, options.channel)  # type: ignore[type-abstract]
    if channel is None:
        raise Refusal('no channel has a menu; add one with adapter = "wechat"')
    print(channel.describe_menu())
    if options.dry_run:
        return 0
    try:
        asyncio.run(channel.create_menu())
    except AdapterError as error:
        raise Refusal(str(error)) from None
    print("the menu is set; followers see it when they open the account again", file=sys.stderr)
    return 0


def find_posters(settings: Settings, house: House) -> Posters | None:
    return _find(Posters, settings, house)  # type: ignore[type-abstract]


def _find(port: type[T], settings: Settings, house: House, named: str = "") -> T | None:
    """The channel `named`, or the first that can do this."""
    for name, entry in settings.channels.items():
        if entry.enabled and named in ("", name):
            channel = plugins.open_channel(name, entry, house)
            if isinstance(channel, port):
                return channel
    return None
