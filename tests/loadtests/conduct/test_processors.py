"""A run says so when its machine had nothing left."""

import psutil
import pytest

from loadtests.conduct.processors import Processors


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> Processors:
    """After ten seconds; the last three were full."""
    percents = iter([0.0, *[60.0] * 7, *[96.0] * 3])
    monkeypatch.setattr(psutil, "cpu_percent", lambda: next(percents))
    seen = Processors()
    for tick in range(201):
        seen.look(1000 + tick * 0.05)
    return seen


def test_the_seconds_in_which_nothing_was_left_are_counted_and_told(looked: Processors) -> None:
    assert (looked.seconds, looked.full) == (10, 3)
    assert (looked.note or "").startswith("In 3 of 10 seconds all processors of this machine were busy")


def test_a_single_second_of_many_is_no_news(looked: Processors) -> None:
    looked.full = 1
    assert looked.note is None


def test_who_has_not_looked_says_nothing() -> None:
    assert Processors().note is None
