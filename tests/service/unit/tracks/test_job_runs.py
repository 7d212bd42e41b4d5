"""A worker's run of a job, with a chain that does as it is told and a real Valkey: what waits, fails, is kept."""

import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from service.errors import (
    AllRungsFailed,
    BudgetExhausted,
    BudgetExhaustedToday,
    ContentFiltered,
    ContextTooLong,
    DeadlineExceeded,
    GauntletError,
    RateLimited,
    StoreUnavailable,
)
from service.stages.ask import Ask
from service.stages.citations import Citation
from service.stages.reply import Reply
from service.store.guard import Store
from service.tracks import analysis
from service.tracks.job_ends import event_of, job_record
from service.tracks.job_keep import POSTED_S, TRY_EVERY_S
from service.tracks.job_record import Job
from service.tracks.job_runs import backoff_s, may_be_mended
from service.tracks.queue import Later

from .job_world import SETTINGS, World


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


async def test_parts_are_mapped_then_reduced_and_the_end_is_told_once(world: World) -> None:
    job_id = await world.accept(webhook_url="https://example.com/")
    await world.runs.run(job_id)
    await world.runs.run(job_id)
    job = await world.seen(job_id)
    assert (job.status, job.done, job.total, job.delivery) == ("completed", 3, 3, 1)
    assert len(world.chain.asked) == 3
    assert world.chain.asked[-1].startswith("about first")
    assert world.told.events == [("job.completed", job_id)]
    assert [record["outcome"] for record in world.told.ended] == ["completed"]
    assert not await world.records.is_open(job)


async def test_a_document_is_analysed_without_a_search_whatever_the_route_does_for_questions(world: World) -> None:
    job_id = await world.accept(route="handbook")
    await world.runs.run(job_id)
    assert (await world.seen(job_id)).status == "completed"
    assert world.chain.searched == [False, False, False]


async def test_a_late_answer_is_searched_for_and_keeps_what_it_cites_although_the_worker_died(world: World) -> None:
    question = {"messages": [["user", "Why?"]], "system": None, "temperature": None, "seed": None, "max_tokens": None}
    job_id = await world.accept(kind="later", route="handbook", question=question)
    reply = Reply(source="live", provider="anthropic", model="m", text="Because. [2]")
    reply.sources = (Citation(1, "One", "a.md", "one"), Citation(2, "Two", "b.md", "two"))
    world.chain.then = [reply]
    job = await world.records.begin(job_id, world.clock.time())
    assert job is not None
    await world.runs._answer(job)  # and no further: whoever did this was killed
    await world.runs.run(job_id)
    assert world.chain.searched == [True]
    result = (await world.seen(job_id)).result
    assert result == {
        "answer": "Because. [2]",
        "citations": [{"n": 2, "title": "Two", "source": "b.md", "anchor": "two"}],
        "thread_id": "t",
        "appended": True,
    }


async def test_a_step_that_may_be_mended_makes_the_job_wait_and_what_is_done_is_not_asked_again(world: World) -> None:
    job_id = await world.accept()
    ok = Reply(source="live", provider="anthropic", model="m", text="kept")
    world.chain.then = [ok, RateLimited("too many", retry_after_s=7)]
    with pytest.raises(Later) as again:
        await world.runs.run(job_id)
    assert again.value.delay_s == 7 + 0.5
    job = await world.seen(job_id)
    assert (job.status, job.waits_for, job.done, job.failures) == ("running", "rate_limited", 1, 1)
    assert job.next_at == pytest.approx(world.clock.time() + 7.5)
    asked = len(world.chain.asked)
    await world.runs.run(job_id)
    assert len(world.chain.asked) == asked + 2
    job = await world.seen(job_id)
    assert (job.status, job.failures, job.waits_for) == ("completed", 0, None)


async def test_an_honest_message_is_no_result(world: World) -> None:
    job_id = await world.accept()
    message = Reply(source="message", provider=None, model=None, text="I cannot answer right now")
    message.retry_after_s = 12.0
    world.chain.then = [message]
    with pytest.raises(Later) as again:
        await world.runs.run(job_id)
    assert again.value.delay_s == 12.5
    assert (await world.seen(job_id)).done == 0


async def test_tries_without_any_step_done_come_to_an_end(world: World) -> None:
    job_id = await world.accept()
    for _ in range(SETTINGS.tries - 1):
        world.chain.then = [AllRungsFailed("nobody")]
        with pytest.raises(Later):
            await world.runs.run(job_id)
    world.chain.then = [AllRungsFailed("nobody")]
    await world.runs.run(job_id)
    job = await world.seen(job_id)
    assert (job.status, job.error) == ("failed", "all_rungs_failed")
    assert job.detail is not None
    assert "3 tries" in job.detail


async def test_what_the_document_is_to_blame_for_fails_the_job_at_once(world: World) -> None:
    job_id = await world.accept(webhook_url="https://example.com/")
    world.chain.then = [ContentFiltered("the provider refuses this content")]
    await world.runs.run(job_id)
    job = await world.seen(job_id)
    assert (job.status, job.error, job.detail) == ("failed", "content_filtered", "the provider refuses this content")
    assert world.told.events == [("job.failed", job_id)]


