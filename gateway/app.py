"""The composition root: the only place that names concrete engines and puts the rooms together."""

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Container, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from multiprocessing.process import BaseProcess

from aiohttp import web

from config.load import SettingsError
from config.settings import Rung, Settings
from gateway import plugins
from gateway.contract.errors import TryLater
from gateway.contract.pages.links import write_status_link
from gateway.contract.ports import Channel, Collect, Listen, Notifier, Poll, Push, Scanner, System, Transcriber
from gateway.contract.receipt import Receipt
from gateway.desk import Routes, run_desk
from gateway.engines import (
    find_revision,
    make_data_dir,
    migrate_store,
    open_blobs,
    open_hints,
    open_keyring,
    open_store,
)
from gateway.intake.accept import Acceptance
from gateway.intake.acknowledge_page import AcknowledgePage, write_answer_link
from gateway.intake.desks import Desks
from gateway.intake.health import Health
from gateway.intake.polling import Polling
from gateway.intake.progress import Teller
from gateway.intake.scrub.envelope import Scrub
from gateway.intake.server import Intake
from gateway.intake.status_page import StatusPage
from gateway.intake.waiting import answering
from gateway.ops.forking import open_context
from gateway.ops.logs import log
from gateway.ops.memory import settle_memory
from gateway.ops.time import SystemClock, pause
from gateway.roles import ALL, Role
from gateway.stages import wrapping
from gateway.stages.alarms import Alarms
from gateway.stages.attachments import Attachments
from gateway.stages.collect import Collecting
from gateway.stages.drain import Wake, drain
from gateway.stages.forward import Forward
from gateway.stages.notify import Notify
from gateway.stages.reading import Reader
from gateway.stages.register import Planner, Register
from gateway.stages.retain import EVERY_S as RETAIN_EVERY_S
from gateway.stages.retain import Retain
from gateway.stages.scan import Scanning
from gateway.stages.seal import EVERY_S as SEAL_EVERY_S
from gateway.stages.seal import Sealer, make_signer
from gateway.stages.sweep import EVERY_S, Sweep
from gateway.stages.words import Words
from gateway.stages.workers import Workers
from gateway.store.port import StoreAway, StoreUnavailable

VERSION = version("huiyin")
SEAL_REST_S = 5.0
"""How long a stopping gateway goes on sealing."""
LONGEST_WAIT_S = 15.0
"""A gateway that was started while the database is away looks for it at least this often."""
REGISTER_LANES = 3
"""While one batch is read in the worker processes, another is claimed and a third committed."""


def list_rungs(settings: Settings) -> Sequence[Rung]:
    """Everybody who is to be told something."""
    return (*settings.escalation.critical, *settings.escalation.high, *settings.alarms.to)


def check_delivery(settings: Settings, notices: Container[str]) -> None:
    """Raises SettingsError."""
    for name in settings.delivery.order:
        if name not in notices:
            raise SettingsError(
                f"settings: delivery.order: there is no notice {name!r}; add a section [notices.{name}]"
            )


