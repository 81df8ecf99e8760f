"""Where a webhook may go: the address is judged after the name is resolved, and that very address is called."""

import socket
from ipaddress import IPv6Address, ip_address

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from gateway.contract.errors import Misconfigured


class Guard(AbstractResolver):
    """Resolves names and refuses closed addresses, so that a name cannot be pointed elsewhere between check and call."""

    def __init__(self, *, allow_private: bool, allow_loopback: bool) -> None:
        self._allow_private = allow_private
        self._allow_loopback = allow_loopback
        self._resolver: ThreadedResolver | None = None

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        # Made at the first call: it wants a running loop, and systems are opened before there is one.
        self._resolver = self._resolver or ThreadedResolver()
        found = await self._resolver.resolve(host, port, family)
        for each in found:
            self.check(each["host"])
        return found

    async def close(self) -> None:
        if self._resolver:
            await self._resolver.close()

    def check(self, address: str) -> None:
        """Raises Misconfigured unless the settings open this IP address."""
        ip = ip_address(address.partition("%")[0])
        if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
            ip = ip.ipv4_mapped
        if ip.is_loopback:
            is_open = self._allow_loopback
        elif ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip.is_reserved:
            is_open = False
        else:
            is_open = ip.is_global or self._allow_private
        if not is_open:
            raise Misconfigured(
                "address_closed",
                "The webhook's address is not public. If it is the bank's own, set allow_private (or allow_loopback).",
            )
