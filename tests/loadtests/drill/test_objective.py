"""What is good, what is spent, and since when it is well."""

import pytest

from loadtests.books.client import Entry
from loadtests.drill import objective
from tests.loadtests.drill.made import BEGAN, book, entry


@pytest.mark.parametrize(
    ("one", "is_good"),
    [
        (entry(0), True),
        (entry(0, duration_ms=2500.0), True),
        (entry(0, duration_ms=2501.0), False),
        (entry(0, bad=True), False),
        (entry(0, source="message"), False),
        (entry(0, outcome="broken"), False),
        (entry(0, source="stale"), True),
        (entry(0, stream=True, first_token_ms=1500.0, duration_ms=9000.0), True),
        (entry(0, stream=True, first_token_ms=1501.0), False),
        (entry(0, stream=True, first_token_ms=None), False),
    ],
)
def test_good_is_a_whole_answer_in_time(one: Entry, is_good: bool) -> None:
    assert objective.good(one) is is_good


def test_two_in_a_hundred_may_be_bad_and_who_was_refused_does_not_count() -> None:
    entries = [*book(20, (5, 6)), *(entry(BEGAN + 3, outcome="refused", status=429) for _ in range(50))]
    spent = objective.budget(entries, BEGAN, BEGAN + 20)
    assert (spent.asked, spent.bad) == (200, 10)
    assert spent.allowed == pytest.approx(4)
    assert spent.spent == pytest.approx(2.5)
    assert objective.budget([], BEGAN, BEGAN + 20).spent == 0


def test_it_is_well_again_from_when_the_last_bad_request_was_due() -> None:
    well = objective.well_since(book(60, (20, 28)), BEGAN + 20, BEGAN + 60)
    assert well is not None
    assert well - BEGAN == pytest.approx(28, abs=objective.STEP_S)


def test_a_later_relapse_counts_as_not_yet_well() -> None:
    well = objective.well_since(book(60, (20, 22), (40, 41)), BEGAN + 20, BEGAN + 60)
    assert well is not None
    assert well - BEGAN == pytest.approx(41, abs=objective.STEP_S)


def test_what_never_hurt_is_well_from_the_beginning() -> None:
    assert objective.well_since(book(60), BEGAN + 20, BEGAN + 60) == BEGAN + 20
    seldom = [*book(60), entry(BEGAN + 30.05, bad=True)]  # one in a hundred of its windows
    assert objective.well_since(seldom, BEGAN + 20, BEGAN + 60) == BEGAN + 20


def test_what_is_bad_at_the_end_is_not_well_nor_is_what_had_no_time_to_show_it() -> None:
    assert objective.well_since(book(60, (20, 60)), BEGAN + 20, BEGAN + 60) is None
    assert objective.well_since(book(60, (20, 55)), BEGAN + 20, BEGAN + 60) is None
    assert objective.well_since(book(60), BEGAN + 55, BEGAN + 60) is None
    assert objective.well_since([], BEGAN, BEGAN + 60) is None
