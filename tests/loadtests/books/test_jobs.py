"""Jobs in the books: each rule of `jobs.py` holds in a true world and fails in an altered one."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from loadtests.books.ends import Job
from loadtests.books.service import ServiceReader
from tests.collector import Collector
from tests.telling import Teller

from .world import BEGAN, ENDED, GPT, KILLED, WORK_KILLED, World, attempt, balanced, call

STEP_COST = 1_000


def told(w: World, job: str, at: float, state: str, **more: Any) -> None:
    """Somebody asked for it, or how it stands."""
    path = "/jobs" if state == "queued" else "/jobs/{job_id}"
    entry = {"endpoint": path, "kind": "job", "subject_id": job, "state": state, **more}
    w.add(f"{job} {at}", at, entry=entry, record={"endpoint": path})


def step(w: World, job: str, number: int, at: float, cost: int | None = STEP_COST) -> None:
    """A call for it, in the service's book and the provider's."""
    w.add(
        "step", at, request_id=f"00000000-0000-8000-8000-{len(w.records):012d}",
        record={"endpoint": "/jobs", "step": f"{job}/map/{number}"},
        attempts=[attempt(1, GPT, tokens=(10, 2), cost=cost)],
        calls=[call(1, GPT, tokens=(10, 2), bill=cost or 0)],
    )  # fmt: skip


def ended(job: str, at: float, outcome: str = "completed", cost: int | None = 2 * STEP_COST) -> Job:
    return Job(job, outcome, cost, BEGAN + at - 3, BEGAN + at)


def world() -> World:
    """A job that was done, one that failed, one that was cancelled while a step was under way, and a stranger's."""
    w = balanced()
    for job, at, state in (("job_1", 20, "completed"), ("job_2", 30, "failed"), ("job_3", 40, "cancelled")):
        told(w, job, at - 3, "queued")
        told(w, job, at - 1, "running")
        told(w, job, at + 1, state)
        step(w, job, 1, at - 2.5)
        step(w, job, 2, at - 0.2)
    step(w, "job_4", 1, 45)
    w.jobs = [
        ended("job_1", 20),
        ended("job_2", 30, "failed"),
        ended("job_3", 40, "cancelled", STEP_COST),
        ended("job_4", 46, cost=STEP_COST),
    ]
    return w


def whats(w: World) -> list[str]:
    found = w.judged()
    assert {one.rule for one in found.differences} <= {"jobs"}, found.differences
    return [one.what for one in found.differences]


def test_a_true_world_balances() -> None:
    w = world()
    assert whats(w) == []
    lines = {one.what: one for one in w.judged().lines if one.rule in ("jobs", "strangers")}
    ends, cost = lines["ends of jobs as told"], lines["cost of jobs and of their steps"]
    assert (ends.kind, ends.client, ends.service) == ("exact", 3, 3)
    assert (cost.kind, cost.service) == ("exact", 6 * STEP_COST)
    assert lines["jobs of other callers"].service == 1


def test_an_end_that_is_another_than_was_told_is_found() -> None:
    w = world()
    w.jobs[0] = replace(w.jobs[0], outcome="failed")
    assert whats(w) == ["job job_1: end"]


def test_two_ends_of_one_job_are_found() -> None:
    w = world()
    told(w, "job_1", 22, "failed")
    assert whats(w) == ["job job_1: end"]


def test_an_end_of_which_there_is_no_record_is_found_once_it_is_no_longer_fresh() -> None:
    w = world()
    del w.jobs[0]
    assert whats(w) == ["job job_1: end"]
    assert not w.judged().open
    w.now = BEGAN + 25
    assert "job_1" in w.judged().open


@pytest.mark.parametrize(("killed", "found"), [(WORK_KILLED, []), (KILLED, ["job job_5: end"])], ids=["its", "another"])
def test_only_the_kill_of_a_worker_of_the_queue_explains_a_lost_end(killed: float, found: list[str]) -> None:
    w, at = world(), killed - BEGAN
    told(w, "job_5", at - 1, "running", worker="111")
    told(w, "job_5", at + 1, "completed", worker="111")
    assert whats(w) == found
    assert any("ends of jobs, lost by the kill of 444-dd" in one.what for one in w.judged().lines) is not bool(found)


def test_a_job_of_whose_end_nobody_was_told_is_counted() -> None:
    w = world()
    told(w, "job_5", 50, "running")
    assert whats(w) == []
    assert any(one.what == "jobs of whose end no client was told" and one.client == 1 for one in w.judged().lines)


@pytest.mark.parametrize("by", [-1, 1])
def test_a_cost_that_is_not_that_of_the_steps_is_found(by: int) -> None:
    for job in (0, 1, 3):
        w = world()
        w.jobs[job] = replace(w.jobs[job], cost_nano_usd=(w.jobs[job].cost_nano_usd or 0) + by)
        assert whats(w) == [f"job {w.jobs[job].job_id}: cost"]


def test_a_step_without_a_price_leaves_the_job_without_one() -> None:
    w = world()
    step(w, "job_1", 3, 18, cost=None)
    assert whats(w) == ["job job_1: cost"]
    w.jobs[0] = replace(w.jobs[0], cost_nano_usd=None)
    assert whats(w) == []
    w.jobs[1] = replace(w.jobs[1], cost_nano_usd=None)
    assert whats(w) == ["job job_2: cost"]


def test_a_cancelled_job_costs_between_what_was_done_and_what_was_under_way() -> None:
    w = world()
    for cost, found in ((STEP_COST - 1, ["job job_3: cost"]), (STEP_COST, []), (2 * STEP_COST, [])):
        w.jobs[2] = replace(w.jobs[2], cost_nano_usd=cost)
        assert whats(w) == found
    w.jobs[2] = replace(w.jobs[2], cost_nano_usd=2 * STEP_COST + 1)
    assert whats(w) == ["job job_3: cost"]


def test_what_is_spent_after_the_end_is_no_part_of_what_was_told() -> None:
    w = world()
    step(w, "job_1", 1, 22)
    assert whats(w) == []


@pytest.mark.parametrize(
    ("killed", "found"), [(WORK_KILLED, []), (KILLED, ["job job_5: cost"])], ids=["its", "another"]
)
def test_only_the_kill_of_a_worker_of_the_queue_explains_a_cost(killed: float, found: list[str]) -> None:
    w = world()
    w.jobs.append(Job("job_5", "completed", STEP_COST, killed - 2, killed + 2))
    assert whats(w) == found


def test_a_job_that_reaches_beyond_the_time_is_not_judged_by_its_cost() -> None:
    w = world()
    w.jobs += [ended("job_5", 1), replace(ended("job_6", 99), ended=ENDED + 1)]
    assert whats(w) == []


def test_the_readers_jobs_come_from_the_collector(collector: Collector) -> None:
    t = round(time.time() - 86_400 * 0.3, 3)
    names = [f"job_{number}" for number in range(5)]
    with Teller(collector) as teller:
        for number, name in enumerate(names):
            record = {
                "job_id": name,
                "outcome": "completed",
                "cost_nano_usd": 7,
                "created": t,
                "ended": t + number // 2,
            }
            for _ in range(2):  # a worker that died when it had told it, and the next
                teller.event("gauntlet.job", json.dumps(record), t=t + 3)
        teller.told()
    found = ServiceReader(collector.url, page_rows=2).read(t - 1, t + 1).jobs
    assert found == [Job(name, "completed", 7, t, t + number // 2) for number, name in enumerate(names)]
    assert ServiceReader(collector.url).read(t - 2000, t - 1000).jobs == []
