"""A job's record on a real Valkey: who may go on with it, what an end is, what the lists say."""

import dataclasses

import pytest

from service.settings import JobSettings
from service.store.guard import Store
from service.tracks.job_record import Job, Records, Spent, job_id_of

NOW = 1_700_000_000.0
COST = Spent(10, 5, 1_000, 0)


@pytest.fixture
def records(store: Store) -> Records:
    return Records(JobSettings(per_user_max=2), store=store)


def a_job(name: str, **more: object) -> Job:
    job = Job(job_id_of(name), "acme", "alice", "analysis", "default", "queued", 0, NOW, None, text="a text")
    return dataclasses.replace(job, **more)  # type: ignore[arg-type]


async def begun(records: Records, job: Job) -> Job:
    mine = await records.begin(job.id, NOW + 1)
    assert mine is not None
    return mine


async def test_a_job_is_made_once_and_read_back(records: Records) -> None:
    job = a_job("one", webhook_url="https://example.com/hook")
    assert await records.create(job, NOW)
    assert await records.create(dataclasses.replace(job, text="another"), NOW + 5)
    whole = await records.read(job.id, whole=True)
    assert whole is not None
    assert (whole.text, whole.status, whole.webhook_url) == ("a text", "queued", "https://example.com/hook")
    short = await records.read(job.id)
    assert short is not None
    assert short.text == ""
    assert await records.read("job_none") is None
    assert await records.begin("job_none", NOW) is None


async def test_only_who_began_it_last_goes_on_with_it(records: Records) -> None:
    job = a_job("fenced")
    await records.create(job, NOW)
    first, second = await begun(records, job), await begun(records, job)
    assert (first.delivery, second.delivery) == (1, 2)
    assert not await records.step(first, "map/1", "late", COST)
    assert not await records.finish(first, "completed", NOW, "job.completed", result="{}")
    assert not await records.wait(first, NOW, "unavailable")
    assert not await records.plan(first, 3)
    assert await records.step(second, "map/1", "in time", COST)
    third = await begun(records, job)
    assert third.steps == {"map/1": "in time"}
    assert (third.done, third.cost_nano_usd) == (1, 2_000), "the late one's money is spent all the same"


async def test_a_step_that_is_written_twice_counts_once(records: Records) -> None:
    job = a_job("twice")
    await records.create(job, NOW)
    mine = await begun(records, job)
    for _ in range(2):
        assert await records.step(mine, "map/1", "text", COST)
    seen = await records.read(job.id)
    assert seen is not None
    assert (seen.done, seen.cost_nano_usd) == (1, 1_000)


async def test_an_end_is_final_owes_its_event_and_forgets_the_text(records: Records, store: Store) -> None:
    job = a_job("ended", webhook_url="https://example.com/hook")
    await records.create(job, NOW)
    mine = await begun(records, job)
    await records.step(mine, "map/1", "text", COST)
    assert await records.finish(mine, "completed", NOW + 9, "job.completed", result='{"summary":"short"}')
    assert not await records.finish(mine, "failed", NOW + 9, "job.failed")
    assert not await records.cancel(job.id, NOW + 9, "job.cancelled")
    ended = await begun(records, job)
    assert (ended.status, ended.outbox, ended.result, ended.delivery) == (
        "completed",
        "job.completed",
        {"summary": "short"},
        1,
    )
    assert (ended.text, ended.steps) == ("", {})
    await records.told(job.id, "msg_1")
    seen = await records.read(job.id)
    assert seen is not None
    assert (seen.outbox, seen.webhook_id) == (None, "msg_1")
    assert 0 < await store.execute("PTTL", f"job:{{{job.id}}}") <= 86_400_000


async def test_a_cancelled_job_is_cancelled_for_good(records: Records) -> None:
    job = a_job("cancelled")
    await records.create(job, NOW)
    mine = await begun(records, job)
    assert await records.cancel(job.id, NOW + 2, "job.cancelled")
    assert not await records.step(mine, "map/1", "text", COST)
    assert not await records.finish(mine, "completed", NOW, "job.completed", result="{}")
    seen = await records.read(job.id)
    assert seen is not None
    assert (seen.status, seen.outbox, seen.cost_nano_usd) == ("cancelled", None, 1_000)


async def test_a_user_has_so_many_unfinished_jobs_and_no_more(records: Records) -> None:
    jobs = [a_job(f"many{number}") for number in range(3)]
    assert [await records.create(job, NOW) for job in jobs] == [True, True, False]
    assert await records.read(jobs[2].id) is None
    assert await records.create(a_job("others", user="bob"), NOW)
    assert {name for name, _ in await records.unfinished(0, 10)} == {
        *(job.name for job in jobs[:2]),
        a_job("others", user="bob").name,
    }
    assert await records.is_open(jobs[0])
    await records.close(jobs[0], NOW)
    await records.close(jobs[0], NOW)
    assert not await records.is_open(jobs[0])
    assert await records.ends_per_s(NOW) == pytest.approx(1 / 60), "each end counts once"
    assert await records.create(jobs[2], NOW)


async def test_pages_end_between_two_jobs_even_of_one_moment(records: Records) -> None:
    jobs = [a_job(f"page{number}") for number in range(5)]
    for job in jobs:
        await records.create(job, NOW)
        await records.close(job, NOW)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        ids, cursor = await records.page("acme:alice", cursor, 2)
        seen += ids
        if cursor is None:
            break
    assert seen == [job.id for job in reversed(jobs)]
