"""Between the gateway and its desks (see desks.py): values, whole and in order, over a socket.

Both ends are one program in one version, and the socket has no name that others could open: so values go as pickles.
"""

import asyncio
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias, cast

from multidict import CIMultiDict, MultiDict

from gateway.contract.call import Call

Said: TypeAlias = tuple[Any, ...]
"""Its first value says what it is."""

_LENGTH = 4


class Line(asyncio.Protocol):
    """`heard` gets what the other end says, one after the other; `lost` is called once, when it has gone."""

    def __init__(self, heard: Callable[[Said], None], lost: Callable[[], None]) -> None:
        self._heard = heard
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.WriteTransport | None = None
        self._to_say: list[Said] = []
        self._came = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        self._lost()

    def say(self, said: Said) -> None:
        """Nothing happens on a line that is lost. All that is said in one turn of the loop goes at once."""
        if not self._to_say:
            self._loop.call_soon(self._send)
        self._to_say.append(said)

    def close(self) -> None:
        """After what was said."""
        self._send()
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._came += data
        start = 0
        while (begin := start + _LENGTH) <= len(self._came):
            end = begin + int.from_bytes(self._came[start:begin], "big")
            if end > len(self._came):
                break
            with memoryview(self._came) as came:
                said_in_a_turn = pickle.loads(came[begin:end])  # noqa: S301 - of our own, see above
            start = end
            for said in said_in_a_turn:
                self._heard(said)
        del self._came[:start]

    def _send(self) -> None:
        said, self._to_say = self._to_say, []
        if said and self._transport is not None:
            data = pickle.dumps(said, pickle.HIGHEST_PROTOCOL)
            self._transport.write(len(data).to_bytes(_LENGTH, "big") + data)


def pack(call: Call) -> Call:
    """Which can be said: what aiohttp gives to look at only cannot."""
    return replace(call, query=MultiDict(call.query), headers=CIMultiDict(call.headers), params=dict(call.params))
