"""`huiyin retain`: forget what was kept long enough, as the sweep does by itself."""

import argparse
import asyncio

from config.settings import Settings
from gateway.commands.opening import load_settings, opened_store
from gateway.commands.people import who
from gateway.engines import open_blobs
from gateway.ops.time import SystemClock
from gateway.stages.retain import Retain, say_holds
from gateway.store.rows import KeptMonth


def run_retain(options: argparse.Namespace) -> int:
    settings = load_settings(options).settings
    if not settings.retention.keep:
        print("everything is kept for ever: the settings name no [retention] keep")
        return 0
    return asyncio.run(_retain(settings, dry=options.dry_run))


async def _retain(settings: Settings, *, dry: bool) -> int:
    held = count = 0
    async with opened_store(settings) as store:
        keep_months = settings.retention.keep
        retain = Retain(store, SystemClock(), open_blobs(settings, store), keep_months=keep_months, by=who())
        async for month in retain.find_due():
            outcome = month if dry else await retain.forget(month)
            print(f"{month.name}  {month.envelopes:,} envelopes, {month.complaints:,} complaints: {_say(outcome, dry)}")
            held += bool(outcome.holds)
            count += 1
    if not count:
        print("nothing was kept so long")
    return 1 if held else 0


def _say(month: KeptMonth, dry: bool) -> str:
    if month.holds:
        return f"kept because of {say_holds(month)}"
    return "would be forgotten" if dry else "forgotten"
