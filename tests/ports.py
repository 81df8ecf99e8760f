"""Ports for servers that are told theirs."""

import contextlib
import secrets
import socket
from collections.abc import Iterator


def find_port() -> int:
    """A free one, below those that the system gives to connections: so it stays free until somebody listens on it."""
    with hold_port() as port:
        return port


@contextlib.contextmanager
def hold_port() -> Iterator[int]:
    """The same for a server that is killed and started again: meanwhile nobody else finds it, and takes what was meant for that
    server.
    """
    with contextlib.ExitStack() as stack:
        while True:
            held = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                held.bind(("127.0.0.1", 20_000 + secrets.randbelow(12_000)))
                break
        # Who listens says the same of its own socket, and may bind it beside one that never listens. Who looks for a port does not.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        yield int(held.getsockname()[1])
