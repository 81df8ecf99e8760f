"""`huiyin qr`: branch posters with signed addresses."""

import argparse

from config.settings import Settings
from gateway import plugins
from gateway.commands import Refusal
from gateway.commands.opening import load_settings, open_rules
from gateway.contract.ports import House, Posters

FORMATS = ("svg", "png", "pdf")


def run_qr(options: argparse.Namespace) -> int:
    formats = [part.strip() for part in options.format.split(",")]
    if not set(formats) <= set(FORMATS):
        raise Refusal(f"--format takes {','.join(FORMATS)}")
    settings = load_settings(options).settings
    house, _reader = open_rules(settings, kept_key=True)
    channel = find_posters(settings, house)
    if channel is None:
        raise Refusal('no channel has branch addresses; add one with adapter = "branch_qr"')
    unknown = [code for code in options.branches if code not in house.branches]
    if unknown:
        raise Refusal(f"not in the branch table: {', '.join(unknown)}")
    options.out.mkdir(parents=True, exist_ok=True)
    for path in channel.write_posters(options.branches, options.out, formats):
        print(path)
    return 0


def find_posters(settings: Settings, house: House) -> Posters | None:
    for name, entry in settings.channels.items():
        if entry.enabled:
            channel = plugins.open_channel(name, entry, house)
            if isinstance(channel, Posters):
                return channel
    return None
