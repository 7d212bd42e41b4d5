"""One task and several entries of it: it runs at one place at a time, and no entry ends what is another one's."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis
from streaq import StreaqError
from streaq.constants import REDIS_GROUP as GROUP

from service.tracks.lane_worker import LaneWorker
from service.tracks.queue import Queue, TaskFn

from ...valkey import Valkey
from ...waiting import eventually
from .bench import MARKS_KEYS, PATIENT_S, Start, empty, lane_worker, marks, taken, with_workers


async def test_a_second_entry_of_a_task_that_runs_waits_for_its_end_wherever_it_is(
    queue: Queue, redis: Redis, start: Start
) -> None:
    start()
    start()
    await queue.put("marks.hold", "held", "h")
    await marks(redis, 1)
    second = await redis.xadd(MARKS_KEYS.stream, {"task_id": "held", "enqueue_time": 1})

    async def handed_around() -> bool:
        rows: Any = await redis.xpending_range(MARKS_KEYS.stream, GROUP, second, second, 1)
        return bool(rows and rows[0]["times_delivered"] >= 3)

    await eventually(handed_around, "somebody to take the second entry again and again")
    await redis.set("release:h", 1)
    await empty(queue, redis)
    assert [row["what"] for row in await marks(redis, 2)] == ["began", "ended"]


async def test_another_worker_leaves_a_second_entry_and_drops_it_after_the_end_of_the_first(
    queue: Queue, redis: Redis, valkey: Valkey
) -> None:
    began, may_end, runs = asyncio.Event(), asyncio.Event(), 0

    async def hold() -> None:
        nonlocal runs
        runs += 1
        began.set()
        await may_end.wait()

    await redis.xgroup_create(MARKS_KEYS.stream, GROUP, "0", mkstream=True)
    await queue.put("marks.hold", "held")
    async with lane_worker(valkey) as here, lane_worker(valkey, "there") as there:
        for worker in (here, there):
            worker.add("marks.hold", hold, PATIENT_S)
        first = asyncio.create_task(here.run_task(await taken(redis, here)))
        await began.wait()
        await redis.xadd(MARKS_KEYS.stream, {"task_id": "held", "enqueue_time": 1})
        second = await taken(redis, there)
        await there.run_task(second)
        assert (runs, await redis.xlen(MARKS_KEYS.stream)) == (1, 2)
        may_end.set()
        await first
        await there.run_task(second)
    assert runs == 1
    await empty(queue, redis)


async def test_who_takes_a_dead_workers_entry_over_has_its_task_at_once_and_the_late_one_lets_go_of_nothing(
    queue: Queue, redis: Redis, valkey: Valkey
) -> None:
    ends: dict[str, asyncio.Event] = {name: asyncio.Event() for name in ("here", "there")}
    began: list[str] = []

    def hold_at(name: str) -> TaskFn:
        async def hold() -> None:
            began.append(name)
            await ends[name].wait()

        return hold

    async def both() -> bool:
        return len(began) == 2

    await redis.xgroup_create(MARKS_KEYS.stream, GROUP, "0", mkstream=True)
    await queue.put("marks.hold", "held")
    async with lane_worker(valkey) as here, lane_worker(valkey, "there") as there:
        for worker in (here, there):
            worker.add("marks.hold", hold_at(worker.id), PATIENT_S)
        entry = await taken(redis, here)
        late = asyncio.create_task(here.run_task(entry))
        await eventually(lambda: redis.exists(MARKS_KEYS.held("held")), "the first to hold it")
        await redis.xclaim(MARKS_KEYS.stream, GROUP, there.id, 0, [entry.message_id], justid=True)
        new = asyncio.create_task(there.run_task(entry))
        await eventually(both, "both to run")
        ends["here"].set()
        await late
        assert await redis.get(MARKS_KEYS.held("held")) == f"{entry.message_id} there"
        ends["there"].set()
        await new
    await empty(queue, redis)


async def test_a_worker_that_comes_too_late_for_a_task_leaves_no_count_of_its_tries(
    queue: Queue, redis: Redis, valkey: Valkey
) -> None:
    await redis.xgroup_create(MARKS_KEYS.stream, GROUP, "0", mkstream=True)
    await queue.put("marks.mark", "one", "a")
    async with lane_worker(valkey) as worker:
        entry = await taken(redis, worker)
        await redis.set(MARKS_KEYS.tries("one"), 2)  # as streaq does first, before it looks for the data
        await redis.xclaim(MARKS_KEYS.stream, GROUP, "other", 0, [entry.message_id], justid=True)
        await worker.finish_failed_task(entry, StreaqError("Task expired!"), 2, 0)
        assert await redis.get(MARKS_KEYS.tries("one")) == "2", "while the task is there it counts"
        await redis.delete(MARKS_KEYS.data("one"))
        await worker.finish_failed_task(entry, StreaqError("Task expired!"), 2, 0)
        await with_workers(redis, 1)
        await redis.xack(MARKS_KEYS.stream, GROUP, entry.message_id)
        await redis.xdel(MARKS_KEYS.stream, entry.message_id)
    await empty(queue, redis)


async def test_an_entry_whose_task_was_done_ends_no_task_that_was_put_since(
    queue: Queue, redis: Redis, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(worker: LaneWorker) -> None:
        await worker.run_task(await taken(redis, worker))

    await redis.xgroup_create(MARKS_KEYS.stream, GROUP, "0", mkstream=True)
    await redis.xadd(MARKS_KEYS.stream, {"task_id": "one", "enqueue_time": 1})
    async with lane_worker(valkey) as worker:
        inner = worker.finish_failed_task

        async def late(*given: Any, **more: Any) -> None:
            await queue.put("marks.mark", "one", "a")  # between the worker's look for the data and its end
            await inner(*given, **more)

        with monkeypatch.context() as between:
            between.setattr(worker, "finish_failed_task", late)
            await run(worker)
        await with_workers(redis, 0)
        assert await redis.exists(MARKS_KEYS.data("one"))
        assert await redis.xlen(MARKS_KEYS.stream) == 1
        await redis.delete(MARKS_KEYS.data("one"))
        await run(worker)
    await empty(queue, redis)
