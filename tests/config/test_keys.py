import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from config.keys import read_or_make_key
from config.load import SettingsError


def test_the_first_start_makes_a_key_only_its_owner_may_read_and_later_ones_keep_it(tmp_path: Path):
    path = tmp_path / "keys" / "master.key"
    key = read_or_make_key(path)
    assert len(key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_or_make_key(path) == key
    assert [p.name for p in path.parent.iterdir()] == ["master.key"], "nothing is left beside it"


def test_two_places_make_two_keys(tmp_path: Path):
    assert read_or_make_key(tmp_path / "a") != read_or_make_key(tmp_path / "b")


def test_all_who_start_at_once_get_the_same_key(tmp_path: Path):
    with ThreadPoolExecutor(8) as starters:
        keys = set(starters.map(lambda _: read_or_make_key(tmp_path / "master.key"), range(8)))
    assert len(keys) == 1


@pytest.mark.parametrize("text", ["", "ab" * 31, "ab" * 33, "sesame" * 11, "密" * 64])
def test_a_file_that_is_no_whole_key_is_refused_and_left_as_it_is(tmp_path: Path, text: str):
    path = tmp_path / "master.key"
    path.write_text(text, "utf-8")
    with pytest.raises(SettingsError, match=r"keys\.file: .*master\.key") as refusal:
        read_or_make_key(path)
    assert path.read_text("utf-8") == text, "links out there may still derive from it"
    assert not text or text[:6] not in str(refusal.value)


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"keys\.file: "):
        read_or_make_key(tmp_path / "file" / "master.key")
