"""`huiyin replay`: read kept envelopes again with today's rules."""

import argparse
import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from config.settings import Settings
from gateway import plugins
from gateway.commands import Refusal
from gateway.commands.opening import load_settings, open_rules, opened_store
from gateway.contract.clock import Millis, to_millis
from gateway.contract.ports import Event
from gateway.contract.receipt import Receipt, spoken
from gateway.ops.time import SystemClock
from gateway.stages.reading import Read, Reader
from gateway.stages.register import Planner, to_registered
from gateway.store.port import Store
from gateway.store.rows import Moved

PAGE = 500
_ALWAYS_NEW = ("version", "provenance")


def run_replay(options: argparse.Namespace) -> int:
    if not options.ids and not (options.channel or options.since or options.until):
        raise Refusal("name envelopes, or choose some with --channel, --since, --until")
    return asyncio.run(_replay(load_settings(options).settings, options))


async def _replay(settings: Settings, options: argparse.Namespace) -> int:
    house, reader = open_rules(settings, kept_key=True)
    systems = {n: plugins.open_system(n, e, house) for n, e in settings.systems.items() if e.enabled}
    planner = Planner(systems, {}, settings.escalation)
    seen: set[Receipt] = set()
    unknown = changed = 0
    async with opened_store(settings) as store:
        async for envelope_id in _choose(store, options):
            found = await store.find_envelope(envelope_id)
            if found is None:
                unknown += 1
                print(f"{envelope_id} is no kept envelope")
            elif found.version == 0 or found.receipt is None:
                await _release(store, envelope_id, dry=options.dry_run)
            elif found.receipt not in seen:
                seen.add(found.receipt)
                changed += await _reread(store, reader, planner, found.receipt, dry=options.dry_run)
    for system in systems.values():
        await system.close()
    print(f"{len(seen)} read again, {changed} {'would change' if options.dry_run else 'changed'}")
    return 1 if unknown else 0


async def _choose(store: Store, options: argparse.Namespace) -> AsyncIterator[str]:
    for envelope_id in options.ids:
        yield envelope_id
    if options.channel or options.since or options.until:
        since, until = _moment(options.since, 0), _moment(options.until, 2**53)
        last = ""
        while page := await store.find_kept(options.channel, since, until, last, PAGE):
            for envelope_id in page:
                yield envelope_id
            last = page[-1]


async def _release(store: Store, envelope_id: str, *, dry: bool) -> None:
    if dry:
        print(f"{envelope_id} would be read again")
        return
    (good,) = await store.release([envelope_id], "cli:replay", SystemClock().now_ms())
    print(f"{envelope_id} {'goes back to be read' if good else 'is waiting to be read already'}")


async def _reread(store: Store, reader: Reader, planner: Planner, receipt: Receipt, *, dry: bool) -> int:
    """All envelopes of a receipt make its complaint, so all are read again, from the last one's view."""
    trace = await store.trace(receipt)
    if trace is None or not trace.versions:
        return 0
    registered = [e.id for e in trace.envelopes if e.state == "registered"]
    item = await store.find_envelope(registered[-1]) if registered else None
    if item is None:
        return 0
    outcome = reader.read(item)
    if isinstance(outcome, Moved):
        print(f"{spoken(receipt)} cannot be read any more: {outcome.code}")
        return 0
    differences = find_differences(json.loads(trace.versions[-1][3]), json.loads(outcome.document))
    if not differences:
        return 0
    print(f"{spoken(receipt)}")
    for line in differences:
        print(f"  {line}")
    if dry:
        return 1
    read: Read = replace(outcome, event=Event.REREAD, raised=False, acknowledge=None)
    now = SystemClock().now_ms()
    return int(await store.reread(to_registered(item, read, planner.plan(read, now, backfill=True)), now))


def find_differences(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    """Lines `path: old -> new`; long values cut, so that a screen shows what changed and not the whole story."""
    lines: list[str] = []

    def walk(path: str, before: object, after: object) -> None:
        if isinstance(before, dict) and isinstance(after, dict):
            for key in sorted({*before, *after}):
                walk(f"{path}.{key}" if path else key, before.get(key), after.get(key))
        elif before != after:
            cut = [json.dumps(value, ensure_ascii=False)[:80] for value in (before, after)]
            lines.append(f"{path}: {cut[0]} -> {cut[1]}")

    walk(
        "",
        {k: v for k, v in old.items() if k not in _ALWAYS_NEW},
        {k: v for k, v in new.items() if k not in _ALWAYS_NEW},
    )
    return lines


def _moment(text: str | None, fallback: int) -> Millis:
    if text is None:
        return Millis(fallback)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal(f"{text!r} is no date; write it like 2026-11-24 or 2026-11-24T08:00+08:00") from None
    return to_millis(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
