"""`huiyin scan`: what was attached before a scanner was switched on is looked at after all."""

import argparse
import asyncio
from zoneinfo import ZoneInfo

from config.settings import Settings
from gateway.commands import Refusal
from gateway.commands.opening import load_settings, opened_store
from gateway.commands.replay import read_moment
from gateway.contract.clock import Millis
from gateway.ops.time import SystemClock
from gateway.stages.scan import owe_missed


def run_scan(options: argparse.Namespace) -> int:
    settings = load_settings(options).settings
    if settings.scan is None:
        raise Refusal("the settings name no scanner; add a section [scan]")
    since = read_moment(options.since, 0, ZoneInfo(settings.bank.timezone))
    count = asyncio.run(_scan(settings, since))
    print(f"{count} complaints have attachments that will be looked at")
    return 0


async def _scan(settings: Settings, since: Millis) -> int:
    """A running gateway looks at them; where none runs, the next one that starts does."""
    async with opened_store(settings) as store:
        return await owe_missed(store, since, SystemClock().now_ms())
