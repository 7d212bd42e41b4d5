"""The words of a diagnosis, and the incidents that they are about."""

import typing

import pytest

from loadtests.drill import incidents
from loadtests.drill.coach import Coach
from loadtests.drill.commands import Command, NotUnderstood, parse
from loadtests.drill.kinds import HALF, KINDS, NEAR, RIGHT, WRONG, kind_named, kind_of, rightness
from loadtests.simulator import faults

SEEDS = range(1, 400)


def test_every_fault_of_a_provider_has_a_kind_and_is_understood_by_its_own_name() -> None:
    for name in set(typing.get_args(faults.Name)) - {"charge_then_drop"}:
        kind = kind_of(name, {})
        assert kind in KINDS
        assert kind_named(name) == kind
    assert kind_of("status", {"status": 429}) == kind_named("429") == "rate_limit"
    assert kind_of("status", {"status": 529}) == kind_named("529") == "errors"
    assert kind_named("flu") is None


def test_near_is_half_right_either_way_and_names_known_kinds() -> None:
    assert rightness("hang", "hang") == RIGHT
    assert rightness("hang", "slow_first_token") == rightness("slow_first_token", "hang") == HALF
    assert rightness("hang", "errors") == WRONG
    assert all(len(pair) == 2 and pair <= set(KINDS) for pair in NEAR)


def test_there_are_eight_incidents_and_more_and_every_one_is_a_fault_that_the_simulator_takes() -> None:
    seen = {}
    for seed in SEEDS:
        planned = incidents.chosen(seed, 180.0)
        seen[planned.incident.name] = planned
        fault = faults.Fault.model_validate(planned.fault())
        assert fault.hidden
        assert planned.kind in KINDS
        assert 0.2 * 180 <= planned.at_s <= 0.45 * 180
    assert set(seen) == {incident.name for incident in incidents.incidents()}
    assert len(seen) >= 8


def test_a_seed_always_chooses_the_same_and_a_name_has_a_seed() -> None:
    assert incidents.chosen(5, 90.0) == incidents.chosen(5, 90.0)
    assert incidents.chosen(incidents.seed_of("no-net"), 90.0).incident.name == "no-net"
    with pytest.raises(KeyError):
        incidents.seed_of("tornado")


def test_cures_are_lines_that_the_terminal_understands() -> None:
    for incident in incidents.incidents():
        assert all(parse(line) for line in incident.cures)
        assert len({incident.notice, incident.find, incident.helps, incident.seen, incident.why}) == 5


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("alarm", Command("alarm")),
        ("  Diagnose Anthropic 503 20s ", Command("diagnose", "anthropic", "errors", 20.0)),
        ("diagnose openai hang", Command("diagnose", "openai", "hang")),
        ("stage rate-limit off", Command("stage", "rate_limit", on=False)),
        ("route economy", Command("route", "economy")),
        ("give up", Command("done")),
        ("", None),
    ],
)
def test_a_line_is_understood(line: str, command: Command | None) -> None:
    assert parse(line) == command


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("panic", "`help` lists"),
        ("alarm now", "`help` lists"),
        ("diagnose", "expected a provider and a fault"),
        ("diagnose google hang", "there are anthropic and openai"),
        ("diagnose openai flu", "there are errors, rate_limit"),
        ("diagnose openai hang soon", "how many seconds ago"),
        ("diagnose openai hang -3", "how many seconds ago"),
        ("diagnose openai hang nan", "how many seconds ago"),
        ("stage fallback", "stage fallback on"),
        ("route", "route economy"),
    ],
)
def test_a_line_that_means_nothing_says_what_was_expected(line: str, said: str) -> None:
    with pytest.raises(NotUnderstood, match=said):
        parse(line)


def test_the_coach_grows_plainer_until_it_tells_all() -> None:
    for seed in SEEDS:
        planned = incidents.chosen(seed, 180.0)
        coach = Coach(planned)
        assert coach.tick(planned.at_s - 1) is None
        coach.broke(planned.at_s)
        assert coach.tick(planned.at_s + 1) is None
        assert coach.tick(planned.at_s + 9) == planned.incident.notice
        assert coach.tick(planned.at_s + 10) is None
        assert coach.alarmed(planned.at_s + 12).startswith("Right, 12 s after")
        assert coach.hint(planned.at_s + 13) == planned.incident.find
        told = coach.hint(planned.at_s + 14)
        diagnosis = parse(told[told.index("diagnose ") :])
        assert diagnosis == Command("diagnose", planned.incident.target, planned.kind)
        assert coach.well() is None
