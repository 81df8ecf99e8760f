"""The one way in: envelopes are durable when `accept` returns, or were not kept at all."""

from collections.abc import Callable, Sequence
from functools import cache

from prometheus_client import Counter

from gateway.contract.envelope import Accepted, Envelope
from gateway.contract.errors import Refused, TryLater
from gateway.ops import metrics
from gateway.store.port import KeyConflict, Store, StoreUnavailable


class Acceptance:
    """Implements `contract.ports.Accept` over the store. `wake` hints the register stage that there is work."""

    def __init__(self, store: Store, wake: Callable[[], None]) -> None:
        self._store = store
        self._wake = wake

    async def __call__(self, envelopes: Sequence[Envelope]) -> Sequence[Accepted]:
        return await self.keep(envelopes)

    async def keep(
        self, envelopes: Sequence[Envelope], cursor: str | None = None, channel: str = ""
    ) -> Sequence[Accepted]:
        """`cursor` of `channel` is committed with them. Raises TryLater `store_unavailable` or Refused `key_conflict` (409); then nothing of these was kept."""
        try:
            accepted = await self._store.accept(envelopes, cursor=cursor, channel=channel)
        except StoreUnavailable as error:
            raise TryLater(
                "store_unavailable", "Nothing was kept. Please send it again.", after_s=error.after_s
            ) from error
        except KeyConflict:
            raise Refused(
                "key_conflict",
                "This key was used before with other content. Use a new key for new content.",
                status=409,
            ) from None
        for envelope, got in zip(envelopes, accepted, strict=True):
            outcome = "duplicate" if got.duplicate else "supplement" if got.supplement else "new"
            _count(envelope.channel, outcome).inc()
        if envelopes:
            self._wake()
        return accepted


@cache
def _count(channel: str, outcome: str) -> Counter:
    # Looking a labelled counter up costs more than counting; there are three per channel.
    return metrics.accepted.labels(channel, outcome)
