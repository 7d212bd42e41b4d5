"""Practice: what is said at which step."""

from loadtests.drill.coach import Coach, Step
from loadtests.drill.incidents import chosen, seed_of
from loadtests.drill.moves import Diagnosis

PLANNED = chosen(seed_of("no-net"), 100.0)
AT_S = PLANNED.at_s


def broken() -> Coach:
    coach = Coach(PLANNED)
    coach.broke(AT_S)
    return coach


def test_before_anything_breaks_an_alarm_is_called_false_and_a_hint_gives_nothing_away() -> None:
    coach = Coach(PLANNED)
    assert "false alarm" in coach.alarmed(1.0)
    assert "false alarm" in coach.diagnosed(Diagnosis(1.0, "anthropic", "errors"), 1.0)
    assert coach.hint(2.0).startswith("Nothing is to be seen yet")
    assert coach.step is Step.WATCH


def test_a_diagnosis_is_answered_by_how_right_it_is() -> None:
    coach = broken()
    assert "not openai" in coach.diagnosed(Diagnosis(0, "openai", "errors"), AT_S + 5)
    assert "rate_limit is near" in coach.diagnosed(Diagnosis(0, "anthropic", "rate_limit"), AT_S + 6)
    assert "not slow_tokens" in coach.diagnosed(Diagnosis(0, "anthropic", "slow_tokens"), AT_S + 7)
    assert coach.step is Step.FIND
    assert coach.diagnosed(Diagnosis(0, "anthropic", "errors"), AT_S + 8).startswith("Right")
    assert coach.hint(AT_S + 9) == PLANNED.incident.helps
    assert "stage fallback on or: route economy" in coach.hint(AT_S + 10)


def test_that_it_is_well_is_said_once_to_who_knows_why() -> None:
    coach = broken()
    assert coach.well() is None
    coach.diagnosed(Diagnosis(0, "anthropic", "errors"), AT_S + 5)
    assert "well for a while" in (coach.well() or "")
    assert coach.well() is None
    assert coach.tick(AT_S + 500) is None
