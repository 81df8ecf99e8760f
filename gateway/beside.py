"""All that processes beside the gateway's own run, imported once for all of them (see ops/forking.py)."""

import gc

import gateway.desk
import gateway.stages.workers

__all__ = ["gateway"]

# A collection looks at every object, and would make each process a copy of its own of every page.
gc.freeze()
