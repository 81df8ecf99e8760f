"""Committing a batch so that one outcome that cannot be written does not keep its neighbours from being."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from gateway.contract.clock import Millis
from gateway.store.port import StoreUnavailable

T = TypeVar("T")


async def commit(
    write: Callable[[Sequence[T], Millis], Awaitable[Sequence[bool]]],
    results: Sequence[T],
    now: Millis,
    blame: Callable[[T, Exception], T],
) -> Sequence[bool]:
    """All in one transaction; where that fails, each by itself, and the one that is to blame as `blame` says.

    Raises StoreUnavailable: then it is nobody's fault, and nothing was kept.
    """
    try:
        return await write(results, now)
    except StoreUnavailable:
        raise
    except Exception as error:
        if len(results) == 1:
            return await write([blame(results[0], error)], now)
        return [kept for result in results for kept in await commit(write, [result], now, blame)]
