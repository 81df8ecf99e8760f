"""A desk: the process that answers pushes under load (see intake/desks.py): the channels over the store, and nothing else."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from config.keys import Keyring
from config.settings import Settings
from gateway import plugins
from gateway.contract.call import Call, Reply, Route
from gateway.contract.ports import Channel, Push
from gateway.engines import open_keyring, open_store
from gateway.intake.accept import Acceptance
from gateway.intake.line import Line, Said, pack
from gateway.intake.progress import Teller
from gateway.intake.scrub.envelope import Scrub
from gateway.intake.server import Intake
from gateway.ops import metrics
from gateway.ops.logs import log, set_up_logs
from gateway.ops.loops import run
from gateway.ops.memory import settle_memory
from gateway.ops.time import SystemClock, pause
from gateway.store.port import Store, StoreUnavailable

COUNT_EVERY_S = 1.0
Routes = Sequence[tuple[str, Route]]


def run_desk(
    settings: Settings,
    public_url: str,
    routes: Routes,
    line: socket.socket,
    hands: socket.socket,
    core: int | None,
) -> None:
    """Until the gateway says so, or is gone. `routes`: all that the gateway answers, by instance. `core`: the one it keeps to."""
    # Who stops the gateway often tells all its processes. The gateway tells this one when it is time.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    set_up_logs()
    if core is not None and hasattr(os, "sched_setaffinity"):
        with suppress(OSError):  # it has been taken away meanwhile; any other does, too
            # Its threads wake each other for every group: on the core they are on, that costs a tenth of an accept less.
            os.sched_setaffinity(0, {core})

    async def serve() -> None:
        store = open_store(settings, beside=True)
        await store.open()
        await Desk(settings, open_keyring(settings), store, public_url, routes).serve(line, hands)
        await store.close()

    try:
        run(serve())
    except Exception as error:  # the gateway starts another; what the error says may hold what a customer wrote
        log.error("desk.failed", desk=os.getpid(), exc_info=error)
        sys.exit(1)


class Desk:
    def __init__(self, settings: Settings, keyring: Keyring, store: Store, public_url: str, routes: Routes) -> None:
        self._settings = settings
        self._store = store
        self._ended = asyncio.Event()
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._asked = 0
        self._tasks: set[asyncio.Task[object]] = set()
        self._line = Line(self._hear, self._lose)
        channels: dict[str, Channel] = {}
        house = plugins.open_house(settings, keyring, SystemClock(), public_url)
        house = replace(house, branch_link=partial(plugins.find_branch_link, channels, house.branches))
        for name, entry in settings.channels.items():
            if entry.enabled:
                channels[name] = plugins.open_channel(name, entry, house)
        intake = Intake(
            keep_soon=Acceptance(store, Scrub(store.mark), partial(self._line.say, ("kept",))).keep_soon,
            clock=house.clock,
            public_url=public_url,
            trusted_proxies=settings.server.trusted_proxies,
            per_minute=settings.server.public_per_minute,
            answer_ask=Teller(store, house).tell,
        )
        for name, route in routes:
            channel = channels.get(name)
            if isinstance(channel, Push) and route.stateless and not route.public:
                intake.add_push(name, channel, route)
            else:
                intake.add_passing(name, route, self._pass_on)
        self._server = intake.build_server()

    async def serve(self, line: socket.socket, hands: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        line.setblocking(False)
        await loop.connect_accepted_socket(lambda: self._line, line)
        hands.setblocking(False)
        self._hands = hands
        loop.add_reader(hands, self._take)
        settle_memory()
        self._line.say(("ready",))
        while not self._ended.is_set():
            await pause(self._ended, COUNT_EVERY_S)
            with suppress(StoreUnavailable):  # whoever pushes hears of it
                await self._store.look_after_keys()
            if counts := metrics.shared.take():
                self._line.say(("count", counts))
        loop.remove_reader(hands)
        self._line.close()

    async def _pass_on(self, call: Call) -> Reply:
        self._asked += 1
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[self._asked] = future
        self._line.say(("call", self._asked, pack(call)))
        return await future

    # --- what comes from the gateway -----------------------------------------------------------------------------------

    def _take(self) -> None:
        """Connections."""
        numbers = [0]
        while numbers:
            try:
                _, numbers, *_ = socket.recv_fds(self._hands, 1, 1)
            except OSError:  # no more for now
                return
            for number in numbers:
                self._run(self._open(socket.socket(fileno=number)))

    async def _open(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._server, connection)
        except OSError:  # the caller has gone
            connection.close()

    def _hear(self, said: Said) -> None:
        match said:
            case ("reply", number, reply):
                future = self._waiting.pop(number)
                if not future.done():
                    future.set_result(reply)
            case ("drain",):
                self._run(self._drain())

    async def _drain(self) -> None:
        self._take()
        await asyncio.sleep(0)
        self._server.pre_shutdown()
        await self._server.shutdown(self._settings.server.drain_s)
        self._ended.set()

    def _lose(self) -> None:
        if not self._ended.is_set():
            log.error("desk.left_alone", desk=os.getpid())
            os._exit(1)

    def _run(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
