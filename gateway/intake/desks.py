"""Desks: processes that answer pushes beside the gateway's own, under load.

One process at Python is one core. A desk takes connections over from the gateway as they are, so callers notice nothing,
and does all that a push needs: it keeps it in the same store, by group commits of its own, as a node on another machine
would. What a desk does not answer by itself (pages, what is not `stateless`) it passes on to the gateway.

They cost memory, so by default they start when there is a load. A desk that dies takes its connections with it and nothing else:
whoever had no answer sends again, and gets the receipt of before (docs/decisions/0013-desks.md).
"""

import asyncio
import contextlib
import itertools
import os
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Literal

from gateway.contract.call import Reply
from gateway.intake.connection import Server
from gateway.intake.line import Line, Said
from gateway.intake.server import Intake
from gateway.ops import metrics
from gateway.ops.logs import log
from gateway.ops.time import pause

EVERY_S = 1.0
BUSY = 0.5
"""The part of a core that the event loop's thread takes, or waits for, under a load."""
PUSHES = 100
"""That a desk could answer, in a second: less is no load, whatever else keeps the event loop busy."""
BUSY_TURNS = 2
"""In a row, of EVERY_S each: a single burst is over before a desk has started."""
MOST = 4
"""Of them, where nobody says how many."""
STOP_S = 5.0
"""How much longer than its connections a desk may take to end."""
LONGEST_S = 60.0
"""Desks that end as soon as they start are tried again at least this often."""

Spawn = Callable[[socket.socket, socket.socket, int | None], BaseProcess]
"""Starts a process (gateway/desk.py) with its ends of the line and of the way on which connections come, and the core it keeps
to, if to one. May block.
"""


def list_cores() -> list[int]:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def count_desks() -> int:
    """One per core that this process may use, and none where there is only one or sockets cannot be handed over."""
    if not hasattr(socket, "send_fds"):
        return 0
    cores = len(list_cores())
    return min(cores, MOST) if cores > 1 else 0


def read_busy_s() -> float:
    """For how long this thread has run so far, or has been ready to run while others had the cores."""
    try:
        ran, waited, _ = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_text().split()
    except (OSError, ValueError):  # no Linux: what it has run
        return time.thread_time()
    return (int(ran) + int(waited)) / 1e9


class _Desk:
    def __init__(self, process: BaseProcess, hands: socket.socket, core: int | None) -> None:
        self.process = process
        self.hands = hands
        self.core = core
        self.ended = asyncio.Event()
        self.line: Line | None = None

    def say(self, *said: object) -> None:
        if self.line is not None:
            self.line.say(said)


class Desks:
    """`wanted`: so many, from the start; `auto`: as many as `count_desks` says, once there is a load. `kept` is called when
    one of them has kept something. Everything belongs to the event loop's thread.
    """

    def __init__(
        self,
        wanted: int | Literal["auto"],
        spawn: Spawn,
        server: Server,
        intake: Intake,
        kept: Callable[[], None],
    ) -> None:
        self._count = count_desks() if wanted == "auto" else wanted
        self._is_wanted = wanted != "auto"
        self._spawn = spawn
        self._server = server
        self._intake = intake
        self._kept = kept
        self._desks: list[_Desk] = []
        self._ready: list[_Desk] = []
        self._turn: Iterator[int] = itertools.count()
        self._tasks: set[asyncio.Task[object]] = set()
        self._stopping = False
        self._failures = 0

    async def watch(self, stop: asyncio.Event) -> None:
        """Until it is stopping: starts them, and another one for each that ended."""
        busy_turns = 0
        while self._count and not stop.is_set():
            if self._is_wanted:
                await self._fill(stop)
            elif busy_turns >= BUSY_TURNS:
                log.info("desks.wanted", count=self._count)
                self._is_wanted = True
                continue
            wall_s, busy_s, pushes = time.monotonic(), read_busy_s(), self._intake.pushes
            await pause(stop, min(LONGEST_S, EVERY_S * 2**self._failures))
            wall_s, busy_s = time.monotonic() - wall_s, read_busy_s() - busy_s
            is_load = busy_s > BUSY * wall_s and self._intake.pushes - pushes > PUSHES * wall_s
            busy_turns = busy_turns + 1 if is_load else 0
            self._server.hand_all_over()

    async def stop(self, drain_s: float) -> None:
        """Lets them answer what they have begun, and end."""
        self._stopping = True
        self._server.hand_over = None
        desks = list(self._desks)
        for desk in desks:
            desk.say("drain")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_s + STOP_S):
                for desk in desks:
                    await desk.ended.wait()
        for desk in desks:
            desk.process.kill()
            await asyncio.to_thread(desk.process.join)

    async def _fill(self, stop: asyncio.Event) -> None:
        while len(self._desks) < self._count and not stop.is_set():
            try:
                await self._start()
            except Exception as error:  # no memory, no more processes: the gateway goes on as it is
                self._failures += 1
                log.warning("desk.not_started", exc_info=error)
                return

    async def _start(self) -> None:
        ours, theirs = socket.socketpair()
        hands, their_hands = socket.socketpair()
        with contextlib.ExitStack() as unless_started, theirs, their_hands:
            for end in (ours, hands):
                unless_started.enter_context(end)
                end.setblocking(False)
            core = self._find_core()
            process = await asyncio.to_thread(self._spawn, theirs, their_hands, core)
            unless_started.pop_all()
        if self._stopping:
            process.kill()
        desk = _Desk(process, hands, core)
        self._desks.append(desk)
        line = desk.line = Line(partial(self._hear, desk), partial(self._lose, desk))
        await asyncio.get_running_loop().connect_accepted_socket(lambda: line, ours)

    def _find_core(self) -> int | None:
        """One that no desk keeps to. None where there is not just one desk for each: where there are more cores, other gateways
        of the same machine would choose the same ones.
        """
        cores = list_cores()
        if len(cores) != self._count:
            return None
        taken = {desk.core for desk in self._desks}
        return next((core for core in cores if core not in taken), None)

    def _hand_over(self, number: int) -> bool:
        """In turns, so that all of them have the same."""
        for _ in self._ready:
            desk = self._ready[next(self._turn) % len(self._ready)]
            with contextlib.suppress(OSError):  # it reads no more at the moment, or has just died
                socket.send_fds(desk.hands, [b"\0"], [number])
                return True
        return False

    def _lose(self, desk: _Desk) -> None:
        desk.line = None
        desk.hands.close()
        self._desks.remove(desk)
        if desk in self._ready:
            self._ready.remove(desk)
            metrics.desks.set(len(self._ready))
        elif not self._stopping:
            self._failures += 1
        if not self._ready:
            self._server.hand_over = None
        desk.ended.set()
        if not self._stopping:
            metrics.bugs.labels("desk").inc()
            log.error("desk.died", desk=desk.process.pid)
            self._run(asyncio.to_thread(desk.process.join))

    # --- what a desk says ------------------------------------------------------------------------------------------

    def _hear(self, desk: _Desk, said: Said) -> None:
        match said:
            case ("kept",):
                self._kept()
            case ("call", number, call):
                self._intake.begin_call(call, partial(self._tell_reply, desk, number))
            case ("count", counts):
                metrics.shared.add(counts)
            case ("ready",):
                log.info("desk.ready", desk=desk.process.pid)
                self._failures = 0
                self._ready.append(desk)
                metrics.desks.set(len(self._ready))
                if not self._stopping:
                    self._server.hand_over = self._hand_over
                    self._server.hand_all_over()

    def _tell_reply(self, desk: _Desk, number: int, reply: Reply) -> None:
        desk.say("reply", number, reply)

    def _run(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
