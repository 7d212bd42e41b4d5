"""Every scenario passes on the service as built: shortened, with one seed. `make scenarios` runs them in full."""

from collections.abc import Callable

import pytest

from loadtests import scenario
from loadtests.conduct import Finished

from .lanes import Case

ELSEWHERE = ("demo",)
"""tests/test_readme.py runs it, by its verb."""
CASES = [Case(name, heavy=scenario.named(name).is_loud) for name in scenario.names() if name not in ELSEWHERE]

WITHIN_S = 1500
"""The runs begin with the first test and go round by round, so a test waits for others' as well."""


@pytest.mark.alone
@pytest.mark.timeout(WITHIN_S)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_every_promise_of_the_scenario_holds_and_the_books_balance(
    case: Case, finished: Callable[[Case], Finished]
) -> None:
    verdict = finished(case).verdict
    broken = [f"{one.about} is {one.said}, {one.bound}" for one in verdict.judged if not one.passed]
    assert (verdict.word, verdict.reason, broken, verdict.books_said) == ("pass", None, [], "")
