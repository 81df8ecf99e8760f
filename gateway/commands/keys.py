"""`huiyin keys`: the keyring, and what is sealed under it. See docs/keys.md."""

import argparse
import asyncio
from datetime import UTC, datetime

from config.keys import add_key, drop_key, name_key, read_keyring
from config.settings import Settings
from gateway.commands import Refusal
from gateway.commands.opening import load_settings, opened_store
from gateway.engines import find_key_file, find_revision, open_keyring
from gateway.stages.seal import make_signer
from gateway.store.rows import MonthKey


def run_keys(options: argparse.Namespace) -> int:
    settings = load_settings(options).settings
    match options.act:
        case "new":
            _refuse_command(settings, "make a new version where its keys are kept, then run huiyin keys rewrap")
            path = find_key_file(settings)
            version = add_key(path)
            print(f"{path}: version {version} was added. Copy the file to every node, then run: huiyin keys rewrap")
        case "rewrap":
            asyncio.run(_rewrap(settings))
        case "drop":
            _refuse_command(settings, "take the version out where its keys are kept")
            asyncio.run(_drop(settings, options.version))
        case _:
            asyncio.run(_show(settings))
    return 0


async def _show(settings: Settings) -> None:
    keyring = read_keyring(find_key_file(settings), settings.keys.command)
    if keyring is None:
        raise Refusal(f"there is no key file at {find_key_file(settings)} yet; it is made at the first start")
    for version, key in sorted(keyring.keys.items()):
        print(f"master key  version {version}  {name_key(key)}{'  in use' if version == keyring.current else ''}")
    if find_revision(settings) is None:
        return
    for each in await _read_month_keys(settings):
        name = each.month or "marks"
        if each.destroyed_ms is not None:
            print(f"{name:<10}  destroyed {_write_day(each.destroyed_ms)}")
        else:
            print(f"{name:<10}  sealed with version {each.version}  made {_write_day(each.made_ms)}")


async def _rewrap(settings: Settings) -> None:
    keyring = open_keyring(settings)
    async with opened_store(settings) as store:
        count = await store.rewrap_keys()
        if fault := await store.sign_again(make_signer(keyring)):
            raise Refusal(f"{count} keys are sealed anew, but {fault}: see huiyin audit verify")
    print(f"{count} keys are sealed anew with version {keyring.current}")


async def _drop(settings: Settings, version: int) -> None:
    in_use = [each for each in await _read_month_keys(settings) if each.version == version and not each.destroyed_ms]
    if in_use:
        raise Refusal(f"version {version} still seals {len(in_use)} keys; run huiyin keys rewrap first")
    keyring = open_keyring(settings)
    async with opened_store(settings) as store:
        # A gateway that has not read the keyring anew may have begun the chain with the old one since.
        if fault := await store.sign_again(make_signer(keyring)):
            raise Refusal(f"version {version} stays, as {fault}: see huiyin audit verify")
    drop_key(find_key_file(settings), version)
    print(f"{find_key_file(settings)}: version {version} was taken out. Take it out on every node")


async def _read_month_keys(settings: Settings) -> list[MonthKey]:
    async with opened_store(settings, sealed=True) as store:
        return list(await store.read_month_keys())


def _refuse_command(settings: Settings, instead: str) -> None:
    if settings.keys.command:
        raise Refusal(f"the keys come from {settings.keys.command[0]}: {instead}")


def _write_day(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d}"
