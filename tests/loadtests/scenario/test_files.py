"""Every scenario that comes along can be used, and a wrong file says what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.scenario import Scenario, ScenarioError, named, names
from loadtests.verdict.judge import check
from loadtests.verdict.measures import MEASURES, NEED_TARGET

ASKED_FOR = {
    *("steady", "faq", "spike", "outage", "rate-limits", "flapping", "slow", "hang", "broken-streams", "both-down"),
    *("noisy-neighbour", "herd", "double-refunds", "store-down", "black-friday"),
}

RIGHT = """
title = "A scenario of a test"
about = "nothing happens"
short_s = 5
[[phase]]
name = "only"
for_s = 10
rate_per_s = 5
[[expect]]
measure = "success_share"
at_least = 0.9
why = "nothing is broken"
"""


def test_what_was_asked_for_is_there() -> None:
    assert set(names()) >= ASKED_FOR


@pytest.mark.parametrize("name", names())
def test_every_scenario_loads_and_expects_what_can_be_measured(name: str) -> None:
    scenario = named(name)
    assert scenario.name == name
    check(scenario)
    for expected in scenario.expect:
        assert expected.measure in MEASURES
        assert expected.target is not None or expected.measure not in NEED_TARGET
        assert expected.at_most is None or expected.at_least is None or expected.at_least <= expected.at_most
        if expected.kind is not None:
            assert getattr(scenario.mix, expected.kind) > 0, "it expects something of what is never asked"
    assert scenario.about.strip()


@pytest.mark.parametrize("name", names())
def test_no_scenario_is_made_shorter_than_its_phases_allow(name: str) -> None:
    scenario = named(name)
    assert sum(phase.shortest_s for phase in scenario.phase) <= scenario.short_s <= scenario.lasts_s


def test_a_file_of_ones_own_will_do(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(RIGHT)
    scenario = named(str(path))
    assert isinstance(scenario, Scenario)
    assert (scenario.name, scenario.lasts_s) == ("mine", 10)


def test_an_unknown_name_is_told_with_those_that_exist() -> None:
    with pytest.raises(ScenarioError, match=r"no scenario 'outrage'.*outage.*steady"):
        named("outrage")


FAULT = '[[phase.fault]]\ntarget = "anthropic"\nfault = "status"\n'
WRONG: dict[str, tuple[str, str, str]] = {
    "no TOML": ("for_s = 10", "for_s = = 10", "is not TOML"),
    "an unknown key": ("short_s = 5", 'short_s = 5\ncolour = "red"', "colour"),
    "an unknown key within": ("for_s = 10", "for_s = 10\nlasts_s = 3", r"phase\.0\.lasts_s"),
    "a missing key": ("for_s = 10", "", r"phase\.0\.for_s"),
    "shares that do not sum": ("[[phase]]", "[mix]\nfaq = 0.5\nunique = 0.4\n[[phase]]", "sum to 1; they sum to 0.9"),
    "an unknown phase": ("at_least = 0.9", 'at_least = 0.9\nduring = "later"', "no phase is named later"),
    "unknown callers": ("at_least = 0.9", 'at_least = 0.9\ncallers = "bob"', "no callers are named bob"),
    "an unknown target": ("at_least = 0.9", 'at_least = 0.9\ntarget = "mistral"', r"expect\.0\.target"),
    "no bound": ("at_least = 0.9", "", "success_share needs at_least or at_most"),
    "no reason": ('why = "nothing is broken"', 'why = "so"', r"expect\.0\.why"),
    "no load": ("rate_per_s = 5", "", "a phase has rate_per_s"),
    "users in an open load": ("rate_per_s = 5", "users = 5", "with arrivals = 'open' a phase has rate_per_s"),
    "two of one name": ("[[expect]]", '[[phase]]\nname = "only"\nfor_s = 1\nrate_per_s = 1\n[[expect]]', "same name"),
    "an unknown target of a fault": ("[[expect]]", FAULT.replace("anthropic", "x") + "[[expect]]", r"fault\.0\.target"),
    "an unknown fault": ("[[expect]]", FAULT.replace('"status"', '"explode"') + "[[expect]]", "'status', 'refused'"),
    "a param that the fault does not take": (
        "[[expect]]",
        FAULT + "params = { delay_ms = 5 }\n[[expect]]",
        "status takes only .*; got delay_ms",
    ),
    "a fault of the store that nobody can do": (
        "[[expect]]",
        FAULT.replace("anthropic", "store") + "[[expect]]",
        "the store knows kill and pause, not 'status'",
    ),
    "a fault of the store with a share": (
        "[[expect]]",
        '[[phase.fault]]\ntarget = "store"\nfault = "pause"\nshare = 0.5\n[[expect]]',
        "the store's have no times, share",
    ),
    "a fault that outlives its phase": (
        "[[expect]]",
        FAULT + "at_s = 8\nfor_s = 3\n[[expect]]",
        "beyond the phase's 10 s",
    ),
    "a fault after its phase": ("[[expect]]", FAULT + "at_s = 10\n[[expect]]", "beyond the phase's 10 s"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_says_what_is_wrong(tmp_path: Path, case: str) -> None:
    old, new, words = WRONG[case]
    assert RIGHT.count(old) == 1
    path = tmp_path / "wrong.toml"
    path.write_text(RIGHT.replace(old, new))
    with pytest.raises(ScenarioError, match=words) as raised:
        named(str(path))
    assert str(path) in str(raised.value)


def test_a_name_in_the_file_is_not_the_scenarios(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "another"\n' + RIGHT)
    assert named(str(path)).name == "mine"


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScenarioError, match="no text in UTF-8"):
        named(str(path))


def test_a_measure_that_nobody_knows_is_told_with_those_that_exist(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(RIGHT.replace("success_share", "happiness"))
    with pytest.raises(ScenarioError, match="no measure is named 'happiness'; there are success_share"):
        check(named(str(path)))


def test_a_measure_of_one_target_needs_it(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(RIGHT.replace("success_share", "back_after_s"))
    with pytest.raises(ScenarioError, match="back_after_s needs a target"):
        check(named(str(path)))
