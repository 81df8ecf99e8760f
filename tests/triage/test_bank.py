"""What a bank changes without touching code: its own words, signals off, a file of its own."""

from pathlib import Path

import pytest

from config.load import SettingsError
from config.settings import TriageSettings
from gateway.contract.verdict import Level
from gateway.triage.rules import load_rules
from tests.triage.test_signals import RAISED
from tests.triage.verdicts import find, shipped, tell

CALM = "请问龙腾宝的利率是多少，谢谢"
SHIPPED = Path(__file__).parents[2] / "config" / "triage.toml"


def test_a_banks_own_words_raise_their_signal_whatever_else_the_text_says() -> None:
    rules = load_rules(TriageSettings(terms={"fraud_transfer": ("龍騰寶",)}))
    assert tell(CALM).verdict.level is Level.NORMAL
    judgement = tell(CALM, rules=rules)
    assert judgement.verdict.level is Level.CRITICAL
    signal = find(judgement, "fraud_transfer")
    assert signal is not None
    assert "龙腾宝" in signal.evidence.text


def test_a_signal_that_a_bank_switched_off_is_never_raised() -> None:
    rules = load_rules(TriageSettings(off=("agitated", "pattern_critical", "pattern_high")))
    for text in RAISED.values():
        raised = {signal.id for signal in tell(text, rules=rules).verdict.signals}
        assert raised.isdisjoint({"agitated", "pattern_critical", "pattern_high"})


def test_whatever_can_change_a_verdict_changes_the_version_that_is_written_beside_it() -> None:
    changed = [
        TriageSettings(off=("agitated",)),
        TriageSettings(off=("pattern_high",)),
        TriageSettings(terms={"agitated": ("气煞",)}),
    ]
    versions = {load_rules(settings).version for settings in changed}
    assert len(versions | {shipped().version}) == 4
    assert load_rules(TriageSettings()).version == shipped().version
    assert tell(CALM).verdict.made_by == shipped().version


def test_a_file_of_the_bank_replaces_the_shipped_rules_and_its_thresholds_hold(tmp_path: Path) -> None:
    strict = tmp_path / "bank.toml"
    strict.write_text(SHIPPED.read_text("utf-8").replace("\nseveral = 3", "\nseveral = 1"), "utf-8")
    rules = load_rules(TriageSettings(file=strict))
    assert rules.version.startswith("bank.toml@")
    assert tell("父亲过世了，存单怎么处理", rules=rules).verdict.level is Level.HIGH
    assert tell("父亲过世了，存单怎么处理").verdict.level is Level.NORMAL


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("version = ", "bank.toml"),
        ("version = 1\nwithin = 14\nseveral = 3\nclause_limit = 60\nsignal = []", "concept"),
        (SHIPPED.read_text("utf-8").replace('"just_now"]', '"just_nwo"]', 1), "just_nwo"),
        (SHIPPED.read_text("utf-8").replace('priority = "P0"', 'priority = "P9"', 1), "priority"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_place_that_is_wrong(
    tmp_path: Path, content: str, told: str
) -> None:
    path = tmp_path / "bank.toml"
    path.write_text(content, "utf-8")
    with pytest.raises(SettingsError, match=told):
        load_rules(TriageSettings(file=path))


def test_a_file_that_is_not_there_and_a_signal_that_does_not_exist_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml cannot be read"):
        load_rules(TriageSettings(file=tmp_path / "nowhere.toml"))
    with pytest.raises(SettingsError, match="agitatd"):
        load_rules(TriageSettings(off=("agitatd",)))
    with pytest.raises(SettingsError, match="no_such"):
        load_rules(TriageSettings(terms={"no_such": ("词",)}))
