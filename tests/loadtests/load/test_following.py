"""What is done later is followed to its end: asked for in growing pauses, decided where it waits, given up in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import gevent
import pytest

from loadtests.books.client import Entry
from loadtests.load import following
from loadtests.load.asking import Asker
from loadtests.load.following import ASKED, DECISIONS, MOST_ASKED, Follower
from loadtests.load.purse import Purse
from loadtests.load.sender import Answer, Step
from loadtests.scenario import Arrival, Caller
from tests.loadtests.load.green import green

CALLER = Caller("acme", "acme1", "u1")
JOB = Arrival(5, 0.0, CALLER, "job", "/jobs", {"text": "long"}, 7, copies=2)
RUN = Arrival(6, 0.0, CALLER, "agent", "/agent", {"text": "u1-1003"}, 7, copies=3, decision="approve")
TAKEN = {"job": {"job_id": "job_1", "status": "queued"}, "agent": {"run_id": "run_1", "status": "queued"}}


class Desk:
    """Answers how something stands with one state after the other; takes the first decision while it waits."""

    def __init__(self, *states: str | int, decided: Sequence[str] = ()) -> None:
        self.sent: list[tuple[str, Any, int]] = []
        self.asked_at: list[float] = []
        self._states, self._decided = list(states), list[str | int](decided)
        self.waits = False

    def send(self, arrival: Arrival, body: Any, due_t: float, *, copy: int = 0) -> Answer:
        self.sent.append(("POST", body, copy))
        gevent.sleep(0)
        entry = Entry(arrival.request_id(copy), due_t, 1.0, arrival.path, 202, "answered", key=arrival.key)
        return Answer(entry, TAKEN[arrival.kind])

    def step(self, arrival: Arrival, step: Step) -> Answer:
        self.sent.append((step.method, step, step.number))
        if step.method == "GET":
            self.asked_at.append(time.monotonic())
        gevent.sleep(0)
        entry = Entry(arrival.request_id(step.number), time.time(), 1.0, step.endpoint, 200, "answered")
        if step.method == "POST":
            if not self.waits:
                return Answer(replace(entry, status=409, outcome="refused"), {})
            self.waits, self._states = False, self._decided
            return Answer(replace(entry, status=202, state="resuming"), {})
        now = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        self.waits = now == "waiting"
        if isinstance(now, int):
            return Answer(replace(entry, status=now, outcome="failed" if now > 499 else "refused"), {})
        return Answer(replace(entry, state=now), {})

    @property
    def asked(self) -> list[int]:
        return [number for method, _, number in self.sent if method == "GET"]

    @property
    def decided(self) -> list[Step]:
        return [step for method, step, _ in self.sent if method == "POST" and isinstance(step, Step)]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "FIRST_PAUSE_S", 0.002)
    monkeypatch.setattr(following, "LONGEST_PAUSE_S", 0.02)


def followed(
    desk: Desk, arrival: Arrival, gives_up: Callable[[], bool] = lambda: False, subject: str | None = None
) -> tuple[int, list[Entry]]:
    told: list[Entry] = []
    sent = [0]

    def count() -> None:
        sent[0] += 1

    fake: Any = desk
    green(lambda: Follower(fake, count, told.append, gives_up).follow(arrival, subject or f"{arrival.kind}_1"))
    return sent[0], told


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled", "rejected"])
def test_it_is_asked_for_until_it_has_ended(end: str) -> None:
    desk = Desk("queued", "running", "running", end)
    sent, told = followed(desk, JOB)
    assert desk.asked == [ASKED, ASKED + 1, ASKED + 2, ASKED + 3]
    assert sent == len(told) == 4
    assert len({entry.request_id for entry in told}) == 4
    (_, step, _), *_ = desk.sent
    assert (step.path, step.endpoint, step.subject_id) == ("/jobs/job_1", "/jobs/{job_id}", "job_1")
    assert (step.body, step.key, step.decision) == (None, None, None)


def test_pauses_grow_and_stay_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(following, "LONGEST_PAUSE_S", 0.1)
    slept: list[float] = []
    monkeypatch.setattr("loadtests.load.following.gevent.sleep", lambda s: slept.append(s) if s else None)
    followed(Desk(*["running"] * 12, "completed"), JOB)
    assert 0.015 <= slept[0] <= 0.025
    assert 0.075 <= min(slept[-4:]) <= max(slept) <= 0.125
    assert len({round(pause, 4) for pause in slept[-4:]}) > 1, "they do not come in step"


def test_trouble_on_the_way_is_asked_through_and_what_is_gone_is_not() -> None:
    desk = Desk(503, 500, "running", 503, "completed")
    assert followed(desk, JOB)[0] == 5
    assert followed(Desk("running", 404, "running"), JOB)[0] == 2


def test_what_waits_is_decided_by_all_at_once_each_with_a_key_of_its_own() -> None:
    desk = Desk("running", "waiting", decided=["resuming", "completed"])
    sent, told = followed(desk, RUN)
    assert [step.number for step in desk.decided] == [DECISIONS, DECISIONS + 1, DECISIONS + 2]
    assert len({step.key for step in desk.decided}) == 3
    assert {(step.path, step.endpoint) for step in desk.decided} == {
        ("/agent/agent_1/resume", "/agent/{run_id}/resume")
    }
    assert {str(step.body) for step in desk.decided} == {"{'decision': 'approve'}"}
    assert sorted(entry.status or 0 for entry in told if entry.endpoint.endswith("resume")) == [202, 409, 409]
    assert sent == len(told) == 2 + 3 + 2


def test_another_run_of_the_same_seed_decides_with_other_keys() -> None:
    keys = []
    for subject in ("run_1", "run_2"):
        desk = Desk("waiting", decided=["completed"])
        followed(desk, RUN, subject=subject)
        keys += [step.key for step in desk.decided]
    assert len(set(keys)) == 6


def test_a_decision_that_came_to_nothing_is_made_again_while_it_waits() -> None:
    desk = Desk("waiting", "waiting", decided=["completed"])
    real, calls = desk.step, [0]

    def lost_first(arrival: Arrival, step: Step) -> Answer:
        if step.method == "POST" and calls[0] < RUN.copies:
            calls[0] += 1
            desk.sent.append(("POST", step, step.number))
            return Answer(Entry("x", time.time(), 1.0, step.endpoint, None, "lost"), {})
        return real(arrival, step)

    desk.step = lost_first  # type: ignore[method-assign]
    followed(desk, RUN)
    assert [step.number - DECISIONS for step in desk.decided] == [0, 1, 2, 3, 4, 5]
    assert len({step.key for step in desk.decided}) == 6


def test_a_job_is_never_decided() -> None:
    desk = Desk("waiting", "completed")
    followed(desk, JOB)
    assert desk.decided == []


def test_nobody_waits_longer_than_somebody_says() -> None:
    left = [5]

    def gives_up() -> bool:
        left[0] -= 1
        return left[0] < 0

    desk = Desk("running")
    assert followed(desk, JOB, gives_up)[0] == 5


def test_nobody_asks_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtests.load.following.gevent.sleep", lambda _: None)
    assert followed(Desk("running"), JOB)[0] == MOST_ASKED


@pytest.mark.parametrize("arrival", [JOB, RUN], ids=lambda one: one.kind)
def test_all_copies_go_out_at_once_and_what_they_made_is_followed_once(arrival: Arrival) -> None:
    desk, told = Desk("completed"), list[Entry]()
    fake: Any = desk
    asker = Asker(fake, Purse(), told.append, lambda: None, webhooks="http://127.0.0.1:1/webhooks")
    green(lambda: asker.ask(arrival, time.time()))
    assert [copy for method, _, copy in desk.sent if method == "POST"] == list(range(arrival.copies))
    assert {body["webhook_url"] for method, body, _ in desk.sent if method == "POST"} == {"http://127.0.0.1:1/webhooks"}
    assert desk.asked == [ASKED]
    assert asker.sent == len(told) == arrival.copies + 1
    assert {entry.key for entry in told if entry.endpoint == arrival.path} == {arrival.key}
