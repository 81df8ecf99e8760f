"""Whatever a party calls its secrets, `huiyin check` must not print them."""

import importlib
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel, SecretStr

from config.settings import Settings
from gateway.commands.inventory import _show
from gateway.plugins import list_parties

SECTIONS = {
    "channel": "channels.one",
    "system": "systems.one",
    "notice": "notices.one",
    "speech": "speech",
    "scan": "scan",
}


def holds_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(holds_secret(part) for part in get_args(annotation))


def list_secrets() -> Iterator[tuple[str, str, str]]:
    """(place, party, field) of every setting of every party that is typed as a secret."""
    for party, doors in list_parties().items():
        for door in doors:
            module = importlib.import_module(f"adapters.{party}.settings")
            model: type[BaseModel] = getattr(module, f"{door.title()}Settings")
            yield from ((SECTIONS[door], party, n) for n, f in model.model_fields.items() if holds_secret(f.annotation))


def test_the_parties_have_secrets():
    found = set(list_secrets())
    assert {
        ("channels.one", "hotline", "keys"),
        ("channels.one", "branch_qr", "keys"),
        ("notices.one", "email", "password"),
        ("notices.one", "wechat", "secret"),
        ("speech", "speech_http", "key"),
    } <= found


@pytest.mark.parametrize(("place", "party", "field"), sorted(list_secrets()))
def test_no_secret_is_shown_however_it_is_written(place: str, party: str, field: str):
    for value, dotted in (("sesame", field), (["sesame"], field), ({"1": "sesame"}, f"{field}.1")):
        entry: dict[str, Any] = {"adapter": party, field: value}
        section, _, instance = place.partition(".")
        settings = Settings.model_validate({section: {instance: entry} if instance else entry})
        assert _show(settings, f"{place}.{dotted}") == "(set)"


def test_a_login_inside_an_address_is_not_shown_but_the_address_is():
    settings = Settings.model_validate(
        {"systems": {"one": {"adapter": "webhook", "url": "https://huiyin:sesame@tracker.example/x"}}}
    )
    assert _show(settings, "systems.one.url") == '"https://(set)@tracker.example/x"'


def test_where_secrets_lie_and_how_keys_are_kept_is_shown():
    settings = Settings.model_validate(
        {"keys": {"file": "/k"}, "channels": {"one": {"adapter": "hotline", "keys_file": "/run/secrets/hotline"}}}
    )
    assert _show(settings, "channels.one.keys_file") == '"/run/secrets/hotline"'
    assert _show(settings, "keys.file") == '"/k"'
    assert _show(settings, "channels.one.adapter") == '"hotline"'
