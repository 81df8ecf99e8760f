"""A store with some history that is sealed, and ways to tamper with it."""

import sqlite3
from collections.abc import Sequence

from gateway.contract.clock import Millis
from gateway.store.chain import Days, Sealed, Sealing, Signer
from gateway.store.sqlite import SqliteStore
from gateway.store.verifying import Broken, Verified, verify_chain
from tests.store.conftest import NOW, Bench, make_duty, make_envelope, register_one

KEY, OTHER_KEY = bytes(32), b"\x01" * 32
SIGNER = Signer([KEY])
DAYS = Days("Asia/Shanghai")
HOW = Sealing(SIGNER, DAYS)
DAY_MS = 86_400_000


async def seal_all(store: SqliteStore, now: int = NOW, how: Sealing = HOW) -> list[Sealed]:
    done = []
    while True:
        sealed = await store.seal(await store.newest_move(), how, Millis(now))
        if not (sealed.rows or sealed.late or sealed.day):
            return done
        done.append(sealed)


async def live(store: SqliteStore, bench: Bench, *days: int, each: int = 2) -> None:
    """On each of these days (counted from the first) some complaints, each registered with a duty; sealed every time."""
    for day in days:
        bench.clock.now = Millis(NOW + day * DAY_MS)
        for number in range(each):
            envelope = make_envelope(f"k-{day}-{number}", at=bench.clock.now)
            await register_one(store, make_duty(due_ms=bench.clock.now), envelope=envelope, now=bench.clock.now)
            await seal_all(store, bench.clock.now)


async def verify(store: SqliteStore, signer: Signer | None = SIGNER, since: str = "", until: str = "") -> Verified:
    return await verify_chain(store, signer, DAYS, since=since, until=until)


async def find_break(store: SqliteStore, signer: Signer | None = SIGNER, since: str = "", until: str = "") -> str:
    """What is said of the first broken link; empty: all holds."""
    try:
        await verify(store, signer, since, until)
    except Broken as broken:
        return str(broken)
    return ""


def tamper(bench: Bench, *statements: str, values: Sequence[object] = ()) -> None:
    """As somebody with the database and SQL would."""
    if bench.is_postgres:
        for statement in statements:
            assert bench.query(f"{statement} RETURNING 1", *values), f"nothing was changed by {statement}"
        return
    with sqlite3.connect(bench.path) as connection:
        for statement in statements:
            done = connection.execute(statement, values)
            assert done.rowcount, f"nothing was changed by {statement}"
    connection.close()
