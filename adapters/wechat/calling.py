"""What the menu and the codes need of WeChat's interface."""

from collections.abc import Mapping
from typing import Any, Protocol


class Client(Protocol):
    """`path` as WeChat's documentation writes it, without the access token. Gives the answer, whose `errcode` is 0 or
    missing; any other, and a WeChat that cannot be reached, raises like a System.
    """

    async def call(self, path: str, body: Mapping[str, object]) -> dict[str, Any]: ...
