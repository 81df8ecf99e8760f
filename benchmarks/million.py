"""The accept rate with a full store against the empty store's: cost per complaint must not grow with the table.

The store is filled through its own port, as the stages do it - accepted, registered, delivered - with one real
complaint read once, only in larger batches. Then both gateways take turns inside each round.
"""

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import accept, databases, pipeline, servers
from config.load import load
from gateway.commands.opening import open_rules
from gateway.contract.call import Call, Reply
from gateway.contract.clock import Millis
from gateway.contract.envelope import Envelope
from gateway.contract.ports import Push
from gateway.engines import find_store_url, open_store
from gateway.ops.time import SystemClock
from gateway.plugins import open_channel, open_system
from gateway.stages.reading import Read
from gateway.stages.register import Planner, to_registered
from gateway.states import DutyState
from gateway.store.migrate import migrate
from gateway.store.port import Store
from gateway.store.rows import InboxItem, Registered, Settled, Target

BATCH = 1_000
LEASE_MS = 600_000


def measure(rounds: int, seconds: int, store: str) -> None:
    size = int(os.environ.get("HUIYIN_STORED", "1000000"))
    folder = Path(tempfile.mkdtemp(prefix="huiyin-million-"))
    try:
        with databases.opened(store, None) as make:
            measure_full(rounds, seconds, store, size, folder, make)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure_full(rounds: int, seconds: int, store: str, size: int, folder: Path, make: databases.Make) -> None:
    print(f"\n### accept rate on {store} with {size:,} stored complaints / with an empty store, nothing pinned")
    database = make()
    began = time.monotonic()
    asyncio.run(fill(folder, size, database))
    took = time.monotonic() - began
    size_mb = database.measure_mb() if database else measure_mb(folder)
    print(f"filled in {took:.0f} s ({size / took:,.0f}/s through the store's port), {size_mb:,.0f} MB")
    with (
        servers.gateway(None, roles="accept", database=make()) as empty,
        servers.gateway(None, roles="accept", data=folder, database=database) as full,
    ):
        for server in (empty, full):
            servers.load(server, 16, accept.WARM_UP_S, cpu=None)
        print("\n".join(accept.HEADINGS).replace("bare", "empty").replace("huiyin", "full"))
        for connections in (16, 64):
            print(accept.measure_row(empty, full, connections, rounds, seconds, None), flush=True)
    pipeline.measure_one(rounds, seconds, store, folder, database)


async def fill(folder: Path, size: int, database: databases.Database | None) -> None:
    environment = database.environment if database else {}
    settings = load(servers.write_config(folder, database), environment, {"data_dir": str(folder)}).settings
    house, reader = open_rules(settings, kept_key=True)
    channel = open_channel(servers.INSTANCE, settings.channels[servers.INSTANCE], house)
    if not isinstance(channel, Push):
        raise SystemExit("the hotline takes no pushes")
    got = channel.receive(_call())
    if isinstance(got, Reply):
        raise SystemExit(f"the hotline took no push: {got.status}")
    (pattern,) = got
    systems = {name: open_system(name, entry, house) for name, entry in settings.systems.items()}
    planner = Planner(systems, {}, settings.escalation)
    migrate(find_store_url(settings), settings.store.password)
    store = open_store(settings)
    await store.open()
    read = None
    for start in range(0, size, BATCH):
        now = SystemClock().now_ms()
        await store.accept([_make(pattern, number) for number in range(start, min(start + BATCH, size))])
        items = await store.claim_inbox(BATCH, now, LEASE_MS)
        if read is None:
            read = reader.read(items[0])
        if not isinstance(read, Read):
            raise SystemExit(f"the complaint of the benchmark cannot be read: {read.code}")
        await _finish(store, [_register(item, read, planner, now) for item in items], now)
        if start and start % 100_000 == 0:
            print(f"  {start:,} stored", flush=True)
    await store.close()


async def _finish(store: Store, registered: Sequence[Registered], now: Millis) -> None:
    kept = await store.register(registered, now)
    duties = await store.claim_duties(Target.SYSTEM, "ledger", BATCH, now, LEASE_MS)
    done = [Settled(duty=duty, state=DutyState.DONE, ticket=f"TZ-{duty.receipt}") for duty in duties]
    settled = await store.settle(done, now)
    if not all(kept) or not all(settled) or len(settled) != len(kept):
        raise SystemExit("the store did not take all that it was given")


def _register(item: InboxItem, read: Read, planner: Planner, now: Millis) -> Registered:
    own = replace(read, complaint_id=f"c{item.id[1:]}")
    return to_registered(item, own, planner.plan(own, now, backfill=False))


def _call() -> Call:
    return Call(
        method="POST",
        path="/intake/hotline",
        url="http://127.0.0.1/intake/hotline",
        query={},
        headers={"content-type": "application/json", "x-huiyin-key": servers.KEY},
        body=(servers.HERE / "complaint.json").read_bytes(),
        remote="127.0.0.1",
        received_at=SystemClock().now_ms(),
    )


def _make(pattern: Envelope, number: int) -> Envelope:
    own = f"stored-{number:09}"
    thread = replace(pattern.thread, key=own) if pattern.thread else None
    raw = pattern.raw.replace(b"{{id}}", own.encode())
    return replace(pattern, source_key=own, raw=raw, content=b"", thread=thread)


def measure_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20
