"""Wrong settings are told at the start, without telling the secrets."""

import pytest
from pydantic import ValidationError

from adapters.wechat.settings import ChannelSettings
from adapters.wechat.simulator import SETTINGS
from adapters.wechat.texts import LANGUAGES, NAMES, SHIPPED, check_text


def open_wrong(**changes):
    with pytest.raises(ValidationError) as caught:
        ChannelSettings.model_validate({**SETTINGS, **changes})
    return str(caught.value)


def test_the_safe_mode_is_the_default():
    settings = ChannelSettings.model_validate({name: SETTINGS[name] for name in ("appid", "tokens", "aes_keys")})
    assert settings.mode == "safe"


@pytest.mark.parametrize("mode", ["safe", "compatible"])
def test_encryption_needs_a_key(mode):
    assert "aes_keys is needed" in open_wrong(mode=mode, aes_keys=[])


def test_plain_mode_needs_none():
    assert ChannelSettings.model_validate({**SETTINGS, "mode": "plain", "aes_keys": []}).aes_keys == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"tokens": []},
        {"tokens": ["x"]},
        {"mode": "raw"},
        {"appid": ""},
        {"token": "abc"},
        {"window_s": -1},
        {"limit_bytes": 10},
        {"texts": {"received": "谢谢"}},
        {"texts": {"supplemented": "{receipt}" * 100}},
        {"texts": {"goodbye": "再见"}},
        {"texts": {"received": {"zh-Hans": "谢谢"}}},
        {"texts": {"received": {"fr": "{receipt}"}}},
        {"texts": {"ended": "再见"}},
        {"texts": {"welcome": "{openid}"}},
        {"texts": {"received": "{receipt} {link}"}},
        {"texts": {"received": "x" * 590 + "{receipt}"}},
        {"end_words": [" "]},
        {"kind_words": {"curse": ["!"]}},
        {"follow_ups": "sometimes"},
        {"conversation_window_s": 86_401},
        {"branch_window_s": -1},
        {"scene_prefix": "a b"},
        {"scenes": {"1001": ""}},
        {"scenes": {"1" * 65: "F0591001"}},
        {"menu": [{"name": "x"}]},
    ],
)
def test_what_cannot_work_is_refused(changes):
    assert next(iter(changes)) in open_wrong(**changes)


def test_an_error_does_not_repeat_the_secrets():
    text = open_wrong(aes_keys=["my-secret-key-of-the-wrong-length"], tokens=["q!"])
    assert "43" in text
    assert "my-secret" not in text
    assert "q!" not in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_shipped_text_is_there_in_every_language_and_fits(language):
    assert SHIPPED[language].keys() == NAMES
    for name, text in SHIPPED[language].items():
        check_text(name, text)
