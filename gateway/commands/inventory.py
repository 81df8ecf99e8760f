"""`huiyin check`, `channels`, `systems`, `migrate`, `schema`: what is set up, and whether it works."""

import argparse
import asyncio
import json
import re
import sys
from collections.abc import Mapping

from config.load import SettingsError
from config.settings import InstanceSettings, PromiseSettings, Settings
from gateway import plugins
from gateway.app import check_delivery, list_rungs
from gateway.commands.opening import load_settings, open_rules, opened_store
from gateway.contract.complaint import Complaint
from gateway.contract.errors import AdapterError
from gateway.contract.ports import House, Notifier, Scanner, System, Transcriber
from gateway.engines import find_revision, find_store_url, migrate_store
from gateway.ops.time import SystemClock
from gateway.states import DutyState, EnvelopeState
from gateway.store.port import StoreUnavailable
from gateway.store.rows import Standing

_SECRET_WORDS = ("key", "secret", "token", "password")
_LOGIN = re.compile(r"//[^/@\s\"]+@")
REACH_LIMIT_S = 30.0
_NAMES = {"collect": "attachments "}


def run_check(options: argparse.Namespace) -> int:
    loaded = load_settings(options)
    settings = loaded.settings
    for key, source in sorted(loaded.sources.items()):
        print(f"{key:<40} {_show(settings, key):<40} {source}")
    find_store_url(settings)
    house, _reader = open_rules(settings, kept_key=False)
    parties = _open_parties(settings, house)
    names = {name for name, _ in parties}
    missing = {rung.notice for rung in list_rungs(settings)} - names
    if missing:
        raise SettingsError(f"settings: escalation and alarms: there is no notice {', '.join(sorted(missing))}")
    check_delivery(settings, names)
    problems = asyncio.run(_reach(settings, parties)) if options.online else 0
    print("settings are good" if not problems else f"{problems} could not be reached", file=sys.stderr)
    return 1 if problems else 0


def run_channels(options: argparse.Namespace) -> int:
    settings = load_settings(options).settings
    _list(settings.channels, "channel", _read_standings(settings), settings.promises)
    return 0


def run_systems(options: argparse.Namespace) -> int:
    settings = load_settings(options).settings
    standings = _read_standings(settings)
    _list(settings.systems, "system", standings, settings.promises)
    _list(settings.notices, "notice", standings, settings.promises)
    return 0


def run_migrate(options: argparse.Namespace) -> int:
    settings = load_settings(options).settings
    print(f"{find_store_url(settings)} is at revision {migrate_store(settings)}")
    if options.restored:
        asyncio.run(_skip_numbers(settings))
        print("receipts given since the backup was made will not be given again")
    return 0


async def _skip_numbers(settings: Settings) -> None:
    async with opened_store(settings) as store:
        await store.skip_numbers()


def run_schema(_options: argparse.Namespace) -> int:
    schema = Complaint.model_json_schema(by_alias=True, mode="serialization")
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "huiyin.complaint/1", **schema}
    print(json.dumps(schema, ensure_ascii=False, indent=2))
    return 0


def _open_parties(settings: Settings, house: House) -> list[tuple[str, System | Notifier | Transcriber | Scanner]]:
    systems = [(n, plugins.open_system(n, e, house)) for n, e in settings.systems.items() if e.enabled]
    notices = [(n, plugins.open_notice(n, e, house)) for n, e in settings.notices.items() if e.enabled]
    speech = [("speech", plugins.open_speech(settings.speech, house))] if settings.speech else []
    scan = [("scan", plugins.open_scan(settings.scan, house))] if settings.scan else []
    return [*systems, *notices, *speech, *scan]


async def _reach(settings: Settings, parties: list[tuple[str, System | Notifier | Transcriber | Scanner]]) -> int:
    problems = 0
    try:
        if find_revision(settings) is None:
            print("store: there is none yet; the first start makes it")
        else:
            async with opened_store(settings) as store:
                await store.probe()
            print("store: good")
    except StoreUnavailable as error:
        problems += 1
        print(f"store: {error}")
    for name, party in parties:
        try:
            async with asyncio.timeout(REACH_LIMIT_S):
                print(f"{name}: {await party.check()}")
        except AdapterError as error:
            problems += 1
            print(f"{name}: {error}")
        except TimeoutError:
            problems += 1
            print(f"{name}: no answer within {REACH_LIMIT_S:g} s")
        finally:
            await party.close()
    return problems


def _read_standings(settings: Settings) -> list[Standing]:
    """What is finished and what is not; nothing where there is no store yet."""

    async def read() -> list[Standing]:
        async with opened_store(settings) as store:
            return list(await store.totals())

    return asyncio.run(read()) if find_revision(settings) else []


def _list(
    entries: Mapping[str, InstanceSettings], door: str, standings: list[Standing], promises: PromiseSettings
) -> None:
    now_ms = SystemClock().now_ms()
    subjects = ("envelope", "collect") if door == "channel" else (door,)
    for party, doors in plugins.list_parties().items():
        if door not in doors:
            continue
        instances = [(name, entry) for name, entry in entries.items() if entry.adapter == party]
        if not instances:
            print(f"{party:<12} {'-':<16} installed, not in the settings")
        for name, entry in instances:
            own = [s for s in standings if s.count and s.subject in subjects and s.where == name]
            counts = ", ".join(f"{_NAMES.get(s.subject, '')}{s.state} {s.count}" for s in own)
            health = _judge(own, promises, now_ms) if entry.enabled else "off"
            print(f"{party:<12} {name:<16} {health}; {counts or 'nothing yet'}")


def _judge(own: list[Standing], promises: PromiseSettings, now_ms: int) -> str:
    """`on` while every promise is kept, else what waits: as the sweep sees it, from the store alone."""
    limits: dict[tuple[str, str], int] = {
        ("envelope", EnvelopeState.ACCEPTED): promises.register_s,
        ("system", DutyState.WAITING): promises.forward_s,
        ("notice", DutyState.WAITING): promises.warn_s,
        ("collect", DutyState.WAITING): promises.collect_s,
        ("scan", DutyState.WAITING): promises.scan_s,
    }
    for standing in own:
        limit_s = limits.get((standing.subject, standing.state))
        late_s = (now_ms - (standing.oldest_ms or now_ms)) / 1000
        if limit_s is not None and late_s > limit_s:
            return f"on, but late: the oldest has waited {late_s / 60:.0f} min"
    waits = any(s.state in (EnvelopeState.SET_ASIDE, DutyState.PARKED) for s in own)
    return "on, something waits for a person (huiyin parked)" if waits else "on"


def _show(settings: Settings, dotted: str) -> str:
    """The value for a person; secrets only as being set. Files that hold secrets are shown: their names are none."""
    section, _, rest = dotted.partition(".")
    own = rest.partition(".")[2] if section in ("channels", "systems", "notices") else rest
    if section != "keys" and not own.endswith("_file") and any(word in own.lower() for word in _SECRET_WORDS):
        return "(set)"
    value: object = settings.model_dump(mode="json")
    for part in dotted.split("."):
        value = value.get(part, "") if isinstance(value, dict) else ""
    if not value and section not in ("channels", "systems", "notices") and own.endswith("_file"):
        return "(read)"  # what stands in it has taken its place
    return _LOGIN.sub("//(set)@", json.dumps(value, ensure_ascii=False))