class Gateway:
    """One process of the gateway. `start` returns when it listens; `stop` drains."""

    def __init__(self, settings: Settings, roles: frozenset[Role] = ALL) -> None:
        self._settings = settings
        self._roles = roles
        self._clock = SystemClock()
        self._stop = asyncio.Event()
        # What this process did wakes its own loops, and through hints those of other nodes.
        self._loops = {role: Wake() for role in Role}
        self._wakes = {role: Wake() for role in Role}
        for role in Role:
            self._wakes[role].also(self._loops[role])
        self._tasks: list[asyncio.Task[None]] = []
        self._socket: socket.socket | None = None
        self._sealer: Sealer | None = None
        self._listeners: list[Listen] = []
        self.channels: dict[str, Channel] = {}
        self.systems: dict[str, System] = {}
        self.notices: dict[str, Notifier] = {}
        self.transcriber: Transcriber | None = None
        self.scanner: Scanner | None = None

    async def wait_for_store(self, stop: asyncio.Event) -> None:
        """Returns when the database can be asked, or when stopping. Raises SettingsError, StoreUnavailable where waiting
        does not help (a wrong password, say) and OSError (address taken).
        """
        make_data_dir(self._settings)
        pause_s = 0.5
        async with AsyncExitStack() as stack:
            while not stop.is_set():
                try:
                    await asyncio.to_thread(find_revision, self._settings)
                except StoreAway as error:
                    if pause_s < 1:
                        await stack.enter_async_context(answering(self._take_port(), VERSION))
                    pause_s = min(2 * pause_s, LONGEST_WAIT_S)
                    log.warning("start.waits_for_store", reason=str(error), again_s=pause_s)
                    await pause(stop, pause_s)
                else:
                    return

    def _take_port(self) -> socket.socket:
        if self._socket is None:
            server = self._settings.server
            self._socket = socket.create_server((server.host, server.port), backlog=1024)
        return self._socket

    async def start(self) -> None:
        """Raises SettingsError, StoreUnavailable or OSError (address taken)."""
        settings = self._settings
        server = settings.server
        make_data_dir(settings)
        # The port is taken first: with port 0, links must name the one that was given.
        host, self.port = self._take_port().getsockname()[:2]
        self.public_url = (server.public_url or f"http://{host}:{self.port}").rstrip("/")
        self._keyring = open_keyring(settings)
        house = plugins.open_house(settings, self._keyring, self._clock, self.public_url)
        self.house = replace(
            house,
            branch_link=partial(plugins.find_branch_link, self.channels, house.branches),
            read_attachment=self._read_attachment,
            seal=self._seal,
            unseal=self._unseal,
        )
        self._open_parties()
        if find_revision(settings) is None:
            migrate_store(settings)
        self.store = open_store(settings)
        await self.store.open()
        self._hints = open_hints(settings, self._hear)
        if self._hints is not None:
            for role in Role:
                self._wakes[role].also(partial(self._hints.tell, role.value))
            self._hints.start()
        self._accept = Acceptance(self.store, Scrub(self.store.mark), self._wakes[Role.REGISTER])
        self._health = Health(self.store, VERSION)
        self._start_stages()
        await self._start_intake()
        log.info(
            "ready",
            version=VERSION,
            host=host,
            port=self.port,
            roles=sorted(self._roles),
            channels=sorted(self.channels),
            systems=sorted(self.systems),
            notices=sorted(self.notices),
            pid=os.getpid(),
        )

    async def stop(self) -> None:
        """Finish what was begun and close. What is claimed and unfinished is not lost: its lease lapses."""
        log.info("draining")
        self._health.draining = True
        self._stop.set()
        for listener in self._listeners:
            await listener.close()
        await asyncio.gather(self._runner.cleanup(), self._desks.stop(self._settings.server.drain_s))
        for wake in self._loops.values():
            wake()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=self._settings.server.drain_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._workers.close()
        await self._seal_rest()
        collectors = [channel for channel in self.channels.values() if isinstance(channel, Collect)]
        parties: list[System | Notifier | Collect | Transcriber | Scanner | None]
        parties = [*self.systems.values(), *self.notices.values(), *collectors, self.transcriber, self.scanner]
        for party in parties:
            if party is not None:
                await party.close()
        if self._hints is not None:
            await self._hints.stop()
        await self.store.close()
        log.info("stopped")

    def _hear(self, word: str) -> None:
        """A hint of another node: the role that may have work, or "": all of them."""
        for role, wake in self._loops.items():
            if word in ("", role.value):
                wake()

    async def _seal_rest(self) -> None:
        if self._sealer is None:
            return
        try:
            await self._sealer.finish(SEAL_REST_S)
        except Exception as error:  # the next start seals it; stopping must not fail for it
            log.warning("audit.left_unsealed", reason=type(error).__name__)

    # --- the parts -------------------------------------------------------------------------------------------------

    def _open_parties(self) -> None:
        settings, house = self._settings, self.house
        self.channels |= {n: plugins.open_channel(n, e, house) for n, e in settings.channels.items() if e.enabled}
        self.systems = {n: plugins.open_system(n, e, house) for n, e in settings.systems.items() if e.enabled}
        self.notices = {n: plugins.open_notice(n, e, house) for n, e in settings.notices.items() if e.enabled}
        self.transcriber = plugins.open_speech(settings.speech, house) if settings.speech else None
        self.scanner = plugins.open_scan(settings.scan, house) if settings.scan else None
        check_delivery(settings, self.notices)
        for rung in list_rungs(settings):
            if rung.notice not in self.notices:
                raise SettingsError(
                    f"settings: escalation and alarms: there is no notice {rung.notice!r}; add a section [notices.{rung.notice}]"
                )

    # Parties are opened before the store is, so that wrong settings make none.

    async def _seal(self, value: bytes, about: str, matter: str) -> bytes:
        return await wrapping.seal(self.store, value, about, matter)

    async def _unseal(self, sealed: bytes, about: str) -> bytes:
        return await wrapping.unseal(self.store, sealed, about)

    async def _read_attachment(self, receipt: Receipt, sha256: str) -> bytes:
        try:
            return await self._attachments.hand_out(receipt, sha256)
        except StoreUnavailable as error:
            raise TryLater("store_unavailable", after_s=error.after_s) from None

    def _start_stages(self) -> None:
        settings, store, clock = self._settings, self.store, self._clock
        batch, lease_s = settings.stages.batch, settings.stages.lease_s
        reader = Reader(settings, self.house, self.channels)
        self._workers = Workers(settings, self._keyring, reader)
        collectors = {name: channel for name, channel in self.channels.items() if isinstance(channel, Collect)}
        order = settings.delivery.order
        scanning = self.scanner is not None
        planner = Planner(self.systems, self.notices, settings.escalation, collectors, order, scanning=scanning)
        blobs = open_blobs(settings, store)
        self._attachments = Attachments(store, blobs, reader, scanning=scanning)
        if Role.REGISTER in self._roles:
            wakes = tuple(self._wakes[role] for role in (Role.FORWARD, Role.COLLECT, Role.NOTIFY))
            for lane in range(REGISTER_LANES):
                register = Register(store, self._workers, planner, clock, batch=batch, lease_s=lease_s, wakes=wakes)
                self._run(f"register.{lane}", Role.REGISTER, register.work)
        if Role.COLLECT in self._roles:
            for name, channel in collectors.items():
                collecting = Collecting(
                    name,
                    channel,
                    store,
                    blobs,
                    self._accept,
                    clock,
                    self.transcriber,
                    lease_s=lease_s,
                    limit_bytes=settings.attachments.file_bytes,
                )
                self._run(f"collect.{name}", Role.COLLECT, collecting.work)
            if self.scanner is not None and settings.scan is not None:
                passes = settings.scan.when_away == "pass"
                scanning_stage = Scanning(
                    self.scanner, store, self._attachments, self._accept, clock, passes=passes, lease_s=lease_s
                )
                self._run("scan", Role.COLLECT, scanning_stage.work)
        if Role.FORWARD in self._roles:
            for name, system in self.systems.items():
                forward = Forward(name, system, store, clock, batch=batch, lease_s=lease_s)
                self._run(f"forward.{name}", Role.FORWARD, forward.work)
        words = Words(bank=settings.bank.name, hotline=settings.bank.hotline)
        if Role.NOTIFY in self._roles:
            for name, notifier in self.notices.items():
                notify = Notify(
                    name,
                    notifier,
                    store,
                    clock,
                    words,
                    lease_s=lease_s,
                    link_for=partial(write_status_link, self.house),
                    answer_for=partial(write_answer_link, self.house),
                    repeat=planner.plan_repeat,
                    patience_s=settings.delivery.patience_s,
                )
                self._run(f"notify.{name}", Role.NOTIFY, notify.work)
        if Role.SWEEP in self._roles:
            sealer = self._sealer = Sealer(
                store,
                clock,
                make_signer(self._keyring),
                settings.bank.timezone,
                channels=self.channels,
                renew=lambda: make_signer(open_keyring(settings)),
            )
            self._run("seal", Role.SWEEP, sealer.work, SEAL_EVERY_S)
            sweep = Sweep(
                store,
                clock,
                settings.promises,
                settings.bank.timezone,
                lease_s=lease_s,
                expected={
                    name: entry.expect_every
                    for name, entry in settings.channels.items()
                    if entry.enabled and entry.expect_every
                },
                find_fault=lambda: sealer.fault,
                alarms=Alarms(store, clock, self.notices, words, settings.alarms),
            )
            self._run("sweep", Role.SWEEP, sweep.work, EVERY_S)
            retain = Retain(store, clock, blobs, keep_months=settings.retention.keep)
            self._run("retain", Role.SWEEP, retain.work, RETAIN_EVERY_S)

    def _run(self, name: str, role: Role, work: Callable[[], Awaitable[int]], poll_s: float | None = None) -> None:
        # Each loop has a wake of its own, because waiting clears it.
        wake = Wake()
        self._loops[role].also(wake)
        poll_s = poll_s or self._settings.stages.poll_ms / 1000
        self._tasks.append(asyncio.create_task(drain(name, work, wake, self._stop, poll_s), name=name))

    async def _start_intake(self) -> None:
        server = self._settings.server
        teller = Teller(self.store, self.house)
        intake = Intake(
            keep_soon=self._accept.keep_soon,
            clock=self._clock,
            public_url=self.public_url,
            trusted_proxies=server.trusted_proxies,
            per_minute=server.public_per_minute,
            answer_ask=teller.tell,
        )
        self._health.add_to(intake)
        if Role.ACCEPT in self._roles:
            await self._open_channels(intake)
        listening = intake.build_server()
        self._runner = web.ServerRunner(listening, shutdown_timeout=server.drain_s)
        await self._runner.setup()
        await web.SockSite(self._runner, self._take_port(), backlog=1024).start()
        self._desks = Desks(
            server.processes if Role.ACCEPT in self._roles else 0,
            partial(self._spawn_desk, intake.routes),
            listening,
            intake,
            self._wakes[Role.REGISTER],
        )
        self._tasks.append(asyncio.create_task(self._desks.watch(self._stop), name="desks"))

    def _spawn_desk(self, routes: Routes, line: socket.socket, hands: socket.socket, core: int | None) -> BaseProcess:
        process = open_context().Process(
            target=run_desk,
            args=(self._settings, self.public_url, routes, line, hands, core),
            name="huiyin-desk",
            daemon=True,
        )
        process.start()
        return process

    async def _open_channels(self, intake: Intake) -> None:
        AcknowledgePage(self.store, self._clock, self.house).add_to(intake)
        StatusPage(self.store, self._accept, self.house).add_to(intake)
        for name, channel in self.channels.items():
            if isinstance(channel, Push):
                intake.add_channel(name, channel)
            if isinstance(channel, Listen):
                await channel.listen(self._accept)
                self._listeners.append(channel)
            if isinstance(channel, Poll):
                polling = Polling(name, channel, self._accept, self.store, self._clock)
                self._health.checks[f"channel.{name}"] = polling.check
                self._tasks.append(asyncio.create_task(polling.run(self._stop), name=f"poll.{name}"))


async def serve(settings: Settings, roles: frozenset[Role], announce: Callable[[Gateway], None] | None = None) -> None:
    """Run until SIGTERM or SIGINT, then drain."""
    gateway = Gateway(settings, roles)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # Before it says `ready`: whoever reads that may stop it at once.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await gateway.wait_for_store(stop)
    if stop.is_set():
        return
    await gateway.start()
    if announce:
        announce(gateway)
    settle_memory()
    await stop.wait()
    await gateway.stop()
