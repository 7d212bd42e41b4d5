"""Jobs that nobody has, on a real Valkey: they are put again, and told of when they have ended."""

import pytest

from service.store.guard import Store
from service.tracks import job_sweep
from service.tracks.job_record import TASK, job_id_of
from service.tracks.queue import Keys

from .job_world import World


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


async def test_the_sweep_puts_again_what_the_queue_has_lost_and_tells_what_is_owed(world: World) -> None:
    lost = await world.accept()
    await world.runs.sweep.once()
    depth = await world.queue.depth("jobs")
    assert depth.waiting == 1
    await world.runs.sweep.once()
    assert (await world.queue.depth("jobs")).waiting == 1
    mine = await world.records.begin(lost, world.clock.time())
    assert mine is not None
    await world.records.finish(mine, "completed", world.clock.time(), "job.completed", result="{}")
    await world.runs.sweep.once()
    assert [record["job_id"] for record in world.told.ended] == [lost]
    await world.runs.sweep.once()
    assert len(world.told.ended) == 1


async def test_the_sweep_finds_a_task_of_which_only_the_data_is_left_and_takes_no_other_for_one(
    world: World, store: Store
) -> None:
    job_id = await world.accept()
    keys = Keys("jobs")
    await world.queue.put(TASK, job_id, job_id)
    await store.execute("DEL", keys.stream)
    assert await world.queue.put(TASK, job_id, job_id) is False, "to whoever only puts it is there"
    await world.runs.sweep.once()
    assert (await world.queue.depth("jobs")).waiting == 1
    await world.runs.sweep.once()
    assert (await world.queue.depth("jobs")).waiting == 1
    await world.queue.cancel(TASK, job_id)
    await store.execute("DEL", keys.data(job_id), keys.stream)
    await world.queue.put(TASK, job_id, job_id, delay_s=60)
    await world.runs.sweep.once()
    depth = await world.queue.depth("jobs")
    assert (depth.waiting, depth.delayed) == (0, 1)


async def test_however_many_are_unfinished_a_lost_one_behind_them_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_sweep, "MOST_SWEPT", 2)
    ids = [await world.accept(id=job_id_of("many", str(number))) for number in range(5)]
    for job_id in ids[:4]:
        await world.queue.put(TASK, job_id, job_id)
    for waiting in (4, 4, 5, 5):
        await world.runs.sweep.once()
        assert (await world.queue.depth("jobs")).waiting == waiting
