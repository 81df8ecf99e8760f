"""`huiyin qr`: branch posters with signed addresses."""

import argparse
import sys

from config.settings import Settings
from gateway import plugins
from gateway.commands import Refusal
from gateway.commands.opening import load_settings, open_rules
from gateway.contract.ports import House, Posters


def run_qr(options: argparse.Namespace) -> int:
    settings = load_settings(options).settings
    house, _reader = open_rules(settings, kept_key=True)
    channel = find_posters(settings, house)
    if channel is None:
        raise Refusal('no channel has branch addresses; add one with adapter = "branch_qr"')
    unknown = [code for code in options.branches if code not in house.branches]
    if unknown:
        raise Refusal(f"not in the branch table: {', '.join(unknown)}")
    if not settings.server.public_url:
        print(f"huiyin: server.public_url is not set, so these codes lead to {house.public_url}", file=sys.stderr)
    options.out.mkdir(parents=True, exist_ok=True)
    for path in channel.write_posters(options.branches, options.out, options.format):
        print(path)
    return 0


def find_posters(settings: Settings, house: House) -> Posters | None:
    for name, entry in settings.channels.items():
        if entry.enabled:
            channel = plugins.open_channel(name, entry, house)
            if isinstance(channel, Posters):
                return channel
    return None
