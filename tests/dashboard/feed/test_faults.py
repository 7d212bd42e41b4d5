"""Fault windows out of events: open, closed, several at once, and a simulator that was started anew."""

from typing import Any

import pytest

from dashboard.feed.faults import Windows, bands_of, label
from dashboard.feed.picture import Band

OUTAGE: dict[str, Any] = {"index": 0, "target": "anthropic", "fault": "status", "share": 1.0, "params": {"status": 503}}
HANG: dict[str, Any] = {"index": 1, "target": "openai", "fault": "hang", "share": 0.5, "params": {}}


def event(seq: int, t: float, what: str, fault: dict[str, Any]) -> dict[str, Any]:
    return {"seq": seq, "t": t, "event": what, "reason": "plan", "fault": fault}


def test_a_window_is_open_until_its_fault_ends() -> None:
    windows = Windows()
    windows.take({"events": [event(1, 10.0, "started", OUTAGE)], "last_seq": 1}, 11.0)
    assert windows.bands == [Band("anthropic", "anthropic: status 503", 10.0, None)]
    windows.take({"events": [event(2, 40.0, "ended", OUTAGE)], "last_seq": 2}, 41.0)
    assert windows.bands == [Band("anthropic", "anthropic: status 503", 10.0, 40.0)]


def test_windows_that_overlap_are_told_apart() -> None:
    told = [event(1, 10, "started", OUTAGE), event(2, 12, "started", HANG), event(3, 15, "ended", OUTAGE)]
    assert [(band.target, band.begin, band.end) for band in bands_of(told, 20)] == [
        ("anthropic", 10, 15),
        ("openai", 12, None),
    ]


def test_a_simulator_that_was_started_anew_has_ended_what_the_old_one_injected() -> None:
    windows = Windows()
    windows.take({"events": [event(7, 10, "started", OUTAGE)], "last_seq": 7}, 11)
    windows.take({"events": [], "last_seq": 0}, 30)
    assert [band.end for band in windows.bands] == [30]
    assert windows.last_seq == 0
    windows.take({"events": [event(1, 31, "started", OUTAGE)], "last_seq": 1}, 32)
    assert [(band.begin, band.end) for band in windows.bands] == [(10, 30), (31, None)]


def test_an_old_window_is_forgotten_and_an_open_one_never() -> None:
    windows = Windows()
    told = [event(1, 10, "started", OUTAGE), event(2, 12, "started", HANG), event(3, 15, "ended", OUTAGE)]
    windows.take({"events": told, "last_seq": 3}, 20)
    windows.forget(100)
    assert [band.target for band in windows.bands] == ["openai"]
    windows.take({"events": [event(4, 120, "ended", HANG)], "last_seq": 4}, 121)
    assert [band.end for band in windows.bands] == [120]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (OUTAGE, "anthropic: status 503"),
        (HANG, "openai: hang, 50 %"),
        (
            {"target": "openai", "fault": "cut", "params": {"fraction": 0.3}, "times": 2},
            "openai: cut, fraction 0.3, 2 times",
        ),
        (
            {"target": "anthropic", "fault": "slow_tokens", "match": {"stream": True, "model": None}},
            "anthropic: slow tokens, stream True",
        ),
    ],
)
def test_a_fault_in_a_few_words(fault: dict[str, Any], words: str) -> None:
    assert label(fault) == words
