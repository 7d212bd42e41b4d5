"""A scenario that is made shorter, longer or louder stays the same scenario."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.conduct.world import planned
from loadtests.scenario import Scenario, named, names
from loadtests.scenario.timing import lasting, times
from tests.loadtests.small import crowd, phase, scenario

BROKEN = {"target": "anthropic", "fault": "status"}


def again(shortened: Scenario) -> Scenario:
    """As a generator process reads it: validated."""
    return Scenario.model_validate(shortened.model_dump(mode="json"))


def test_phases_keep_their_proportions() -> None:
    whole = scenario(phase("a", 10), phase("b", 30), phase("c", 20))
    assert [one.for_s for one in lasting(whole, 6).phase] == pytest.approx([1, 3, 2])
    assert [one.for_s for one in lasting(whole, 600).phase] == pytest.approx([100, 300, 200])


def test_a_phase_keeps_the_time_that_it_needs_and_the_others_share_the_rest() -> None:
    whole = scenario(phase("a", 20), phase("b", 50), phase("after", 30, at_least_s=25))
    assert [one.for_s for one in lasting(whole, 39).phase] == pytest.approx([4, 10, 25])
    assert [one.for_s for one in lasting(whole, 5).phase] == pytest.approx([0.1, 0.1, 25])


def test_its_own_length_leaves_a_scenario_as_it_is() -> None:
    brief = scenario(phase("a", 2, at_least_s=3), phase("b", 10, at_least_s=3))
    assert lasting(brief, brief.lasts_s) == brief


@pytest.mark.parametrize("name", names())
def test_every_scenario_has_the_length_that_was_asked_for_from_its_short_one_on(name: str) -> None:
    whole = named(name)
    for seconds in (whole.short_s, whole.lasts_s, 2 * whole.lasts_s):
        assert lasting(whole, seconds).lasts_s == pytest.approx(seconds)


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("factor", [0.01, 0.37, 1, 3.3])
def test_faults_stay_in_their_phases(name: str, factor: float) -> None:
    whole = named(name)
    changed = again(lasting(whole, whole.lasts_s * factor))
    faults = iter(planned(changed))
    for before, after in zip(whole.phase, changed.phase, strict=True):
        begins_s, scale = changed.begins_s(after.name), after.for_s / before.for_s
        for given_fault in before.fault:
            fault = next(faults)
            assert fault["at_s"] == pytest.approx(begins_s + given_fault.at_s * scale)
            assert fault["for_s"] > 0
            assert fault["at_s"] + fault["for_s"] <= begins_s + after.for_s + 1e-6
    assert next(faults, None) is None


@given(st.floats(0.001, 50), st.floats(0, 9), st.floats(0.01, 9))
def test_a_fault_that_ends_with_its_phase_does_so_at_any_length(factor: float, at_s: float, for_s: float) -> None:
    whole = scenario(phase("only", at_s + for_s, fault=[{**BROKEN, "at_s": at_s, "for_s": for_s}]))
    changed = again(lasting(whole, whole.lasts_s * factor))
    (fault,) = planned(changed)
    assert fault["at_s"] + fault["for_s"] == pytest.approx(changed.lasts_s)


def test_a_fault_without_an_end_ends_with_its_phase() -> None:
    whole = scenario(phase("a", 10), phase("b", 10, fault=[{**BROKEN, "at_s": 4}]), phase("c", 10))
    (fault,) = planned(lasting(whole, 15))
    assert (fault["at_s"], fault["for_s"]) == (pytest.approx(7), pytest.approx(3))


def test_a_louder_scenario_has_so_many_times_the_arrivals_and_as_long() -> None:
    whole = scenario(phase("a", 10, 20), phase("b", 10, (10, 30), at_once=7))
    louder = times(whole, 1.5)
    assert [one.rates for one in louder.phase] == [(30, 30), (15, 45)]
    assert [one.at_once for one in louder.phase] == [0, 10]
    assert louder.lasts_s == whole.lasts_s
    assert again(louder).phase == louder.phase


def test_a_louder_crowd_has_so_many_times_the_users_and_one_at_least() -> None:
    whole = scenario(crowd("a", 10, 4), crowd("b", 10, (1, 9)), arrivals="closed")
    assert [one.crowd for one in times(whole, 2).phase] == [(8, 8), (2, 18)]
    assert [one.crowd for one in times(whole, 0.1).phase] == [(1, 1), (1, 1)]
