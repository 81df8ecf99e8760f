"""`huiyin replay`: read kept envelopes again with today's rules."""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from config.settings import Settings
from gateway import plugins
from gateway.commands import Refusal
from gateway.commands.opening import load_settings, open_rules, opened_store
from gateway.contract.clock import Millis, to_millis
from gateway.contract.ports import Event
from gateway.contract.receipt import Receipt, spoken
from gateway.ops.logs import log, set_up_logs
from gateway.ops.time import SystemClock
from gateway.stages.reading import Read, Reader
from gateway.stages.register import Planner, to_registered
from gateway.states import EnvelopeState
from gateway.store.port import Store
from gateway.store.rows import InboxItem, Moved

PAGE = 500
_ALWAYS_NEW = ("version", "provenance", "made_by")
"""Not worth a version of its own: they name the rules, and not what the rules found."""


def run_replay(options: argparse.Namespace) -> int:
    set_up_logs(sys.stderr)
    return asyncio.run(_replay(load_settings(options).settings, options))


async def _replay(settings: Settings, options: argparse.Namespace) -> int:
    house, reader = open_rules(settings, kept_key=True)
    systems = {n: plugins.open_system(n, e, house) for n, e in settings.systems.items() if e.enabled}
    planner = Planner(systems, {}, settings.escalation)
    zone = ZoneInfo(settings.bank.timezone)
    since, until = read_moment(options.since, 0, zone), read_moment(options.until, 2**53, zone)
    seen: set[Receipt] = set()
    read = unknown = changed = 0
    async with opened_store(settings) as store:
        async for envelope_id, named in _choose(store, options, since, until):
            found = await store.find_envelope(envelope_id)
            if found is None:
                unknown += 1
                print(f"huiyin: {envelope_id} is no kept envelope, or is forgotten", file=sys.stderr)
            elif found.state is not EnvelopeState.REGISTERED:
                read += 1
                changed += await _retry(store, reader, found, named=named, dry=options.dry_run)
            elif found.receipt is not None and found.receipt not in seen:
                seen.add(found.receipt)
                read += 1
                changed += await _reread(store, reader, planner, found.receipt, dry=options.dry_run)
    for system in systems.values():
        await system.close()
    print(f"{read} read again, {changed} {'would change' if options.dry_run else 'changed'}")
    return 1 if unknown else 0


async def _choose(
    store: Store, options: argparse.Namespace, since: Millis, until: Millis
) -> AsyncIterator[tuple[str, bool]]:
    """Envelope ids, and whether a person named this very one."""
    for envelope_id in options.ids:
        yield envelope_id, True
    if options.channel or options.since or options.until:
        last = ""
        while page := await store.find_kept(options.channel, since, until, last, PAGE):
            for envelope_id in page:
                yield envelope_id, False
            last = page[-1]


async def _retry(store: Store, reader: Reader, item: InboxItem, *, named: bool, dry: bool) -> int:
    """What is no part of a complaint goes back to be read, if that would come to something else today. What a person
    dismissed stays away unless a person names it.
    """
    if item.state is EnvelopeState.ACCEPTED or (item.code == "dismissed_by_person" and not named):
        return 0
    outcome = _read(reader, item)
    if isinstance(outcome, Moved) and (outcome.state, outcome.code) == (item.state, item.code):
        return 0
    after = f"{outcome.state} ({outcome.code})" if isinstance(outcome, Moved) else "a complaint"
    print(f"{item.id}: {item.state}{f' ({item.code})' if item.code else ''} -> {after}")
    if not dry:
        await store.release([item.id], "cli:replay", SystemClock().now_ms())
    return 1


def _read(reader: Reader, item: InboxItem) -> Read | Moved:
    try:
        return reader.read(item)
    except Exception as error:
        # As in the gateway: the others are read all the same.
        log.exception("replay.failed", envelope=item.id)
        return Moved(item=item, state=item.state, code=f"bug_{type(error).__name__}")


async def _reread(store: Store, reader: Reader, planner: Planner, receipt: Receipt, *, dry: bool) -> int:
    """All envelopes of a receipt make its complaint, so all are read again, from the last one's view."""
    trace = await store.trace(receipt)
    if trace is None or not trace.versions:
        return 0
    registered = [e.id for e in trace.envelopes if e.state == "registered"]
    item = await store.find_envelope(registered[-1]) if registered else None
    if item is None:
        return 0
    outcome = _read(reader, item)
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
            for key in sorted({*before, *after} - set(_ALWAYS_NEW)):
                walk(f"{path}.{key}" if path else key, before.get(key), after.get(key))
        elif before != after:
            cut = [json.dumps(value, ensure_ascii=False)[:80] for value in (before, after)]
            lines.append(f"{path}: {cut[0]} -> {cut[1]}")

    walk("", old, new)
    return lines


def read_moment(text: str | None, fallback: int, zone: ZoneInfo) -> Millis:
    """A date without a zone is the bank's own."""
    if text is None:
        return Millis(fallback)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal(f"{text!r} is no date; write it like 2026-11-24 or 2026-11-24T08:00+08:00") from None
    return to_millis(moment if moment.tzinfo else moment.replace(tzinfo=zone))
