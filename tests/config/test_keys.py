import pickle
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from config.keys import Keyring, add_key, drop_key, make_keyring, read_keyring
from config.load import SettingsError

ONE, TWO = "ab" * 32, "cd" * 32


def test_a_key_is_made_that_only_its_owner_may_read_and_a_second_call_keeps_it(tmp_path: Path):
    path = tmp_path / "keys" / "master.key"
    assert read_keyring(path) is None
    keyring = make_keyring(path)
    assert [len(key) for key in keyring.keys.values()] == [32]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert make_keyring(path) == read_keyring(path) == keyring
    assert [p.name for p in path.parent.iterdir()] == ["master.key"], "nothing is left beside it"


def test_two_places_make_two_keys(tmp_path: Path):
    assert make_keyring(tmp_path / "a") != make_keyring(tmp_path / "b")


def test_all_who_start_at_once_get_the_same_key(tmp_path: Path):
    with ThreadPoolExecutor(8) as starters:
        keyrings = list(starters.map(lambda _: make_keyring(tmp_path / "master.key"), range(8)))
    assert all(keyring == keyrings[0] for keyring in keyrings)


@pytest.mark.parametrize(
    "text",
    ["", "ab" * 31, "ab" * 33, "sesame" * 11, "密" * 64, f"1 {ONE}\n1 {TWO}", f"{ONE}\n{TWO}", f"0 {ONE}", "# nothing"],
)
def test_a_file_that_is_no_whole_keyring_is_refused_and_left_as_it_is(tmp_path: Path, text: str):
    path = tmp_path / "master.key"
    path.write_text(text, "utf-8")
    with pytest.raises(SettingsError, match=r"keys\.file: .*master\.key") as refusal:
        read_keyring(path)
    assert path.read_text("utf-8") == text, "links out there may still derive from it"
    assert ONE[:6] not in str(refusal.value)


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"keys\.file: "):
        make_keyring(tmp_path / "file" / "master.key")


def test_the_highest_version_is_in_use_and_a_lone_key_is_version_1(tmp_path: Path):
    path = tmp_path / "master.key"
    path.write_text(f"# of the year before\n{ONE}\n\n 7 {TWO} \n")
    keyring = read_keyring(path)
    assert keyring is not None
    assert keyring.current == 7
    assert keyring.newest_first() == [bytes.fromhex(TWO), bytes.fromhex(ONE)]


def test_a_new_version_stands_beside_the_old_one_until_it_is_dropped(tmp_path: Path):
    path = tmp_path / "master.key"
    path.write_text(f"# ours\n{ONE}\n")
    path.chmod(0o600)
    assert add_key(path) == 2
    both = read_keyring(path)
    assert both is not None
    assert both.keys[1] == bytes.fromhex(ONE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(SettingsError, match="the one in use"):
        drop_key(path, 2)
    with pytest.raises(SettingsError, match="no version 5"):
        drop_key(path, 5)
    drop_key(path, 1)
    alone = read_keyring(path)
    assert alone is not None
    assert dict(alone.keys) == {2: both.keys[2]}
    assert path.read_text().startswith("# ours\n2 ")
    assert [p.name for p in tmp_path.iterdir()] == ["master.key"]


def test_a_keyring_shows_no_key_and_can_be_handed_to_another_process(tmp_path: Path):
    keyring = Keyring({1: bytes.fromhex(ONE)})
    assert ONE not in repr(keyring)
    assert "\\xab" not in repr(keyring)
    assert pickle.loads(pickle.dumps(keyring)) == keyring


def test_a_command_of_the_banks_may_give_the_keys(tmp_path: Path):
    command = (sys.executable, "-c", f"print('3 {TWO}')")
    keyring = read_keyring(tmp_path / "none", command)
    assert keyring is not None
    assert dict(keyring.keys) == {3: bytes.fromhex(TWO)}


@pytest.mark.parametrize(
    "code",
    [
        f"print('{ONE}'); raise SystemExit(1)",
        f"print('{ONE}' * 2)",
        "print()",
        "import sys; sys.stdout.buffer.write(b'\xff')",
    ],
)
def test_a_command_that_gives_none_is_said_without_what_it_printed(tmp_path: Path, code: str):
    with pytest.raises(SettingsError, match=r"keys\.command: ") as refusal:
        read_keyring(tmp_path / "none", (sys.executable, "-c", code))
    assert ONE[:6] not in str(refusal.value)
    with pytest.raises(SettingsError, match=r"keys\.command: "):
        read_keyring(tmp_path / "none", (str(tmp_path / "missing"),))
