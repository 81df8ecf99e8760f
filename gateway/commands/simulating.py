"""`huiyin simulate`: a party's own side of the line, from its folder, against a running gateway."""

import argparse
import asyncio

from gateway import plugins
from gateway.commands import Refusal
from gateway.commands.opening import find_configured, load_settings


def run_simulate(options: argparse.Namespace) -> int:
    settings = load_settings(options).settings
    instance = options.account or find_configured(settings, options.party)
    if instance is None or instance not in settings.channels:
        raise Refusal(f"channel {options.account or options.party!r} is not in the settings")
    entry = settings.channels[instance]
    if entry.adapter != options.party:
        raise Refusal(f"channel {instance} is one of {entry.adapter}, not of {options.party}")
    simulation = plugins.find_simulation(options.party)
    if simulation is None:
        raise Refusal(f"{options.party} has no simulator that runs by itself")
    kinds = options.kinds.split(",")
    if unknown := set(kinds) - set(simulation.KINDS):
        raise Refusal(f"{options.party} simulates {', '.join(simulation.KINDS)}, not {', '.join(sorted(unknown))}")
    server = settings.server
    base = options.url or f"http://{server.host}:{server.port}"
    told = asyncio.run(
        simulation.simulate(
            plugins.read_channel_settings(instance, entry),
            f"{base.rstrip('/')}/{options.party}/{instance}",
            rate=options.rate,
            seconds=options.duration,
            kinds=kinds,
            people=options.people,
            port=options.api_port,
        )
    )
    print("\n".join(told))
    return 0
