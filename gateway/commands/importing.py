"""`huiyin import`: real intake of files. A second run adds nothing, because keys derive from content."""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from config.settings import Settings
from gateway import plugins
from gateway.app import find_store_url, migrate_store
from gateway.commands import Refusal
from gateway.commands.opening import find_instance, load_settings, open_rules, opened_store, walk_files
from gateway.contract.envelope import Envelope
from gateway.contract.ports import Files
from gateway.ops.logs import set_up_logs
from gateway.ops.time import SystemClock
from gateway.stages.register import Planner, Register
from gateway.stages.workers import Workers
from gateway.store.migrate import current_revision
from gateway.store.port import KeyConflict, Store, StoreUnavailable

BATCH = 200


def run_import(options: argparse.Namespace) -> int:
    set_up_logs(sys.stderr)
    settings = load_settings(options).settings
    if options.channel not in settings.channels:
        found, instance = find_instance(settings, options.channel)
        if found is not settings:
            raise Refusal(f"there is no channel {options.channel!r} in the settings")
        options.channel = instance
    if current_revision(find_store_url(settings)) is None:
        migrate_store(settings)
    try:
        return asyncio.run(_import(settings, options))
    except StoreUnavailable as error:
        raise Refusal(str(error)) from None


async def _import(settings: Settings, options: argparse.Namespace) -> int:
    house, reader = open_rules(settings, kept_key=True)
    channel = plugins.open_channel(options.channel, settings.channels[options.channel], house)
    if not isinstance(channel, Files):
        raise Refusal(f"channel {options.channel} reads no files")
    systems = {n: plugins.open_system(n, e, house) for n, e in settings.systems.items() if e.enabled}
    count: Counter[str] = Counter()
    async with opened_store(settings) as store:
        before = await _count_states(store, options.channel)
        for number, (name, stream) in enumerate(walk_files(options.files), 1):
            batch: list[Envelope] = []
            for envelope in channel.split(stream, Path(name).name, options.format):
                batch.append(envelope)
                if len(batch) == BATCH:
                    await _keep(store, batch, count)
                    batch = []
            await _keep(store, batch, count)
            _show_progress(f"{number} files, {count['new']} new, {count['already']} known already")
        key = bytes(32)  # workers read; they derive no links
        workers = Workers(settings, key, reader)
        planner = Planner(systems, {}, settings.escalation)
        register = Register(
            store, workers, planner, SystemClock(), batch=settings.stages.batch, lease_s=settings.stages.lease_s
        )
        while await register.work():
            _show_progress("registering")
        workers.close()
        after = await _count_states(store, options.channel)
    for system in systems.values():
        await system.close()
    print(file=sys.stderr)
    states = {state: after[state] - before[state] for state in sorted(after)}
    print(
        f"accepted {count['new']}, known already {count['already']}; "
        + ", ".join(f"{state} {number:+d}" for state, number in states.items())
    )
    return 0


async def _keep(store: Store, envelopes: Sequence[Envelope], count: Counter[str]) -> None:
    if not envelopes:
        return
    try:
        for accepted in await store.accept(envelopes):
            count["already" if accepted.duplicate else "new"] += 1
    except KeyConflict:
        if len(envelopes) > 1:
            for envelope in envelopes:
                await _keep(store, [envelope], count)
            return
        # Two pieces of an archive under one id: at a door that is a conflict, here both are somebody's words.
        digest = envelopes[0].content_digest().hex()[:32]
        await _keep(store, [replace(envelopes[0], source_key=f"{envelopes[0].source_key}#{digest}")], count)


async def _count_states(store: Store, channel: str) -> Counter[str]:
    return Counter({s.state: s.count for s in await store.totals() if s.subject == "envelope" and s.where == channel})


def _show_progress(text: str) -> None:
    end = "\r" if sys.stderr.isatty() else "\n"
    if sys.stderr.isatty() or "files" not in text:
        print(f"{text}   ", end=end, file=sys.stderr)
