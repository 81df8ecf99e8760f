import stat
from pathlib import Path

import pytest

from config.demo import SECRETS, lend_channel, make_demo
from config.load import load


def test_the_demo_bank_has_its_secrets_in_files_only_its_owner_may_read(tmp_path: Path):
    path = make_demo(tmp_path)
    for name in SECRETS:
        assert stat.S_IMODE((path.parent / name).stat().st_mode) == 0o600
        assert len((path.parent / name).read_text().strip()) >= 16
    loaded = load(path, {})
    assert {entry.adapter for entry in loaded.settings.channels.values()} >= {"hotline", "wechat", "branch_qr", "email"}


def test_a_second_start_keeps_the_demo_bank_as_it_was_edited(tmp_path: Path):
    path = make_demo(tmp_path)
    path.write_text(path.read_text("utf-8").replace("示例银行", "我的银行"), "utf-8")
    (path.parent / "hotline.key").write_text("my-own-key-of-the-hotline\n")
    kept = {p.name: p.read_bytes() for p in path.parent.iterdir()}
    assert make_demo(tmp_path) == path
    assert {p.name: p.read_bytes() for p in path.parent.iterdir()} == kept
    assert load(path, {}).settings.bank.name == "我的银行"


def test_the_demo_bank_is_found_from_any_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    branches = load(make_demo(Path("data")), {}).settings.bank.branches
    assert branches is not None
    assert branches.is_absolute()


def test_a_dry_run_borrows_what_a_party_needs_with_secrets_of_the_moment():
    first, second = lend_channel("wechat"), lend_channel("wechat")
    assert first.keys() == {"adapter", "appid", "tokens", "aes_keys"}
    assert first["tokens"] != second["tokens"]
    assert lend_channel("unheard-of") == {}
