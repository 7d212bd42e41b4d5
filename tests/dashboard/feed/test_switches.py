"""Marks of stage switches out of what several workers told, in whatever order."""

from __future__ import annotations

from dashboard.feed.switches import Switched, changes_of, marks_of


def told(t: float, version: int, *off: str) -> Switched:
    return t, version, frozenset(off)


def marks(*rows: Switched) -> list[tuple[float, str]]:
    return [(mark.t, mark.label) for mark in marks_of(rows)]


def test_the_first_word_of_a_change_counts() -> None:
    assert marks(told(1, 1, "cache"), told(1.2, 1, "cache"), told(5, 2)) == [(1, "− cache"), (5, "+ cache")]


def test_who_tells_late_takes_nothing_back() -> None:
    assert marks(told(1, 1, "cache"), told(2, 2), told(2.5, 1, "cache"), told(3, 2)) == [(1, "− cache"), (2, "+ cache")]


def test_a_worker_that_starts_later_tells_nothing_new() -> None:
    assert marks(told(1, 7, "cache"), told(500, 7, "cache")) == [(1, "− cache")]


def test_a_new_store_numbers_anew_and_its_changes_are_of_their_own_time() -> None:
    before, after = [told(1, 1, "cache"), told(2, 2)], [told(100, 1, "retry"), told(103, 2)]
    assert marks(*before, *after) == [(1, "− cache"), (2, "+ cache"), (100, "− retry"), (103, "+ retry")]


def test_a_store_that_lost_its_switches_has_all_on() -> None:
    assert changes_of([told(1, 4, "cache"), told(60, 0)])[-1] == told(60, 0)
    assert marks(told(1, 4, "cache"), told(60, 0)) == [(1, "− cache"), (60, "+ cache")]
