"""What was begun at a click is followed to its end with few requests, and looked at as soon as somebody acts."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard.backends.http import Away, Refused
from dashboard.views import begun
from dashboard.views.begun import FOLLOWED_S, LONGEST_S, PAUSE_S, Begun

RUNS, WAITS, DONE = ({"status": status} for status in ("running", "waiting", "completed"))


class Desk:
    """A service whose job is told by the second on a clock that only waiting turns."""

    def __init__(self, told: Any, woken_at_s: float | None = None) -> None:
        self.told, self.woken_at_s = told, woken_at_s
        self.now_s = 0.0
        self.began: list[str] = []
        self.looks_s: list[float] = []
        self.service = self

    def begin(self, _key: str, _path: str, _body: Any, *, once: str) -> str:
        self.began.append(once)
        return "job_1"

    def seen(self, _key: str, path: str) -> Any:
        assert path == "/jobs/job_1"
        self.looks_s.append(self.now_s)
        row = self.told(self.now_s)
        if isinstance(row, Exception):
            raise row
        return row

    def wait(self, pause_s: float) -> bool:
        assert 0 < pause_s <= LONGEST_S
        if self.woken_at_s is not None and self.now_s <= self.woken_at_s < self.now_s + pause_s:
            self.now_s, self.woken_at_s = self.woken_at_s, None
            return True
        self.now_s += pause_s
        return False


def followed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Begun:
    monkeypatch.setattr(begun, "backends", lambda: desk)
    one = Begun("/jobs", "a document", {"text": "…"}, "demo-acme-alice")
    one.follow(desk.wait)
    return one


def test_what_never_ends_costs_few_requests_and_is_left_after_half_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(lambda _: RUNS)
    one = followed(desk, monkeypatch)
    assert not one.ended
    assert 100 < len(desk.looks_s) < 150
    assert FOLLOWED_S <= desk.now_s < FOLLOWED_S + LONGEST_S
    assert len(desk.began) == 1


@pytest.mark.parametrize(("lasts_s", "most"), [(1, 4), (10, 12), (60, 25), (600, 65)])
def test_what_ends_is_seen_to_end_soon(lasts_s: float, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(lambda now_s: DONE if now_s >= lasts_s else RUNS)
    assert followed(desk, monkeypatch).ended
    assert len(desk.looks_s) <= most
    assert desk.now_s - lasts_s < min(max(PAUSE_S, 0.25 * lasts_s), LONGEST_S)


def test_a_decision_is_looked_at_now_and_often_again(monkeypatch: pytest.MonkeyPatch) -> None:
    decided_s = 300.0
    desk = Desk(lambda now_s: DONE if now_s >= decided_s + 2 else WAITS, woken_at_s=decided_s)
    assert followed(desk, monkeypatch).ended
    assert decided_s in desk.looks_s
    assert desk.now_s < decided_s + 3


def test_who_is_away_is_asked_less_and_less_and_who_refuses_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(lambda now_s: Away("service", "http://127.0.0.1:9", "refused") if now_s < 120 else DONE)
    one = followed(desk, monkeypatch)
    assert one.ended
    assert one.failure is None
    assert len(desk.looks_s) < 35
    assert len(set(desk.began)) == 1
    desk = Desk(lambda _: Refused(404, "no such job", "service"))
    assert not followed(desk, monkeypatch).ended
    assert len(desk.looks_s) == 1
