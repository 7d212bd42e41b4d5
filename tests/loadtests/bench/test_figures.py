"""Percentiles, spreads and comparisons: the arithmetic that every table stands on."""

import math
import operator

import pytest

from loadtests.bench.figures import Spread, paired, percentile, spread


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1), (0.5, 50), (0.9, 90), (0.99, 99), (0.991, 100), (1.0, 100)])
def test_a_percentile_is_the_smallest_value_that_covers_the_share(share: float, expected: int) -> None:
    assert percentile(reversed(range(1, 101)), share) == expected


def test_a_percentile_of_one_value_is_that_value_and_of_none_is_nan() -> None:
    assert percentile([7.0], 0.99) == 7.0
    assert math.isnan(percentile([], 0.5))


def test_a_spread_is_median_and_range_without_what_is_not_finite() -> None:
    assert spread([3.0, math.nan, 1.0, 2.0, math.inf]) == Spread(2.0, 1.0, 3.0)
    assert spread([math.nan]) is None


def test_a_spread_is_written_with_its_range_unless_that_rounds_away() -> None:
    assert Spread(1234.5, 1200.0, 1300.0).texts(0) == ("1,234", "1,200–1,300")
    assert Spread(4.04, 4.01, 4.04).texts(1) == ("4.0", "")


def test_rounds_are_compared_only_with_their_own_round() -> None:
    subject, reference = {0: 200.0, 1: 90.0, 2: 5.0, 3: 1.0}, {0: 100.0, 1: 30.0, 3: 0.0}
    assert paired(subject, reference, operator.truediv) == [2.0, 3.0]
    assert paired(subject, reference, operator.sub) == [100.0, 60.0]
