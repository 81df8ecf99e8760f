"""What the commands have in common: settings from the options, an open store, a reader, files named by a user."""

import argparse
import io
import os
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from config.demo import make_demo
from config.keys import KEY_BYTES, Keyring
from config.load import Loaded, load
from config.settings import Settings
from gateway import plugins
from gateway.commands import Refusal
from gateway.contract.ports import Files, House
from gateway.engines import find_revision, find_store_url, open_keyring, open_store
from gateway.ops.time import SystemClock
from gateway.plugins import open_channel
from gateway.stages.reading import Reader, open_reader
from gateway.store.port import Store

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
async def opened_store(settings: Settings, *, sealed: bool = False) -> AsyncIterator[Store]:
    """`sealed`: without the keyring. Raises Refusal where there is none, StoreUnavailable where it cannot be used."""
    if find_revision(settings) is None:
        raise Refusal(f"there is no store at {find_store_url(settings)} yet; start the gateway, or run huiyin migrate")
    store = open_store(settings, sealed=sealed)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def open_rules(settings: Settings, *, kept_key: bool) -> tuple[House, Reader]:
    """`kept_key`: with the gateway's own master key; else a dry run, which needs no key and makes no file."""
    keyring = open_keyring(settings) if kept_key else Keyring({1: bytes(KEY_BYTES)})
    server = settings.server
    public_url = server.public_url or f"http://{server.host}:{server.port}"
    house = plugins.open_house(settings, keyring, SystemClock(), public_url.rstrip("/"))
    return house, open_reader(settings, house)


def find_configured(settings: Settings, channel: str) -> str | None:
    """An instance name, or a party's: then its first instance that is on."""
    if channel in settings.channels:
        return channel
    return next((n for n, entry in settings.channels.items() if entry.enabled and entry.adapter == channel), None)


def open_files(settings: Settings, instance: str, house: House, format_name: str | None) -> Files:
    """The channel as one that reads files, in this format. Raises Refusal and SettingsError."""
    channel = open_channel(instance, settings.channels[instance], house)
    if not isinstance(channel, Files):
        raise Refusal(f"channel {instance} reads no files")
    if format_name and format_name not in channel.formats:
        raise Refusal(f"channel {instance} reads the formats {', '.join(channel.formats)}, not {format_name}")
    return channel


def list_files(names: Iterable[str]) -> Iterator[str]:
    """Files in the order given; folders in the order of their names, Maildirs by what was delivered into them."""
    for name in names:
        path = Path(name)
        if name != STDIN and path.is_dir():
            yield from map(str, _walk(path))
        else:
            yield name


def _walk(folder: Path) -> Iterator[Path]:
    # In a Maildir, `tmp` holds mails still being written, and files beside its folders are the mail server's own.
    is_maildir = (folder / "cur").is_dir() and (folder / "new").is_dir()
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if not path.is_symlink() and not (is_maildir and path.name == "tmp"):
                yield from _walk(path)
        elif not is_maildir:
            yield path


@contextmanager
def open_file(name: str) -> Iterator[BinaryIO]:
    """Raises Refusal."""
    if name == STDIN:
        yield io.BytesIO(sys.stdin.buffer.read())
        return
    try:
        stream = Path(name).open("rb")  # noqa: SIM115 - closed below; only the opening may be the user's mistake
    except OSError as error:
        raise Refusal(f"{name} cannot be read: {error.strerror}") from None
    with stream:
        yield stream
