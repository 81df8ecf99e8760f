from gateway.commands.replay import find_differences


def test_what_differs_is_told_by_its_path_and_the_rest_is_left_out():
    old = {"version": 1, "verdict": {"level": "high", "signals": [1]}, "title": "x", "gone": 1}
    new = {"version": 2, "verdict": {"level": "normal", "signals": [1]}, "title": "x", "come": None}
    assert find_differences(old, new) == ["gone: 1 -> null", 'verdict.level: "high" -> "normal"']


def test_other_rules_that_find_the_same_make_no_difference():
    old = {"verdict": {"level": "high", "made_by": "triage.toml@1"}, "provenance": {"rules_version": "1"}}
    new = {"verdict": {"level": "high", "made_by": "triage.toml@2"}, "provenance": {"rules_version": "2"}}
    assert find_differences(old, new) == []


def test_long_values_are_cut():
    (line,) = find_differences({"narrative": "长" * 10_000}, {"narrative": "短" * 10_000})
    assert len(line) < 200
