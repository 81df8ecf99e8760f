"""The same promise in its plainest form, to tell what a ratio to the bare handler means on this machine: aiohttp, pydantic,
and what waits when the writer is free goes into one transaction, an envelope, an outbox and an event row for each call.

Nothing is sealed, removed, counted or joined. ../shared/facts/measured-baselines.md has the same (d4 and e2) on another
machine, where it reached 0.61 and 0.55 of the bare handler at 16 connections, 0.79 and 0.82 at 64.
"""

import asyncio
import queue
import secrets
import sqlite3
import sys
import threading
import time
from typing import Any

import asyncpg
from aiohttp import web
from pydantic import BaseModel, ConfigDict

from tests.postgres_server import PASSWORD

GROUP_LIMIT = 256
TABLES = (
    "CREATE TABLE {schema}inbox (n INTEGER PRIMARY KEY {grows}, channel TEXT, key TEXT, receipt TEXT, at BIGINT, raw {bytes})",
    "CREATE UNIQUE INDEX {index} ON {schema}inbox (channel, key)",
    "CREATE TABLE {schema}outbox (n INTEGER PRIMARY KEY {grows}, receipt TEXT, state TEXT)",
    "CREATE TABLE {schema}event (n INTEGER PRIMARY KEY {grows}, receipt TEXT, event TEXT, at BIGINT)",
)
Row = tuple[str, str, str, int, bytes]
Job = tuple[Row, "asyncio.Future[None]"]


class Body(BaseModel):
    model_config = ConfigDict(extra="allow")
    call_id: str
    text: str


class SqliteWriter:
    """A thread."""

    def __init__(self, path: str) -> None:
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._path = path
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._work, daemon=True).start()

    def put(self, job: Job) -> None:
        self._jobs.put(job)

    def _work(self) -> None:
        store = sqlite3.connect(self._path, isolation_level=None)
        store.execute("PRAGMA journal_mode = WAL")
        store.execute("PRAGMA synchronous = FULL")
        for table in TABLES:
            store.execute(table.format(schema="", index="once", grows="", bytes="BLOB"))
        while True:
            jobs = [self._jobs.get()]
            while len(jobs) < GROUP_LIMIT and not self._jobs.empty():
                jobs.append(self._jobs.get())
            rows = [row for row, _ in jobs]
            store.execute("BEGIN IMMEDIATE")
            store.executemany("INSERT INTO inbox (channel, key, receipt, at, raw) VALUES (?, ?, ?, ?, ?)", rows)
            store.executemany("INSERT INTO outbox (receipt, state) VALUES (?, 'waiting')", [(row[2],) for row in rows])
            store.executemany(
                "INSERT INTO event (receipt, event, at) VALUES (?, 'accepted', ?)", [row[2:4] for row in rows]
            )
            store.execute("COMMIT")
            self._loop.call_soon_threadsafe(tell, jobs)


class PostgresWriter:
    """A task."""

    def __init__(self, url: str) -> None:
        self._jobs: asyncio.Queue[Job] = asyncio.Queue()
        self._url = url
        self._task = asyncio.create_task(self._work())

    def put(self, job: Job) -> None:
        self._jobs.put_nowait(job)

    async def _work(self) -> None:
        store = await asyncpg.connect(self._url, password=PASSWORD)
        await store.execute("CREATE SCHEMA plain")
        for table in TABLES:
            await store.execute(
                table.format(schema="plain.", index="once", grows="GENERATED ALWAYS AS IDENTITY", bytes="BYTEA")
            )
        while True:
            jobs = [await self._jobs.get()]
            while len(jobs) < GROUP_LIMIT and not self._jobs.empty():
                jobs.append(self._jobs.get_nowait())
            columns = [list(column) for column in zip(*[row for row, _ in jobs], strict=True)]
            await store.execute(
                "WITH came AS (INSERT INTO plain.inbox (channel, key, receipt, at, raw) "
                "SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bytea[]) RETURNING receipt, at), "
                "owed AS (INSERT INTO plain.outbox (receipt, state) SELECT receipt, 'waiting' FROM came) "
                "INSERT INTO plain.event (receipt, event, at) SELECT receipt, 'accepted', at FROM came",
                *columns,
            )
            tell(jobs)


def tell(jobs: list[Job]) -> None:
    for _, told in jobs:
        if not told.done():
            told.set_result(None)


async def serve(port: int, where: str) -> None:
    writer: Any = PostgresWriter(where) if where.startswith("postgresql") else SqliteWriter(where)

    async def accept(request: web.Request) -> web.Response:
        raw = await request.read()
        body = Body.model_validate_json(raw)
        receipt = secrets.token_hex(5)
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        writer.put((("95561", body.call_id, receipt, int(time.time() * 1000), raw), told))
        await told
        return web.json_response({"receipt": receipt}, status=201)

    app = web.Application()
    app.router.add_post("/intake/hotline", accept)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