async def test_a_job_that_is_too_old_fails_and_says_what_it_waited_for(world: World) -> None:
    job_id = await world.accept()
    world.chain.then = [RateLimited("too many", retry_after_s=1)]
    with pytest.raises(Later):
        await world.runs.run(job_id)
    world.clock.advance(SETTINGS.deadline_s)
    await world.runs.run(job_id)
    job = await world.seen(job_id)
    assert (job.status, job.error) == ("failed", "job_expired")
    assert "rate_limited" in str(job.detail)


async def test_a_defect_fails_the_job_and_is_not_tried_for_ever(world: World) -> None:
    job_id = await world.accept()
    world.chain.then = [RuntimeError("a defect")]
    await world.runs.run(job_id)
    assert ((await world.seen(job_id)).status, (await world.seen(job_id)).error) == ("failed", "internal")


async def test_who_has_lost_a_job_does_not_end_its_task(world: World) -> None:
    job_id = await world.accept()

    async def taken_over(ask: Ask) -> Reply:
        await world.records.begin(job_id, world.clock.time())
        return Reply(source="live", provider="anthropic", model="m", text="too late")

    world.runs._chain = taken_over
    with pytest.raises(Later):
        await world.runs.run(job_id)
    assert (await world.seen(job_id)).status == "running"


async def test_a_large_document_is_split_beside_the_event_loop(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []
    inner = analysis.of_parts

    def noting(*args: Any) -> list[str]:
        threads.append(threading.current_thread())
        return inner(*args)

    monkeypatch.setattr(analysis, "of_parts", noting)
    await world.runs.run(await world.accept())
    assert threads
    assert threading.main_thread() not in threads


@pytest.mark.parametrize(("away_s", "is_kept"), [(1.0, True), (POSTED_S - 1.0, True), (POSTED_S + 1.0, False)])
async def test_a_step_that_was_paid_is_kept_also_when_the_store_comes_back_after_the_job_gave_up(
    world: World, monkeypatch: pytest.MonkeyPatch, away_s: float, is_kept: bool
) -> None:
    job_id = await world.accept()
    inner, posted = world.records.step, world.settle.post
    back_at_s = float("inf")

    async def step(*args: Any) -> bool:
        if world.clock.monotonic() < back_at_s:
            raise StoreUnavailable("away")
        return await inner(*args)

    def post(work: Coroutine[Any, Any, Any], what: str) -> None:
        nonlocal back_at_s
        back_at_s = world.clock.monotonic() + away_s
        posted(work, what)

    monkeypatch.setattr(world.records, "step", step)
    monkeypatch.setattr(world.settle, "post", post)
    with pytest.raises(Later):
        await world.runs.run(job_id)
    await world.settle.drain()
    job = await world.seen(job_id)
    assert (list(job.steps), job.done) == ((["map/1"], 1) if is_kept else ([], 0))


async def test_what_waits_for_a_store_does_not_hold_the_workers_end_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await world.accept()

    async def step(*_: Any) -> bool:
        raise StoreUnavailable("away")

    monkeypatch.setattr(world.records, "step", step)
    with pytest.raises(Later):
        await world.runs.run(job_id)
    began_s = world.clock.monotonic()
    await world.runs.aclose()
    await world.settle.drain()
    assert world.clock.monotonic() - began_s <= 2 * TRY_EVERY_S


@pytest.mark.parametrize(
    ("error", "mended"),
    [
        (RateLimited("x"), True),
        (BudgetExhaustedToday("x"), True),
        (BudgetExhausted("x"), False),
        (AllRungsFailed("x"), True),
        (DeadlineExceeded("x"), True),
        (StoreUnavailable("x"), True),
        (ContextTooLong("x"), False),
        (ContentFiltered("x"), False),
        (GauntletError("x"), False),
    ],
)
def test_what_another_try_may_mend(error: GauntletError, mended: bool) -> None:
    assert may_be_mended(error) is mended


def test_the_wait_grows_to_its_cap_with_full_jitter() -> None:
    def longest(failures: int, draw: Callable[[], float] = lambda: 1.0) -> float:
        return backoff_s(SETTINGS, failures, draw)

    assert [longest(n) for n in range(5)] == [1, 2, 4, 4, 4]
    assert longest(10_000) == 4
    assert longest(3, lambda: 0.0) == 0


def test_events_and_the_record_of_an_end() -> None:
    assert event_of("analysis", "completed") == "job.completed"
    assert event_of("later", "completed") == "answer.ready"
    assert event_of("later", "failed") == "job.failed"
    job = Job("job_1", "acme", "alice", "analysis", "default", "cancelled", 0, 100.0, None, ended_at=103.0)
    record = job_record(job)
    assert (record["wait_ms"], record["run_ms"], record["outcome"]) == (3000.0, 0.0, "cancelled")
