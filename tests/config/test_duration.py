from pathlib import Path

import pytest

from config.load import SettingsError, load

CHANNEL = '[channels.95561]\nadapter = "hotline"\n'


def read(folder: Path, line: str) -> int:
    path = folder / "huiyin.toml"
    path.write_text(CHANNEL + line, "utf-8")
    return load(path, {}).settings.channels["95561"].expect_every


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("", 0),
        ('expect_every = "90s"', 90),
        ('expect_every = "15m"', 900),
        ('expect_every = " 2 h "', 7_200),
        ('expect_every = "1d"', 86_400),
        ('expect_every = "45"', 45),
        ("expect_every = 45", 45),
    ],
)
def test_a_length_of_time_is_read_as_people_write_it(tmp_path: Path, line: str, seconds: int):
    assert read(tmp_path, line) == seconds


@pytest.mark.parametrize("text", ['"soon"', '"-15m"', '"1w"', "-1", '"15 m m"', "1.5"])
def test_what_is_no_length_of_time_refuses_and_is_named(tmp_path: Path, text: str):
    with pytest.raises(SettingsError, match=r"channels\.95561\.expect_every"):
        read(tmp_path, f"expect_every = {text}")


def test_it_is_no_part_of_what_the_party_reads(tmp_path: Path):
    path = tmp_path / "huiyin.toml"
    path.write_text(CHANNEL + 'expect_every = "15m"\nkeys = ["k"]\n', "utf-8")
    assert load(path, {}).settings.channels["95561"].own() == {"keys": ["k"]}
    loaded = load(path, {"HUIYIN__CHANNELS__95561__EXPECT_EVERY": "2h"})
    assert loaded.settings.channels["95561"].expect_every == 7_200


def read_keep(folder: Path, text: str) -> int:
    path = folder / "huiyin.toml"
    path.write_text(f"[retention]\nkeep = {text}\n", "utf-8")
    return load(path, {}).settings.retention.keep


@pytest.mark.parametrize(("text", "months"), [('""', 0), ('"18mo"', 18), ('"5y"', 60), ('" 1 y "', 12), ("6", 6)])
def test_how_long_something_is_kept_is_read_as_people_write_it(tmp_path: Path, text: str, months: int):
    assert read_keep(tmp_path, text) == months


@pytest.mark.parametrize("text", ['"5"', '"5m"', '"90d"', '"-1y"', "-1"])
def test_what_is_no_time_to_keep_something_refuses_and_is_named(tmp_path: Path, text: str):
    with pytest.raises(SettingsError, match=r"retention\.keep"):
        read_keep(tmp_path, text)
