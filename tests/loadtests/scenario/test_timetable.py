"""When how much of a load is due, and the inverse of that."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.scenario.model import Phase
from loadtests.scenario.timetable import Timetable

rates = st.floats(0.1, 500)
stretches = st.lists(st.tuples(st.floats(0.1, 200), rates, rates), min_size=1, max_size=5)


def timetable(*rows: tuple[float, float, float]) -> Timetable:
    """Of phases as (seconds, rate at the beginning, rate at the end)."""
    return Timetable([Phase(name="p", for_s=for_s, rate_per_s=(first, last)) for for_s, first, last in rows])


@given(stretches, st.floats(0, 1))
def test_when_is_the_inverse_of_how_much(rows: list[tuple[float, float, float]], share: float) -> None:
    table = timetable(*rows)
    t_s = share * sum(for_s for for_s, _, _ in rows)
    assert table.when_s(min(table.work_by(t_s), table.whole)) == pytest.approx(t_s, rel=1e-6, abs=1e-6)


@given(stretches, st.floats(0, 1), st.floats(0, 1))
def test_more_work_is_never_due_earlier(rows: list[tuple[float, float, float]], one: float, other: float) -> None:
    table = timetable(*rows)
    less, more = sorted((one * table.whole, other * table.whole))
    assert table.when_s(less) <= table.when_s(more) + 1e-9


@given(st.floats(1, 500), st.floats(-1e-6, 1e-6), st.floats(0, 1))
def test_a_ramp_that_is_nearly_flat_loses_no_digits(first: float, tilt: float, share: float) -> None:
    table = timetable((100.0, first, first + tilt))
    work = min(table.work_by(100 * share), table.whole)
    assert table.when_s(work) == pytest.approx(100 * share, abs=1e-6)


def test_a_steady_rate_is_due_evenly_and_a_ramp_by_its_square() -> None:
    table = timetable((10, 20, 20), (10, 0, 40))
    assert table.whole == 400
    assert [table.work_by(t) for t in (0, 5, 10, 15, 20, 99)] == [0, 100, 200, 250, 400, 400]
    assert [table.when_s(work) for work in (100, 200, 250, 400)] == [5, 10, 15, 20]


def test_beyond_the_end_nothing_is_ever_due() -> None:
    assert timetable((10, 20, 20)).when_s(200.001) == math.inf


def test_a_pause_between_phases_has_nothing_due() -> None:
    table = timetable((10, 10, 10), (10, 0, 0), (10, 10, 10))
    assert table.work_by(15) == 100
    assert table.when_s(100) == 10
    assert table.when_s(101) == pytest.approx(20.1)


def test_a_load_of_bursts_only_has_no_work_and_can_be_asked() -> None:
    table = timetable((10, 0, 0))
    assert table.whole == 0
    assert table.when_s(0) == 0
    assert table.when_s(0.1) == math.inf
    assert table.work_by(-1) == 0
