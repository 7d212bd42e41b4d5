"""Figures per step of time."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from loadtests.books.client import Entry
from loadtests.books.ledger import Call
from loadtests.verdict import series
from loadtests.verdict.evidence import Change, Evidence
from loadtests.verdict.series import Steps

ENTRY = Entry("r", 0.0, 500.0, "/chat", 200, "answered", source="live")
CALL = Call(1, 0.0, "anthropic", "r", 1, "m", 200, 1, 1, 1, True, 0.1)


def evidence(*entries: Entry, changes: tuple[Change, ...] = (), lasts_s: float = 4.0) -> Evidence:
    return Evidence(began=0.0, ended=lasts_s, phases=(), entries=entries, changes=changes)


@pytest.mark.parametrize("lasts_s", [0.0, 0.4, 7.3, 119.7, 600.0, 601.0, 14_400.0, 1e6, 1e8])
def test_steps_cover_the_run_and_are_few(lasts_s: float) -> None:
    steps = Steps.of(lasts_s)
    assert 1 <= steps.count <= series.MOST_STEPS
    assert sum(steps.widths_s) == pytest.approx(max(lasts_s, 1.0))
    assert min(steps.widths_s) > 0


def test_a_rest_at_the_end_belongs_to_the_last_step() -> None:
    steps = Steps.of(10.2)
    assert (steps.count, steps.place(10.1), steps.place(10.2), steps.place(-0.1)) == (10, 9, None, None)
    assert series.rates(steps, {"a": [0.0] * 9 + [12.0]})["a"][-1] == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"source": "shared"}, "cache"),
        ({"source": None}, "live"),
        ({"source": "message", "outcome": "failed", "status": 503}, "message"),
        ({"source": "message"}, "message"),
        ({"source": None, "outcome": "refused", "status": 429}, "refused"),
        ({"source": "live", "outcome": "broken"}, "failed"),
        ({"outcome": "lost", "status": None}, "failed"),
        ({"outcome": "left"}, "left"),
        ({"endpoint": "/refund", "source": None}, "other"),
        ({"endpoint": "/jobs", "kind": "job", "source": None}, "later"),
        ({"endpoint": "/agent/{run_id}", "kind": "agent", "source": None}, "later"),
        ({"kind": "handbook"}, "live"),
        ({"source": "later"}, "other"),
    ],
)
def test_what_came_of_a_request(changed: dict[str, str], word: str) -> None:
    assert series.came_of(replace(ENTRY, **changed)) == word  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "completed", "word"),
    [
        (200, True, "ok"),
        (201, True, "ok"),
        (200, False, "cut short"),
        (429, True, "429"),
        (400, True, "4xx"),
        (529, False, "5xx"),
        (None, False, "no status"),
    ],
)
def test_how_a_call_ended(status: int | None, completed: bool, word: str) -> None:
    assert series.ended_as(replace(CALL, status=status, completed=completed)) == word


def test_requests_under_way_are_the_most_of_each_step_and_last_over_steps_without_a_change() -> None:
    seen = evidence(replace(ENTRY, t=0.1, duration_ms=2_500), replace(ENTRY, t=0.2), replace(ENTRY, t=1.9))
    assert series.in_flight(Steps.of(4.0), seen) == [2, 2, 2, 0]


def test_requests_that_never_end_are_under_way_until_the_end() -> None:
    assert series.in_flight(Steps.of(4.0), evidence(replace(ENTRY, t=1.0, duration_ms=math.inf))) == [0, 1, 1, 1]


def test_success_leaves_out_what_was_the_callers_own_fault_and_says_nothing_of_nothing() -> None:
    seen = evidence(
        replace(ENTRY, t=0.1),
        replace(ENTRY, t=0.2, outcome="refused"),
        replace(ENTRY, t=0.3, outcome="lost"),
        replace(ENTRY, t=2.1, source="message", outcome="failed"),
    )
    assert series.success(Steps.of(4.0), seen) == [0.5, None, 0.0, None]


def test_a_circuit_is_closed_before_its_first_change_and_keeps_its_last_state_to_the_end() -> None:
    changes = (Change(3.0, "anthropic", "half_open"), Change(1.0, "anthropic", "open"), Change(2.0, "openai", "open"))
    seen = evidence(changes=changes)
    assert series.states(seen, "anthropic") == [(0.0, 1.0, "closed"), (1.0, 3.0, "open"), (3.0, 4.0, "half_open")]
    assert series.states(evidence(changes=(Change(-9.0, "openai", "open"),)), "openai") == [(0.0, 4.0, "open")]


def seen(t: float, state: str | None, subject: str = "job_1") -> Entry:
    """Somebody asked how it stands, and was told half a second later."""
    return replace(ENTRY, t=t - 0.5, endpoint="/jobs/{job_id}", kind="job", subject_id=subject, state=state)


def test_what_is_done_later_stands_as_it_was_last_told_until_it_has_ended() -> None:
    told = [seen(0.9, "queued"), seen(2.2, "running"), seen(3.0, None), seen(4.9, "completed")]
    run = evidence(*told, seen(3.4, "waiting", "run_1"), lasts_s=7.0)
    steps = Steps.of(7.0)
    assert series.standing(steps, run) == {
        "queued": [0, 1, 0, 0, 0, 0, 0],
        "running": [0, 0, 1, 1, 1, 0, 0],
        "waiting": [0, 0, 0, 1, 1, 1, 1],
    }
    assert series.standing(steps, evidence(ENTRY)) == {}


def test_who_asks_how_a_job_stands_is_no_answer_and_no_success() -> None:
    run = evidence(ENTRY, seen(1.0, "running"), replace(seen(1.0, None), outcome="failed", status=500))
    assert series.whole_answers(run) == [ENTRY]
    assert series.success(Steps.of(4.0), run) == [1.0, None, None, None]
