"""Finds every party under adapters/ by itself and opens its doors with the settings of its simulator.

A party is found by its folder alone, so one that is unfinished fails here by name and is never passed over.
"""

import importlib
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

from gateway.contract.ports import Channel, House, Push, System

ADAPTERS = Path(__file__).resolve().parents[2] / "adapters"
PARTIES = sorted(each.name for each in ADAPTERS.iterdir() if each.is_dir() and not each.name.startswith(("_", ".")))


def having(file: str, words: str = "") -> list[str]:
    """Parties with this module (that holds these words): read, not imported, so that collecting never fails."""
    return [
        party for party in PARTIES if (path := ADAPTERS / party / file).is_file() and words in path.read_text("utf-8")
    ]


CHANNELS = having("channel.py")
SYSTEMS = having("system.py")
NUDGES = having("simulator.py", "\nasync def nudge(")
"""Channels that are only told by HTTP that there is something to ask for: nothing of theirs is kept at the door."""
PUSHES = having("simulator.py", "\ndef push(")


def load(party: str, module: str) -> ModuleType:
    try:
        return importlib.import_module(f"adapters.{party}.{module}")
    except ImportError as error:
        raise AssertionError(f"adapters/{party}/{module}.py is missing or cannot be imported: {error}") from error


def simulated_settings(party: str) -> dict[str, Any]:
    if not (ADAPTERS / party / "simulator.py").is_file():
        return {}
    return dict(getattr(load(party, "simulator"), "SETTINGS", {}))


def find_instance(party: str) -> str:
    """The instance name that the simulator's pushes are addressed to."""
    simulator = ADAPTERS / party / "simulator.py"
    if party not in PUSHES or not simulator.is_file():
        return party
    return str(inspect.signature(load(party, "simulator").push).parameters["instance"].default)


def open_channel(party: str, house: House) -> Channel:
    settings = load(party, "settings").ChannelSettings.model_validate(simulated_settings(party))
    channel = load(party, "channel").open_channel(find_instance(party), settings, house)
    assert isinstance(channel, Channel), f"adapters/{party}: open_channel gave no Channel"
    return channel


def open_push(party: str, house: House) -> Push:
    channel = open_channel(party, house)
    assert isinstance(channel, Push), f"adapters/{party}: the simulator pushes, but the channel is no Push"
    return channel


def open_system(party: str, house: House, **settings: object) -> System:
    model = load(party, "settings").SystemSettings.model_validate(simulated_settings(party) | settings)
    system = load(party, "system").open_system(party, model, house)
    assert isinstance(system, System), f"adapters/{party}: open_system gave no System"
    return system
