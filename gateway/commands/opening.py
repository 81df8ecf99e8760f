"""What the commands have in common: settings from the options, an open store, a reader, files named by a user."""

import argparse
import io
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO

from config.demo import make_demo
from config.keys import read_or_make_key
from config.load import Loaded, load
from config.settings import InstanceSettings, Settings
from gateway.app import find_key_file, find_store_url, open_store
from gateway.commands import Refusal
from gateway.contract.ports import House
from gateway.ops.time import SystemClock
from gateway.stages.reading import Reader, open_house, open_reader
from gateway.store.migrate import current_revision
from gateway.store.port import Store, StoreUnavailable

STDIN = "-"


def load_settings(options: argparse.Namespace) -> Loaded:
    """`--config`, else HUIYIN_CONFIG, else the demo bank kept in the data directory, else the defaults."""
    overrides: dict[str, Any] = {}
    if options.data is not None:
        overrides["data_dir"] = str(options.data)
    server = {key: getattr(options, key, None) for key in ("host", "port")}
    if any(value is not None for value in server.values()):
        overrides["server"] = {key: value for key, value in server.items() if value is not None}
    path = options.config or (Path(os.environ["HUIYIN_CONFIG"]) if "HUIYIN_CONFIG" in os.environ else None)
    if path is None:
        data_dir = options.data or Path(os.environ.get("HUIYIN__DATA_DIR", "data"))
        demo = data_dir / "demo" / "demo.toml"
        if getattr(options, "demo", False):
            demo = make_demo(data_dir)
        path = demo if demo.exists() else None
    return load(path, os.environ, overrides)


@asynccontextmanager
async def opened_store(settings: Settings) -> AsyncIterator[Store]:
    if current_revision(find_store_url(settings)) is None:
        raise Refusal(f"there is no store at {find_store_url(settings)} yet; start the gateway, or run huiyin migrate")
    store = open_store(settings)
    try:
        await store.open()
    except StoreUnavailable as error:
        raise Refusal(str(error)) from None
    try:
        yield store
    finally:
        await store.close()


def open_rules(settings: Settings, *, kept_key: bool) -> tuple[House, Reader]:
    """`kept_key`: with the gateway's own master key; else a dry run, which needs no key and makes no file."""
    key = read_or_make_key(find_key_file(settings)) if kept_key else bytes(32)
    server = settings.server
    public_url = server.public_url or f"http://{server.host}:{server.port}"
    house = open_house(settings, key, SystemClock(), public_url.rstrip("/"))
    return house, open_reader(settings, house)


def find_instance(settings: Settings, channel: str) -> tuple[Settings, str]:
    """An instance name, or a party's: then its first instance, else one made up with the party's defaults."""
    if channel in settings.channels:
        return settings, channel
    for name, entry in settings.channels.items():
        if entry.adapter == channel:
            return settings, name
    channels = {**settings.channels, channel: InstanceSettings(adapter=channel)}
    return settings.model_copy(update={"channels": channels}), channel


def walk_files(names: list[str]) -> Iterator[tuple[str, BinaryIO]]:
    """Files in the order given, folders (Maildir too) in the order of their names. Raises Refusal."""
    for name in names:
        if name == STDIN:
            yield STDIN, io.BytesIO(sys.stdin.buffer.read())
            continue
        path = Path(name)
        if not path.exists():
            raise Refusal(f"there is no file {name}")
        for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
            with file.open("rb") as stream:
                yield str(file), stream
