"""Where the store is, as the settings say it."""

import pytest

from config.load import SettingsError
from config.settings import Settings
from gateway.engines import find_store_url


def choose(url: str) -> str:
    return find_store_url(Settings.model_validate({"data_dir": "/srv/huiyin", "store": {"url": url}}))


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("", "sqlite:////srv/huiyin/huiyin.db"),
        ("sqlite:///other.db", "sqlite:///other.db"),
        ("postgresql://huiyin@db1,db2:5433/huiyin?sslmode=verify-full", None),
        ("postgresql://huiyin@db1:5433,db2:5434/huiyin", None),
        ("postgresql://huiyin@/huiyin?host=/run/postgresql", None),
    ],
)
def test_the_url_chooses_the_engine(url: str, found: str | None):
    assert choose(url) == (found or url)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://huiyin@db/huiyin", "not in mysql"),
        ("sqlite:///", "sqlite:///path"),
        ("postgresql://huiyin@db", "postgresql://user@host/database"),
        ("postgresql://huiyin:sesame@db/huiyin", "password_file"),
        ("postgresql://huiyin:sesame@db1:5433,db2:5434/huiyin", "password_file"),
        ("postgresql://huiyin@db/huiyin?password=sesame", "password_file"),
    ],
)
def test_any_other_is_refused_in_words_and_without_a_password_that_stands_in_it(url: str, told: str):
    with pytest.raises(SettingsError, match=told) as refusal:
        choose(url)
    assert "sesame" not in str(refusal.value)
