"""`huiyin find`: the complaints of a person, by a telephone number, a document, an e-mail address or an openid.

What is looked for is read from the standard input unless it is given: an argument stands in the shell's history and in
the list of processes.
"""

import argparse
import asyncio
import getpass
import sys
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from config.settings import Settings
from gateway.commands import Refusal
from gateway.commands.opening import load_settings, opened_store
from gateway.contract.receipt import spoken
from gateway.stages.search import read_way
from gateway.store.rows import Found


def run_find(options: argparse.Namespace) -> int:
    settings = load_settings(options).settings
    try:
        wanted = read_way(options.way, options.value or _ask(options.way))
    except ValueError:
        raise Refusal(f"that is no {options.way}") from None
    found = asyncio.run(_find(settings, wanted))
    zone = ZoneInfo(settings.bank.timezone)
    for each in found:
        day = f"{datetime.fromtimestamp(each.created_ms / 1000, zone):%Y-%m-%d %H:%M}"
        print(f"{spoken(each.receipt)}  {day}  {each.channel}  {each.kind}  {each.level}")
    if not found:
        print("nothing is found")
    return 0


async def _find(settings: Settings, wanted: str) -> Sequence[Found]:
    async with opened_store(settings) as store:
        return await store.find([wanted])


def _ask(way: str) -> str:
    return getpass.getpass(f"{way}: ") if sys.stdin.isatty() else sys.stdin.readline()
