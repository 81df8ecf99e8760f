"""Processes beside the gateway's own: forked from one that has everything imported, so that they start at once and share it.

The gateway itself has threads and must not be forked. Python's fork server has none: it imports `gateway.beside`, and what it
forks has that memory in common until it writes to it. Nothing random may be drawn while it imports: all would go on with
the same.
"""

import multiprocessing
from multiprocessing.context import ForkServerContext, SpawnContext


def open_context() -> ForkServerContext | SpawnContext:
    """Starts nothing yet. Where there is no fork, each process is started anew."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["gateway.beside"])
    return context
