"""The access token of one account, in this process.

Not kept in the store: WeChat's `stable_token` (and WeCom's `gettoken`) give every node the same token for as long as it
is good, so each node asks for itself and none takes it from the others. Only a forced refresh ends a token before its
time; it happens when the server itself refuses the one it gives, and then not again before the cool-down.
"""

import asyncio
from collections.abc import Awaitable, Callable

from gateway.contract.clock import Clock
from gateway.contract.errors import TryLater

EARLY_S = 300
"""A token is replaced this long before its end; old and new are both good meanwhile."""
COOL_DOWN_S = 60
"""Between two refreshes for a refused token. WeChat allows a forced one every 30 s, and 20 a day."""

Fetch = Callable[[bool], Awaitable[tuple[str, float]]]
"""force -> token and its life in seconds."""


class Token:
    def __init__(self, fetch: Fetch, clock: Clock, party: str) -> None:
        self._fetch = fetch
        self._clock = clock
        self._party = party
        # One caller fetches, the others wait for what it brings.
        self._lock = asyncio.Lock()
        self._value = ""
        self._good_until_ms = 0.0
        self._cool_until_ms = 0.0

    async def get(self) -> str:
        async with self._lock:
            if not self._value or self._clock.now_ms() >= self._good_until_ms:
                await self._take(force=False)
            return self._value

    async def renew(self, refused: str) -> str:
        """Another token than the one the server refused. Raises TryLater during the cool-down."""
        async with self._lock:
            if self._value and self._value != refused:
                return self._value
            left_ms = self._cool_until_ms - self._clock.now_ms()
            if left_ms > 0:
                raise TryLater(
                    f"{self._party}_token_refused",
                    "The server refuses the token it gives us; it was refreshed just now.",
                    after_s=left_ms / 1000,
                )
            self._cool_until_ms = self._clock.now_ms() + COOL_DOWN_S * 1000
            await self._take(force=False)
            if self._value == refused:
                await self._take(force=True)
            return self._value

    async def _take(self, *, force: bool) -> None:
        value, life_s = await self._fetch(force)
        self._value = value
        # Of a token in its last minutes the server gives the rest of its life: used to its end, without asking each time.
        self._good_until_ms = self._clock.now_ms() + max(life_s - EARLY_S, min(life_s, 30)) * 1000
