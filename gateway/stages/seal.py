"""Sealing what was written: the history's rows become blocks of the chain, the days their sums. See docs/audit.md.

Beside the way of a complaint: nothing waits for a seal, and a sealer that is away costs nothing but the time until what
was written is proven.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from config.keys import Keyring
from gateway.contract.clock import Clock
from gateway.contract.ports import Channel, Numbers, SourceNumber
from gateway.contract.signing import derive_key
from gateway.ops import metrics
from gateway.ops.logs import log
from gateway.store.chain import Days, Sealing, Signer
from gateway.store.port import Store

EVERY_S = 5.0
PURPOSE = "audit/chain"


def make_signer(keyring: Keyring, *older: Keyring) -> Signer:
    """Signs with the newest master key and recognises the others, and those of keyrings that were used before."""
    return Signer([derive_key(key, PURPOSE) for each in (keyring, *older) for key in each.newest_first()])


class Sealer:
    """Any number of nodes may run one; they do not get in each other's way."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        signer: Signer,
        timezone: str,
        *,
        channels: Mapping[str, Channel] | None = None,
        renew: Callable[[], Signer] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`renew` reads the keyring anew: the master key may have been renewed while this runs. It blocks, and may raise."""
        self._store = store
        self._renew = renew
        self._clock = clock
        numbering = {
            name: partial(_find_number, name, channel)
            for name, channel in (channels or {}).items()
            if isinstance(channel, Numbers) and channel.counts
        }
        self._how = Sealing(signer, Days(timezone), numbering)
        self._monotonic = monotonic
        # What could be seen when. Not the rows' own time: clocks jump.
        self._seen: deque[tuple[float, int]] = deque()
        self._settled = 0
        self.fault = ""
        """What is wrong with the head of the chain; nothing is sealed until a person has looked."""

    async def work(self) -> int:
        """As below. Rests as long as it worked, so that a long history to catch up with does not press on the door."""
        begin = self._monotonic()
        done = await self.seal()
        if done:
            await asyncio.sleep(self._monotonic() - begin)
        return done

    async def seal(self) -> int:
        """Seals one block, or sums one day. Returns what it did: while it is not 0 there may be more."""
        settled = await self._find_settled()
        sealed = await self._store.seal(settled, self._how, self._clock.now_ms())
        if sealed.fault and sealed.fault != self.fault and await self._renew_signer():
            sealed = await self._store.seal(settled, self._how, self._clock.now_ms())
        self.fault = sealed.fault
        if sealed.fault:
            metrics.chain_faults.set(1)
            log.error("audit.broken", reason=sealed.fault)
            return 0
        metrics.chain_faults.set(0)
        if sealed.number:
            metrics.chain_blocks.set(sealed.number)
        for seq in sealed.late:
            metrics.late_rows.inc()
            log.error("audit.late_row", row=seq, block=sealed.number)
        if sealed.day:
            log.info("audit.day_summed", day=sealed.day, block=sealed.number)
        # Where another sealer was quicker, it goes on and this one waits.
        return sealed.rows + len(sealed.late) + bool(sealed.day)

    async def _renew_signer(self) -> bool:
        if self._renew is None:
            return False
        try:
            signer = await asyncio.to_thread(self._renew)
        except Exception as error:  # the fault is told; what keeps the keyring away stands beside it
            log.error("audit.keyring_unread", reason=type(error).__name__)
            return False
        self._how = replace(self._how, signer=signer)
        return True

    async def finish(self, limit_s: float) -> None:
        """Seal what is left before the gateway stops, for so long."""
        until = self._monotonic() + limit_s
        while self._monotonic() < until and await self.seal():
            pass

    async def _find_settled(self) -> int:
        """The last number of which nothing before it can become visible any more."""
        now = self._monotonic()
        self._seen.append((now, await self._store.newest_move()))
        while self._seen and self._seen[0][0] <= now - self._store.settle_s:
            self._settled = self._seen.popleft()[1]
        return self._settled


def _find_number(name: str, channel: Numbers, source_key: str) -> SourceNumber | None:
    try:
        return channel.find_number(source_key)
    except Exception:
        # What was written is sealed all the same.
        metrics.bugs.labels(name).inc()
        log.exception("number.unfound", channel=name)
        return None
