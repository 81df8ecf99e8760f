"""Adapters by name: the machine imports a party's folder only when the settings name it.

A party is `adapters.<name>` of this distribution, or a package that announces itself under the entry point group
`huiyin.adapters`. Its modules and functions are named in `gateway.contract.ports`.
"""

import importlib
import pkgutil
from collections.abc import Container, Mapping
from functools import partial
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from config.branches import load_branches
from config.keys import Keyring
from config.load import SettingsError, validate
from config.settings import InstanceSettings, Settings
from gateway.contract.clock import Clock
from gateway.contract.ports import Channel, House, Notifier, Posters, Scanner, System, Transcriber
from gateway.contract.signing import derive_key

Door = Literal["channel", "system", "notice", "speech", "scan"]
_SETTINGS: Mapping[Door, str] = {
    "channel": "ChannelSettings",
    "system": "SystemSettings",
    "notice": "NoticeSettings",
    "speech": "SpeechSettings",
    "scan": "ScanSettings",
}


def open_house(settings: Settings, keyring: Keyring, clock: Clock, public_url: str) -> House:
    return House(
        clock=clock,
        public_url=public_url,
        data_dir=Path(settings.data_dir),
        bank_name=settings.bank.name,
        bank_hotline=settings.bank.hotline,
        timezone=settings.bank.timezone,
        branches=load_branches(settings.bank.branches),
        derive_each=partial(_derive_each, keyring),
        limits=settings.attachments,
    )


def _derive_each(keyring: Keyring, purpose: str) -> Mapping[int, bytes]:
    return {version: derive_key(key, purpose) for version, key in keyring.keys.items()}


def find_branch_link(channels: Mapping[str, Channel], branches: Container[str], code: str) -> str:
    """The signed address of a branch's page, or nothing where no channel has one."""
    for channel in channels.values():
        if isinstance(channel, Posters):
            return channel.find_branch_link(code) if code in branches else ""
    return ""


def open_channel(instance: str, entry: InstanceSettings, house: House) -> Channel:
    """Raises SettingsError, as the four below do."""
    channel: Channel = _open("channel", "channels", instance, entry, house)
    return channel


def open_system(instance: str, entry: InstanceSettings, house: House) -> System:
    system: System = _open("system", "systems", instance, entry, house)
    return system


def open_notice(instance: str, entry: InstanceSettings, house: House) -> Notifier:
    notifier: Notifier = _open("notice", "notices", instance, entry, house)
    return notifier


def open_speech(entry: InstanceSettings, house: House) -> Transcriber:
    transcriber: Transcriber = _open("speech", "", "speech", entry, house)
    return transcriber


def open_scan(entry: InstanceSettings, house: House) -> Scanner:
    scanner: Scanner = _open("scan", "", "scan", entry, house)
    return scanner


def read_channel_settings(instance: str, entry: InstanceSettings) -> Any:
    """The party's own model of the channel's settings, without opening it. Raises SettingsError."""
    module = importlib.import_module(f"{_find_package(entry.adapter)}.settings")
    return validate(module.ChannelSettings, entry.own(), f"channels.{instance}")


def find_simulation(party: str) -> Any | None:
    """The party's `simulate` module (`KINDS`, `simulate`), or None where it has none."""
    name = f"{_find_package(party)}.simulate"
    return importlib.import_module(name) if find_spec(_find_package(party)) and find_spec(name) else None


def list_parties() -> Mapping[str, frozenset[Door]]:
    """What is installed: party -> the doors it offers. Imports no vendor library."""
    shipped = find_spec("adapters")
    places = shipped.submodule_search_locations if shipped else None
    found = {module.name: f"adapters.{module.name}" for module in pkgutil.iter_modules(places)} if places else {}
    found |= {point.name: point.value for point in entry_points(group="huiyin.adapters")}
    return {
        name: frozenset(door for door in _SETTINGS if find_spec(f"{package}.{door}") is not None)
        for name, package in sorted(found.items())
    }


def _open(door: Door, section: str, instance: str, entry: InstanceSettings, house: House) -> Any:
    where = f"{section}.{instance}".removeprefix(".")
    package = _find_package(entry.adapter)
    try:
        settings_module = importlib.import_module(f"{package}.settings")
        door_module = importlib.import_module(f"{package}.{door}")
        model = getattr(settings_module, _SETTINGS[door])
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing.startswith(package):
            raise SettingsError(f"settings: {where}: there is no {door} in adapter {entry.adapter!r}") from None
        raise SettingsError(
            f"settings: {where}: adapter {entry.adapter!r} needs the package {missing!r}; "
            f"install it with: pip install 'huiyin[{entry.adapter}]'"
        ) from None
    settings = validate(model, entry.own(), where)
    return getattr(door_module, f"open_{door}")(instance, settings, house)


def _find_package(party: str) -> str:
    for point in entry_points(group="huiyin.adapters", name=party):
        return point.value
    return f"adapters.{party}"
