"""What the menu and the codes need of WeChat's interface."""

from collections.abc import Mapping
from typing import Any, Protocol


class Client(Protocol):
    """`path` without a slash before it and without the access token. Gives the answer, whose `errcode` is 0 or missing;
    any other, and a WeChat that cannot be reached, raises like a System.
    """

    async def post(self, path: str, json: Mapping[str, Any]) -> dict[str, Any]: ...
