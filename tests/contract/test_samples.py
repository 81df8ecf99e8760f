"""What each sample says becomes the draft that is written beside it."""

import json
from pathlib import Path

import pytest

from gateway.contract.errors import AdapterError
from gateway.contract.ports import Files, House
from tests.contract.drafts import describe
from tests.contract.parties import ADAPTERS, CHANNELS, open_channel

SAMPLES = sorted(path for party in CHANNELS for path in (ADAPTERS / party / "samples").glob("*.in.*"))


def find_expected(sample: Path) -> Path:
    return sample.with_name(f"{sample.name.partition('.in.')[0]}.out.json")


def split_sample(sample: Path, house: House) -> list[dict[str, object]]:
    channel = open_channel(sample.parent.parent.name, house)
    assert isinstance(channel, Files), f"{sample} cannot be read: its channel takes no files"
    with sample.open("rb") as source:
        return [
            describe(channel, envelope) for envelope in channel.split(source, sample.name.replace(".in.", "."), None)
        ]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: f"{path.parent.parent.name}-{path.name}")
def test_a_sample_becomes_the_draft_beside_it(sample: Path, house: House) -> None:
    expected = find_expected(sample)
    assert expected.is_file(), f"{expected} is missing"
    assert split_sample(sample, house) == json.loads(expected.read_text("utf-8"))


@pytest.mark.parametrize("party", CHANNELS)
def test_no_expectation_stands_without_its_sample(party: str) -> None:
    folder = ADAPTERS / party / "samples"
    alone = [path.name for path in folder.glob("*.out.json") if not list(folder.glob(f"{path.name[:-9]}.in.*"))]
    assert not alone


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: f"{path.parent.parent.name}-{path.name}")
def test_a_second_import_adds_nothing_and_a_damaged_file_is_still_kept(
    sample: Path, house: House, tmp_path: Path
) -> None:
    channel = open_channel(sample.parent.parent.name, house)
    assert isinstance(channel, Files)
    name = sample.name.replace(".in.", ".")
    with sample.open("rb") as first, sample.open("rb") as second:
        keys = [(each.source_key, each.content_digest()) for each in channel.split(first, name, None)]
        assert keys == [(each.source_key, each.content_digest()) for each in channel.split(second, name, None)]
    assert keys, "a file gives at least one envelope"
    codes: list[str] = []
    half = tmp_path / name
    half.write_bytes(sample.read_bytes()[: sample.stat().st_size // 2])
    with half.open("rb") as source:
        for envelope in channel.split(source, name, None):
            try:
                channel.draft(envelope)
            except AdapterError as error:
                codes.append(error.code)
    assert all(code.replace("_", "").isalnum() for code in codes)
