"""The faults: one file each, found by being there."""

import pkgutil
from importlib import import_module

from tests.faults.fault import Fault


def list_faults() -> list[Fault]:
    modules = [import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    return [fault for module in modules for fault in module.FAULTS]
