"""`huiyin export`: the book of a system of record that only the house can read."""

import argparse
import asyncio
import io
import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from config.settings import Settings
from gateway import plugins
from gateway.commands import Refusal
from gateway.commands.opening import load_settings, open_rules, opened_store
from gateway.contract.errors import AdapterError
from gateway.contract.ports import Book, House
from gateway.contract.receipt import parse_receipt
from gateway.stages import wrapping


def run_export(options: argparse.Namespace) -> int:
    receipt = parse_receipt(options.receipt) if options.receipt else ""
    if receipt is None:
        raise Refusal("that is no receipt number: it has twelve digits and the last one checks the others")
    settings = load_settings(options).settings
    if options.system not in settings.systems:
        raise Refusal(f"there is no system {options.system!r} in the settings")
    house, _ = open_rules(settings, kept_key=True)
    out = io.StringIO(newline="")
    try:
        count = asyncio.run(_export(settings, house, options.system, out, receipt))
    except AdapterError as error:
        raise Refusal(str(error)) from None
    if receipt and not count:
        raise Refusal(f"there is no entry under {receipt}")
    _write(options.out, out.getvalue().encode("utf-8-sig"))
    return 0


async def _export(settings: Settings, house: House, name: str, out: io.StringIO, receipt: str) -> int:
    async with opened_store(settings) as store:
        house = replace(house, seal=partial(wrapping.seal, store), unseal=partial(wrapping.unseal, store))
        system = plugins.open_system(name, settings.systems[name], house)
        try:
            if not isinstance(system, Book):
                raise Refusal(f"system {name} keeps no book here; look at it there")
            return await system.export(out, receipt)
        finally:
            await system.close()


def _write(place: Path | None, content: bytes) -> None:
    """To a file that only its owner may read: it holds names and words in clear."""
    if place is None:
        sys.stdout.buffer.write(content)
        return
    try:
        with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            stream.write(content)
    except OSError as error:
        raise Refusal(f"{place} cannot be written: {error.strerror}") from None
