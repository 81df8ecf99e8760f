from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from config.load import SettingsError, load, validate
from config.secret import Secret


def write(folder: Path, text: str) -> Path:
    path = folder / "huiyin.toml"
    path.write_text(text, "utf-8")
    return path


def test_the_file_overrides_the_defaults_the_environment_the_file_and_the_command_line_all(tmp_path: Path):
    path = write(tmp_path, '[server]\nhost = "10.0.0.1"\nport = 81\npublic_url = "https://echo.bank.example"\n')
    environment = {"HUIYIN__SERVER__PORT": "82", "HUIYIN__SERVER__PUBLIC_URL": "https://other.bank.example"}
    loaded = load(path, environment, {"server": {"public_url": "https://told.bank.example"}})
    server = loaded.settings.server
    assert (server.drain_s, server.host, server.port) == (20, "10.0.0.1", 82)
    assert server.public_url == "https://told.bank.example"
    assert {key: loaded.sources[f"server.{key}"] for key in ("drain_s", "host", "port", "public_url")} == {
        "drain_s": "default",
        "host": f"file {path}",
        "port": "environment HUIYIN__SERVER__PORT",
        "public_url": "command line",
    }


def test_every_shipped_default_is_the_one_in_the_code():
    """A bank reads default.toml; the models must not say something else."""
    from config.settings import Settings

    shipped = load(None, {}).settings.model_dump()
    assert shipped == Settings().model_dump()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("sever = 1", "sever"),
        ("[server]\nprot = 8080", "server.prot"),
        ('[escalation]\ncritical = [{ notice = "a", to = "b", after = 3 }]', "escalation.critical.0.after"),
        ("[server]\nport = 70000", "server.port"),
        ("[channels.x]\nkeys = []", "channels.x.adapter"),
        ('[channels.x]\nadapter = "../evil"', "channels.x.adapter"),
    ],
)
def test_an_unknown_or_wrong_key_refuses_and_is_named(tmp_path: Path, text: str, named: str):
    with pytest.raises(SettingsError, match="settings: ") as refusal:
        load(write(tmp_path, text), {})
    assert named in str(refusal.value)


@pytest.mark.parametrize("content", [b"[server\nport = 1", "名".encode("gb18030"), b"a = 1\na = 2"])
def test_a_file_that_is_no_toml_is_said_with_its_path(tmp_path: Path, content: bytes):
    path = tmp_path / "huiyin.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"huiyin\.toml cannot be read"):
        load(path, {})


def test_a_missing_file_is_said_with_its_path(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"there is no file .*nothing\.toml"):
        load(tmp_path / "nothing.toml", {})


def test_an_unknown_key_in_the_environment_refuses():
    with pytest.raises(SettingsError, match=r"server\.prot"):
        load(None, {"HUIYIN__SERVER__PROT": "1"})


def test_lists_and_tables_in_the_environment_are_written_as_in_toml():
    environment = {
        "HUIYIN__SERVER__TRUSTED_PROXIES": '["10.0.0.5", "10.0.0.6"]',
        "HUIYIN__ESCALATION__HIGH": '[{ notice = "duty", to = "duty@bank.example", after_s = 5 }]',
    }
    settings = load(None, environment).settings
    assert settings.server.trusted_proxies == ("10.0.0.5", "10.0.0.6")
    assert [(rung.notice, rung.after_s) for rung in settings.escalation.high] == [("duty", 5)]


def test_a_broken_list_in_the_environment_is_refused_without_its_value():
    with pytest.raises(SettingsError) as refusal:
        load(None, {"HUIYIN__CHANNELS__A__KEYS": '["sesame-open'})
    assert "HUIYIN__CHANNELS__A__KEYS" in str(refusal.value)
    assert "sesame" not in str(refusal.value)


def test_an_instance_in_the_environment_is_found_by_the_spelling_of_the_file(tmp_path: Path):
    path = write(tmp_path, '[channels.Hotline-95561]\nadapter = "hotline"\nlimit_bytes = 1000\n')
    loaded = load(path, {"HUIYIN__CHANNELS__HOTLINE-95561__LIMIT_BYTES": "2000"})
    assert set(loaded.settings.channels) == {"Hotline-95561"}
    assert loaded.settings.channels["Hotline-95561"].own() == {"limit_bytes": "2000"}


def test_a_section_that_is_also_a_value_is_refused(tmp_path: Path):
    with pytest.raises(SettingsError, match="server is a value in one place"):
        load(write(tmp_path, "server = 1"), {"HUIYIN__SERVER__PORT": "1"})


# --- secrets -------------------------------------------------------------------------------------------------------


class Party(BaseModel):
    model_config = ConfigDict(extra="forbid")

    key: Secret | None = None
    keys: tuple[Secret, ...] = ()
    port: int = 0


def test_a_secret_may_stand_in_a_file_alone_or_several_one_a_line(tmp_path: Path):
    (tmp_path / "one").write_text("  sesame \n")
    (tmp_path / "many").write_text("new\r\n\n  old\n\n")
    values = {"key_file": str(tmp_path / "one"), "keys_file": str(tmp_path / "many")}
    party = validate(Party, values, "channels.x")
    assert party.key is not None
    assert party.key.get_secret_value() == "sesame"
    assert [key.get_secret_value() for key in party.keys] == ["new", "old"], "an empty line is no secret"


def test_the_password_of_the_store_stands_in_a_file_and_in_no_printout(tmp_path: Path):
    (tmp_path / "password").write_text("sesame\n")
    path = write(
        tmp_path, f'[store]\nurl = "postgresql://huiyin@db/huiyin"\npassword_file = "{tmp_path / "password"}"\n'
    )
    settings = load(path, {}).settings
    assert settings.store.password is not None
    assert settings.store.password.get_secret_value() == "sesame"
    assert "sesame" not in repr(settings) + settings.model_dump_json()
    with pytest.raises(SettingsError, match=r"store\.password_file: password is set as well"):
        load(path, {"HUIYIN__STORE__PASSWORD": "other"})


def test_a_secret_given_twice_is_refused_rather_than_one_of_them_chosen(tmp_path: Path):
    (tmp_path / "one").write_text("sesame")
    with pytest.raises(SettingsError, match=r"channels\.x\.key_file: key is set as well"):
        validate(Party, {"key": "other", "key_file": str(tmp_path / "one")}, "channels.x")


def test_an_unreadable_secret_file_is_said_with_its_key_and_path(tmp_path: Path):
    (tmp_path / "gbk").write_bytes("密钥".encode("gb18030"))
    for name, reason in (("none", "No such file"), ("gbk", "no text in UTF-8"), (".", "Is a directory")):
        with pytest.raises(SettingsError, match=rf"channels\.x\.key_file: .*{reason}"):
            validate(Party, {"key_file": str(tmp_path / name)}, "channels.x")


def test_no_error_and_no_printout_of_the_settings_holds_a_secret():
    with pytest.raises(SettingsError) as refusal:
        validate(Party, {"key": "sesame-1", "keys": [["sesame-2"]], "port": "sesame-3"}, "channels.x")
    party = validate(Party, {"key": "sesame-1", "keys": ["sesame-2"]}, "channels.x")
    for text in (str(refusal.value), repr(party), str(party), party.model_dump_json()):
        assert "sesame" not in text
