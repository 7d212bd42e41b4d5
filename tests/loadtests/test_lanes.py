"""Which runs go beside each other follows what the machine bears; none is left out."""

import pytest

from .lanes import LANES, Case, rounds

LOUD, LONG, SHORT = Case("spike", heavy=True), Case("both-down"), Case("steady")
WRONG = Case("steady", off=("fallback",))
CASES = (SHORT, WRONG, LOUD, LONG)


def test_a_quick_machine_runs_what_is_loud_alone_and_as_planned_and_then_all_others_beside_each_other() -> None:
    loud, others = rounds(CASES, 1.0)
    assert (loud.cases, loud.width, loud.scale) == ([LOUD], 1, 1.0)
    assert (others.cases, others.width, others.scale) == ([LONG, SHORT, WRONG], LANES, 1.0)


@pytest.mark.parametrize(("pace", "width", "scale"), [(0.6, 2, 1.0), (0.3, 1, 0.5), (0.01, 1, 0.3)])
def test_a_slower_one_bears_less_and_what_must_not_pass_waits_for_what_must(
    pace: float, width: int, scale: float
) -> None:
    loud, right, wrong = rounds(CASES, pace)
    assert (loud.cases, loud.width) == ([LOUD], 1)
    assert loud.scale == pytest.approx(scale)
    assert (right.cases, right.width, right.scale) == ([LONG, SHORT], width, 1.0)
    assert (wrong.cases, wrong.width, wrong.scale) == ([WRONG], LANES, 1.0)
