"""The one way in: what may not be stored is removed, and envelopes are durable when `accept` returns, or were not kept at all."""

import asyncio
from collections.abc import Callable, Sequence
from functools import cache

from prometheus_client import Counter

from gateway.contract.envelope import Accepted, Envelope
from gateway.contract.errors import Refused, TryLater
from gateway.intake.scrub.envelope import Scrub
from gateway.ops import metrics
from gateway.store.port import KeyConflict, Store, StoreUnavailable, Tell, Told

_LARGE_BYTES = 8_000
"""Removing secrets from more than this must not hold up the other callers."""


class Acceptance:
    """Implements `contract.ports.Accept` over the store. `wake` hints the register stage that there is work."""

    def __init__(self, store: Store, scrub: Scrub, wake: Callable[[], None]) -> None:
        self._store = store
        self._scrub = scrub
        self._wake = wake
        self._is_waking = False

    async def __call__(self, envelopes: Sequence[Envelope]) -> Sequence[Accepted]:
        return await self.keep(envelopes)

    async def keep(
        self, envelopes: Sequence[Envelope], cursor: str | None = None, channel: str = ""
    ) -> Sequence[Accepted]:
        """`cursor` of `channel` is committed with them. Raises TryLater `store_unavailable` or Refused `key_conflict` (409); then nothing of these was kept."""
        clean = await asyncio.to_thread(self._clean, envelopes) if _are_large(envelopes) else self._clean(envelopes)
        try:
            accepted = await self._store.accept(clean, cursor=cursor, channel=channel)
        except (StoreUnavailable, KeyConflict) as error:
            raise explain(error) from error
        self._count(envelopes, accepted)
        return accepted

    def keep_soon(self, envelopes: Sequence[Envelope], tell: Tell) -> None:
        """The same for who must not wait: `tell` gets what was accepted, or the error, here too a TryLater or Refused."""

        def told(outcome: Told) -> None:
            if isinstance(outcome, Exception):
                tell(explain(outcome))
            else:
                self._count(envelopes, outcome)
                tell(outcome)

        if not _are_large(envelopes):
            self._store.accept_soon(self._clean(envelopes), told)
            return

        def cleaned(done: asyncio.Future[Sequence[Envelope]]) -> None:
            try:
                clean = done.result()
            except Exception as bug:
                tell(bug)
            else:
                self._store.accept_soon(clean, told)

        asyncio.get_running_loop().run_in_executor(None, self._clean, envelopes).add_done_callback(cleaned)

    def _clean(self, envelopes: Sequence[Envelope]) -> Sequence[Envelope]:
        clean = []
        for envelope in envelopes:
            scrubbed, removed = self._scrub(envelope)
            for kind, count in removed.items():
                metrics.removed.labels(envelope.channel, kind).inc(count)
            clean.append(scrubbed)
        return clean

    def _count(self, envelopes: Sequence[Envelope], accepted: Sequence[Accepted]) -> None:
        for envelope, got in zip(envelopes, accepted, strict=True):
            outcome = "duplicate" if got.duplicate else "supplement" if got.supplement else "new"
            _find_counter(envelope.channel, outcome).inc()
        if envelopes and not self._is_waking:
            # A group is told in one turn of the loop: one hint is enough for all of it.
            self._is_waking = True
            asyncio.get_running_loop().call_soon(self._wake_once)

    def _wake_once(self) -> None:
        self._is_waking = False
        self._wake()


def _are_large(envelopes: Sequence[Envelope]) -> bool:
    return sum([len(envelope.raw) for envelope in envelopes]) > _LARGE_BYTES


def explain(error: Exception) -> Exception:
    """What the store said, in words for a channel; anything else is a bug and stays what it is."""
    if isinstance(error, StoreUnavailable):
        return TryLater("store_unavailable", "Nothing was kept. Please send it again.", after_s=error.after_s)
    if isinstance(error, KeyConflict):
        return Refused(
            "key_conflict", "This key was used before with other content. Use a new key for new content.", status=409
        )
    return error


@cache
def _find_counter(channel: str, outcome: str) -> Counter:
    # Looking a labelled counter up costs more than counting; there are three per channel.
    return metrics.accepted.labels(channel, outcome)
