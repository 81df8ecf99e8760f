"""`huiyin check`, `channels`, `systems`, `migrate`, `schema`: what is set up, and whether it works."""

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping

from config.load import SettingsError
from config.settings import InstanceSettings, Settings
from gateway import plugins
from gateway.app import find_store_url, migrate_store
from gateway.commands.opening import load_settings, open_rules, opened_store
from gateway.contract.complaint import Complaint
from gateway.contract.errors import AdapterError
from gateway.contract.ports import House, Notifier, System
from gateway.store.port import StoreUnavailable
from gateway.store.rows import Standing

_SECRET_WORDS = ("key", "secret", "token", "password")


def run_check(options: argparse.Namespace) -> int:
    loaded = load_settings(options)
    settings = loaded.settings
    for key, source in sorted(loaded.sources.items()):
        print(f"{key:<40} {_show(settings, key):<40} {source}")
    house, _reader = open_rules(settings, kept_key=False)
    parties = _open_parties(settings, house)
    names = {name for name, _ in parties}
    missing = {r.notice for r in (*settings.escalation.critical, *settings.escalation.high)} - names
    if missing:
        raise SettingsError(f"settings: escalation: there is no notice {', '.join(sorted(missing))}")
    problems = asyncio.run(_reach(settings, parties)) if options.online else 0
    print("settings are good" if not problems else f"{problems} could not be reached", file=sys.stderr)
    return 1 if problems else 0


def run_channels(options: argparse.Namespace) -> int:
    settings = load_settings(options).settings
    standings = asyncio.run(_read_standings(settings))
    _list(settings.channels, "channel", standings)
    return 0


def run_systems(options: argparse.Namespace) -> int:
    settings = load_settings(options).settings
    standings = asyncio.run(_read_standings(settings))
    _list(settings.systems, "system", standings)
    _list(settings.notices, "notice", standings)
    return 0


def run_migrate(options: argparse.Namespace) -> int:
    settings = load_settings(options).settings
    print(f"{find_store_url(settings)} is at revision {migrate_store(settings)}")
    return 0


def run_schema(_options: argparse.Namespace) -> int:
    schema = Complaint.model_json_schema(by_alias=True, mode="serialization")
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "huiyin.complaint/1", **schema}
    print(json.dumps(schema, ensure_ascii=False, indent=2))
    return 0


def _open_parties(settings: Settings, house: House) -> list[tuple[str, System | Notifier]]:
    systems = [(n, plugins.open_system(n, e, house)) for n, e in settings.systems.items() if e.enabled]
    notices = [(n, plugins.open_notice(n, e, house)) for n, e in settings.notices.items() if e.enabled]
    return [*systems, *notices]


async def _reach(settings: Settings, parties: list[tuple[str, System | Notifier]]) -> int:
    problems = 0
    try:
        async with opened_store(settings) as store:
            await store.probe()
        print("store: good")
    except StoreUnavailable as error:
        problems += 1
        print(f"store: {error}")
    for name, party in parties:
        try:
            print(f"{name}: {await party.check()}")
        except AdapterError as error:
            problems += 1
            print(f"{name}: {error}")
        finally:
            await party.close()
    return problems


async def _read_standings(settings: Settings) -> list[Standing]:
    async with opened_store(settings) as store:
        return list(await store.totals())


def _list(entries: Mapping[str, InstanceSettings], door: str, standings: list[Standing]) -> None:
    for party, doors in plugins.list_parties().items():
        if door not in doors:
            continue
        instances = [(name, entry) for name, entry in entries.items() if entry.adapter == party]
        if not instances:
            print(f"{party:<12} {'-':<16} installed, not in the settings")
        for name, entry in instances:
            counts = ", ".join(f"{s.state} {s.count}" for s in standings if s.where == name and s.count)
            print(f"{party:<12} {name:<16} {'on' if entry.enabled else 'off'}; {counts or 'nothing yet'}")


def _show(settings: Settings, dotted: str) -> str:
    """The value for a person; secrets only as being set."""
    if any(word in dotted.rpartition(".")[2].lower() for word in _SECRET_WORDS):
        return "(set)"
    value: object = settings.model_dump(mode="json")
    for part in dotted.split("."):
        value = value.get(part, "") if isinstance(value, dict) else ""
    return json.dumps(value, ensure_ascii=False)
