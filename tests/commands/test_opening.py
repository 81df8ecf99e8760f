import mailbox
from pathlib import Path

import pytest

from gateway.commands import Refusal
from gateway.commands.opening import list_files, open_file


def test_files_come_in_the_order_given_and_folders_in_the_order_of_their_names(tmp_path: Path):
    for name in ("b/2.json", "b/10.json", "b/sub/0.json", "a.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    given = [str(tmp_path / "b"), str(tmp_path / "a.json"), "-", str(tmp_path / "missing")]
    found = [name.removeprefix(f"{tmp_path}/") for name in list_files(given)]
    assert found == ["b/10.json", "b/2.json", "b/sub/0.json", "a.json", "-", "missing"]


def test_of_a_maildir_only_what_was_delivered_is_read(tmp_path: Path):
    box = mailbox.Maildir(tmp_path / "box")
    new = box.add(b"Subject: new\n\nnew\n")
    seen = mailbox.MaildirMessage(b"Subject: seen\n\nseen\n")
    seen.set_subdir("cur")
    seen.set_flags("S")
    box.add(seen)
    box.add_folder("Archive").add(b"Subject: old\n\nold\n")
    (tmp_path / "box" / "tmp" / "half").write_text("Subject: ha")
    (tmp_path / "box" / "dovecot.index").write_text("the mail server's own")
    found = [Path(name).relative_to(tmp_path / "box") for name in list_files([str(tmp_path / "box")])]
    assert sorted(path.parent.as_posix() for path in found) == [".Archive/new", "cur", "new"]
    assert new in {path.name for path in found}


def test_a_folder_named_tmp_that_is_no_part_of_a_maildir_is_read(tmp_path: Path):
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / "call.json").write_text("{}")
    assert list(list_files([str(tmp_path)])) == [str(tmp_path / "tmp" / "call.json")]


def test_a_link_to_a_folder_above_is_not_followed_for_ever(tmp_path: Path):
    (tmp_path / "call.json").write_text("{}")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert list(list_files([str(tmp_path)])) == [str(tmp_path / "call.json")]


def test_a_file_that_cannot_be_opened_is_said_with_its_name_and_reason(tmp_path: Path):
    (tmp_path / "socket").mkdir()
    for name, reason in (("missing", "No such file"), ("socket", "Is a directory")):
        with pytest.raises(Refusal, match=rf"{name} cannot be read: {reason}"), open_file(str(tmp_path / name)):
            pass
