"""Telling people on duty what is past its promise: all of it in one word, again and again until it is solved."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from config.settings import AlarmSettings, Rung
from gateway.contract.clock import Clock, Millis
from gateway.contract.draft import Address
from gateway.contract.errors import AdapterError
from gateway.contract.ports import Notice, Notifier, Purpose
from gateway.ops import metrics
from gateway.ops.logs import log
from gateway.stages.register import find_address
from gateway.stages.settle import find_pause
from gateway.stages.words import Alarm, Words
from gateway.store.port import Store
from gateway.store.rows import AlarmCall

LONGEST_MS = 600_000
"""Nobody is waited for longer than that before another attempt."""
LIMIT_S = 30.0
"""A notifier that hangs longer is given up."""


class Alarms:
    """`words` writes the notice. Who was told when stands in the store: nodes take turns, and a restart repeats nothing."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        notices: Mapping[str, Notifier],
        words: Words,
        settings: AlarmSettings,
    ) -> None:
        self._store = store
        self._clock = clock
        self._notices = notices
        self._words = words
        self._settings = settings

    async def tell(self, broken: Sequence[Alarm]) -> None:
        """Called at every sweep with all that is broken then. A notifier that fails is tried again later."""
        now = self._clock.now_ms()
        since = await self._store.note_alarms({alarm.key for alarm in broken}, now)
        if not broken or not self._settings.to:
            return
        calls = await self._store.read_calls()
        await asyncio.gather(*(self._call(rung, broken, since, calls, now) for rung in self._settings.to))

    async def _call(
        self, rung: Rung, broken: Sequence[Alarm], since: Mapping[str, int], calls: Mapping[str, AlarmCall], now: Millis
    ) -> None:
        recipient = hashlib.sha256(f"{rung.notice}\0{rung.to}".encode()).hexdigest()[:32]
        call = calls.get(recipient, AlarmCall(recipient))
        ripe = [alarm for alarm in broken if since[alarm.key] + rung.after_s * 1000 <= now]
        if not ripe or not self._is_time(call, max(since[alarm.key] + rung.after_s * 1000 for alarm in ripe), now):
            return
        held = replace(call, due_ms=now + round(2 * LIMIT_S * 1000))
        if not await self._store.move_call(call, held):
            return  # another node is at it
        try:
            await self._send(rung, ripe, call)
        except Exception as error:
            self._complain(rung, error)
            pause_ms = round(find_pause(call.attempts + 1) * 1000)
            await self._store.move_call(held, replace(call, due_ms=now + pause_ms, attempts=call.attempts + 1))
            return
        metrics.alarm_calls.labels(rung.notice, "told").inc()
        log.info("alarm.told", notice=rung.notice, alarms=len(ripe))
        await self._store.move_call(held, AlarmCall(recipient, told_ms=now))

    def _is_time(self, call: AlarmCall, ripe_ms: int, now: Millis) -> bool:
        """Something new since the last word, or the last word is long ago."""
        if call.told_ms > now or call.due_ms > now + LONGEST_MS:
            return True  # a clock had run ahead
        if now < call.due_ms:
            return False
        gone_ms = now - call.told_ms
        return gone_ms >= self._settings.repeat_s * 1000 or (
            ripe_ms > call.told_ms and gone_ms >= self._settings.quiet_s * 1000
        )

    async def _send(self, rung: Rung, ripe: Sequence[Alarm], call: AlarmCall) -> None:
        text = self._words.alarm(ripe, self._settings.language)
        to: Address = find_address(rung.to)
        notice = Notice(
            # The same until somebody was told: an attempt that succeeded unseen and the next are one.
            id=f"alarm-{call.recipient}-{call.told_ms}",
            purpose=Purpose.WARNING,
            to=to,
            subject=text.subject,
            text=text.body,
            receipt=None,
            language=self._settings.language,
        )
        async with asyncio.timeout(LIMIT_S):
            await self._notices[rung.notice].send(notice)

    def _complain(self, rung: Rung, error: Exception) -> None:
        metrics.alarm_calls.labels(rung.notice, "failed").inc()
        if isinstance(error, AdapterError):
            log.error("alarm.untold", notice=rung.notice, code=error.code)
        elif isinstance(error, TimeoutError):
            log.error("alarm.untold", notice=rung.notice, code="timeout")
        else:
            metrics.bugs.labels(rung.notice).inc()
            log.error("alarm.untold", notice=rung.notice, code="bug", exc_info=error)
