"""Every folder under adapters/ is a party with the modules that the machine looks for."""

import pytest

from gateway.contract.ports import Files, House, Listen, Notifier, Poll, Push
from tests.contract.parties import ADAPTERS, CHANNELS, NUDGES, PARTIES, PUSHES, SYSTEMS, load, open_channel, open_system

DOORS = {
    "channel": ("ChannelSettings", "open_channel"),
    "system": ("SystemSettings", "open_system"),
    "notice": ("NoticeSettings", "open_notice"),
    "speech": ("SpeechSettings", "open_speech"),
    "scan": ("ScanSettings", "open_scan"),
}


def test_there_are_parties_to_check() -> None:
    assert {"hotline", "ledger", "webhook"} <= set(PARTIES)


@pytest.mark.parametrize("party", PARTIES)
def test_a_party_offers_a_door_and_says_how_to_use_it(party: str) -> None:
    folder = ADAPTERS / party
    for needed in ("__init__.py", "settings.py", "README.md"):
        assert (folder / needed).is_file(), f"adapters/{party}/{needed} is missing"
    doors = [door for door in DOORS if (folder / f"{door}.py").is_file()]
    assert doors, f"adapters/{party} has no {', '.join(DOORS)} module"
    for door in doors:
        model, opening = DOORS[door]
        settings = load(party, "settings")
        assert hasattr(settings, model), f"adapters/{party}/settings.py lacks {model}"
        assert getattr(settings, model).model_config.get("extra") == "forbid", (
            f"{party}.{model}: unknown keys must refuse"
        )
        assert hasattr(load(party, door), opening), f"adapters/{party}/{door}.py lacks {opening}()"


@pytest.mark.parametrize("party", CHANNELS)
def test_a_channel_has_a_way_in_and_a_simulator_that_knows_it(party: str, house: House) -> None:
    assert hasattr(load(party, "simulator"), "SETTINGS"), f"adapters/{party}/simulator.py lacks SETTINGS"
    channel = open_channel(party, house)
    assert isinstance(channel, (Push, Files, Poll, Listen)), f"adapters/{party}: nothing can come in"
    assert isinstance(channel, Push) == (party in PUSHES or party in NUDGES), (
        f"adapters/{party}/simulator.py: push() is missing or too much"
    )


@pytest.mark.parametrize("party", CHANNELS)
def test_a_channel_that_takes_files_brings_samples(party: str, house: House) -> None:
    if isinstance(open_channel(party, house), Files):
        samples = list((ADAPTERS / party / "samples").glob("*.in.*"))
        assert samples, f"adapters/{party}/samples has no <case>.in.*"


@pytest.mark.parametrize("party", SYSTEMS)
async def test_a_system_opens_and_closes_without_a_call(party: str, house: House) -> None:
    system = open_system(party, house)
    assert not isinstance(system, Notifier)
    await system.close()
