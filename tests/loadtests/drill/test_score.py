"""Points: what earns them, what costs them."""

import pytest

from loadtests.drill.score import Score, Truth, scored
from tests.loadtests.drill.made import BEGAN, book, moves

TRUTH = Truth("anthropic", "errors", BEGAN + 20, BEGAN + 120)
OVER = BEGAN + 120


def score(*made: tuple[float, str, str], bad: tuple[float, float] = (20, 120)) -> Score:
    return scored(TRUTH, moves(*made), book(120, bad), BEGAN, OVER)


def part(found: Score, name: str) -> float:
    return next(part.points for part in found.parts if part.name == name)


PERFECT = ((22, "alarm", "alarm"), (24, "diagnose", "anthropic errors 4"), (25, "act", "stage fallback on"))


def test_who_sees_names_and_mends_it_at_once_has_all_points() -> None:
    found = score(*PERFECT, bad=(20, 22))
    assert found.points == 100 - 15 + round(part(found, "budget"))
    assert part(found, "budget") > 14
    assert (found.detected_s, found.diagnosed_s) == (2, 4)
    assert found.mitigated_s == pytest.approx(2, abs=0.5)


def test_who_does_nothing_has_nothing_even_when_the_stages_did_it() -> None:
    assert score().points == 0
    held = score(bad=(0, 0))
    assert held.points == 0
    assert held.mitigated_s == 0
    assert score((30, "alarm", "alarm"), bad=(0, 0)).points == 20 + 30 + 15


def test_each_part_fades_with_time() -> None:
    early, late = score((30, "alarm", "alarm")), score((55, "alarm", "alarm"))
    assert part(early, "detect") == 20
    assert part(late, "detect") == pytest.approx(10)
    assert part(score((80, "alarm", "alarm")), "detect") == 0
    soon, at_last = score((50, "diagnose", "anthropic errors")), score((119, "diagnose", "anthropic errors"))
    assert part(soon, "which fault") == 20
    assert part(at_last, "which fault") == pytest.approx(20 * (0.5 + 0.5 * 21 / 90))
    mended = [part(score(*PERFECT, bad=(20, until)), "mitigate") for until in (40, 70, 108)]
    assert mended == [pytest.approx(30, abs=0.3), pytest.approx(21, abs=0.3), pytest.approx(9.6, abs=0.3)]
    assert part(score(*PERFECT), "mitigate") == 0


def test_what_looks_alike_is_half_right_and_the_wrong_provider_is_wrong() -> None:
    near = score((25, "diagnose", "anthropic rate_limit 5"))
    assert (part(near, "which provider"), part(near, "which fault"), part(near, "since when")) == (10, 10, 5)
    assert near.diagnosed_s is None
    wrong = score((25, "diagnose", "openai errors 5"))
    assert (part(wrong, "which provider"), part(wrong, "which fault"), part(wrong, "since when")) == (0, 0, 0)
    strange = score((25, "diagnose", "anthropic slow_tokens 25"))
    assert (part(strange, "which provider"), part(strange, "which fault"), part(strange, "since when")) == (10, 0, 0)


def test_the_last_diagnosis_counts_and_each_before_it_costs() -> None:
    found = score((25, "diagnose", "openai hang"), (30, "diagnose", "anthropic errors"))
    assert part(found, "which fault") == 20
    assert (found.guesses, part(found, "guesses")) == (1, -3)


def test_a_false_alarm_costs_ten_points_and_is_no_detection() -> None:
    before = ((5, "alarm", "alarm"), (6, "diagnose", "openai hang"))
    assert score(*before).detected_s is None
    assert score(*before).points == 0
    plain, hasty = score(*PERFECT, bad=(20, 22)), score(*before, *PERFECT, bad=(20, 22))
    assert hasty.false_alarms == 2
    assert hasty.guesses == 0
    assert plain.points - hasty.points == 20


def test_the_budget_is_of_all_requests_of_the_drill() -> None:
    assert part(score(*PERFECT, bad=(20, 22.4)), "budget") == pytest.approx(15)  # 24 of 1200: exactly two in a hundred
    assert part(score(*PERFECT, bad=(20, 33.2)), "budget") == pytest.approx(15 * 4.5 / 9)  # 132: five and a half times
    assert part(score(*PERFECT, bad=(20, 45)), "budget") == 0
