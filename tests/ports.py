"""Ports for servers that are told theirs."""

import contextlib
import secrets
import socket


def find_port() -> int:
    """A free one, below those that the system gives to connections: so it stays free until somebody listens on it."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", 20_000 + secrets.randbelow(12_000)))
            return int(probe.getsockname()[1])
