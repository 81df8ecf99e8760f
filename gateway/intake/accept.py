"""The one way in: envelopes are durable when `accept` returns, or were not kept at all."""

from collections.abc import Callable, Sequence
from functools import cache

from prometheus_client import Counter

from gateway.contract.envelope import Accepted, Envelope
from gateway.contract.errors import Refused, TryLater
from gateway.ops import metrics
from gateway.store.port import KeyConflict, Store, StoreUnavailable, Tell, Told


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

        self._store.accept_soon(envelopes, told)

    def _count(self, envelopes: Sequence[Envelope], accepted: Sequence[Accepted]) -> None:
        for envelope, got in zip(envelopes, accepted, strict=True):
            outcome = "duplicate" if got.duplicate else "supplement" if got.supplement else "new"
            _find_counter(envelope.channel, outcome).inc()
        if envelopes:
            self._wake()


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
