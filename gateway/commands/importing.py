"""`huiyin import`: real intake of files. A second run adds nothing, because keys derive from content."""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from config.settings import Settings
from gateway import plugins
from gateway.commands import Refusal
from gateway.commands.opening import (
    STDIN,
    find_configured,
    list_files,
    load_settings,
    open_file,
    open_files,
    open_rules,
    opened_store,
)
from gateway.commands.progress import Progress
from gateway.contract.envelope import Envelope
from gateway.contract.ports import Collect, Notifier, System
from gateway.engines import find_revision, migrate_store, open_keyring
from gateway.intake.accept import rekey
from gateway.intake.scrub.envelope import Scrub
from gateway.ops.logs import set_up_logs
from gateway.ops.time import SystemClock
from gateway.stages.register import Planner, Register
from gateway.stages.workers import Workers
from gateway.states import EnvelopeState
from gateway.store.port import KeyConflict, Store

BATCH = 200
PATIENCE_S = 5.0
"""How long a running gateway that has claimed some of ours is waited for."""
_LOOK_EVERY_S = 0.2


def run_import(options: argparse.Namespace) -> int:
    set_up_logs(sys.stderr)
    settings = load_settings(options).settings
    instance = find_configured(settings, options.channel)
    if instance is None or not settings.channels[instance].enabled:
        raise Refusal(f"channel {options.channel!r} is {'off' if instance else 'not'} in the settings")
    missing = [name for name in options.files if name != STDIN and not Path(name).exists()]
    if missing:
        raise Refusal(f"there is no file {', '.join(missing)}")
    if find_revision(settings) is None:
        migrate_store(settings)
    return asyncio.run(_import(settings, instance, options.files, options.format))


async def _import(settings: Settings, instance: str, names: Sequence[str], format_name: str | None) -> int:
    house, reader = open_rules(settings, kept_key=True)
    channel = open_files(settings, instance, house, format_name)
    systems = {n: plugins.open_system(n, e, house) for n, e in settings.systems.items() if e.enabled}
    # Imported history wakes and writes to nobody, but what else waits in the store may have to.
    notices = {n: plugins.open_notice(n, e, house) for n, e in settings.notices.items() if e.enabled}
    workers = Workers(settings, open_keyring(settings), reader)
    progress = Progress()
    count: Counter[str] = Counter()
    new: list[str] = []
    async with opened_store(settings) as store:
        scrub = Scrub(store.mark)
        for name in list_files(names):
            count["files"] += 1
            with open_file(name) as stream:
                await _keep_file(
                    store, scrub, channel.split(stream, Path(name).name, format_name), count, new, progress
                )
        collectors = {instance: channel} if isinstance(channel, Collect) else {}
        planner = Planner(systems, notices, settings.escalation, collectors, settings.delivery.order)
        stages = settings.stages
        register = Register(store, workers, planner, SystemClock(), batch=stages.batch, lease_s=stages.lease_s)
        states = await _register(register, store, new, progress)
    workers.close()
    parties: list[System | Notifier] = [*systems.values(), *notices.values()]
    for party in parties:
        await party.close()
    progress.end()
    names_of_states = {
        EnvelopeState.REGISTERED: "registered",
        EnvelopeState.SET_ASIDE: "set aside",
        EnvelopeState.DISMISSED: "dismissed",
        EnvelopeState.ACCEPTED: "still to be read",
    }
    told = [f"{word} {states[state]}" for state, word in names_of_states.items() if states.get(state)]
    print(f"accepted {len(new)}, known already {count['already']}{'; ' if told else ''}{', '.join(told)}")
    return 0


async def _keep_file(
    store: Store, scrub: Scrub, envelopes: Iterator[Envelope], count: Counter[str], new: list[str], progress: Progress
) -> None:
    while batch := list(islice(envelopes, BATCH)):
        await _keep(store, scrub, batch, count, new)
        progress.show(f"{count['files']} files, {len(new)} new, {count['already']} known already")


async def _keep(store: Store, scrub: Scrub, envelopes: Sequence[Envelope], count: Counter[str], new: list[str]) -> None:
    try:
        for accepted in await store.accept([scrub(envelope)[0] for envelope in envelopes]):
            if accepted.duplicate:
                count["already"] += 1
            else:
                new.append(accepted.envelope_id)
    except KeyConflict:
        if len(envelopes) > 1:
            for envelope in envelopes:
                await _keep(store, scrub, [envelope], count, new)
            return
        # Two pieces of an archive under one id: at a door that is a conflict, here both are somebody's words.
        await _keep(store, scrub, [rekey(envelopes[0])], count, new)


async def _register(
    register: Register, store: Store, ids: Sequence[str], progress: Progress
) -> Mapping[EnvelopeState, int]:
    """Reads until none of `ids` is left to be read, and counts where they are. Of a store that others work on too, only
    these are counted; and what others hold is waited for only a while.
    """
    done, waited_s = 0, 0.0
    while True:
        while ids and (read := await register.work()):
            done, waited_s = done + read, 0.0
            progress.show(f"registering, {done} of {len(ids)} or more")
        states = await store.count_states(ids)
        if not states[EnvelopeState.ACCEPTED] or waited_s >= PATIENCE_S:
            return states
        await asyncio.sleep(_LOOK_EVERY_S)
        waited_s += _LOOK_EVERY_S
