"""What each command of `huiyin` does. A command gets the parsed options and returns the exit status."""

import argparse
import importlib
from collections.abc import Callable, Mapping

_PLACES: Mapping[str, str] = {
    "serve": "serve",
    "check": "inventory",
    "channels": "inventory",
    "systems": "inventory",
    "migrate": "inventory",
    "schema": "inventory",
    "normalize": "dry_run",
    "triage": "dry_run",
    "import": "importing",
    "trace": "people",
    "parked": "people",
    "release": "people",
    "dismiss": "people",
    "decided": "people",
    "find": "finding",
    "tell": "telling",
    "attachments": "attachments",
    "scan": "scanning",
    "export": "exporting",
    "simulate": "simulating",
    "replay": "replay",
    "retain": "retaining",
    "audit": "auditing",
    "keys": "keys",
    "conservation": "conservation",
    "qr": "posters",
    "menu": "posters",
}


class Refusal(Exception):
    """A user's mistake or a state of the world, said in one line; exit status 1."""


def _run(name: str) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        module = importlib.import_module(f"gateway.commands.{_PLACES[name]}")
        command: Callable[[argparse.Namespace], int] = getattr(module, f"run_{name}")
        return command(options)

    return run


COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {name: _run(name) for name in _PLACES}
