"""The queue with real worker processes and a real Valkey: what runs, once, when, beside what. Next: ``test_deaths``."""

from redis.asyncio import Redis

from service.tracks.queue import Queue

from ...waiting import eventually
from ..marking_worker import SLOW_START
from .bench import MARKS_KEYS, Start, empty, marks, with_workers


async def test_what_one_process_puts_another_runs_once_however_often_it_is_put(
    queue: Queue, redis: Redis, start: Start
) -> None:
    assert await queue.put("marks.mark", "one", "a") is True
    assert await queue.put("marks.mark", "one", "a") is False
    waiting = await queue.depth("marks")
    assert (waiting.waiting, waiting.delayed, waiting.running) == (1, 0, 0)
    worker = start()
    (mark,) = await marks(redis, 1)
    assert mark == {"what": "ran", "name": "a", "pid": worker.popen.pid, "delivery": 1}
    await empty(queue, redis)
    assert not await redis.keys("*one*"), "what is done leaves nothing behind"


async def test_a_task_that_asks_for_more_time_runs_again_and_one_that_fails_does_not(
    queue: Queue, redis: Redis, start: Start
) -> None:
    start()
    await queue.put("marks.again", "more", "m")
    await queue.put("marks.fail", "wrong", "f")
    rows = await marks(redis, 4)
    assert [row["delivery"] for row in rows if row["name"] == "m"] == [1, 2, 3]
    assert [row["delivery"] for row in rows if row["name"] == "f"] == [1]
    await empty(queue, redis)


async def test_a_task_is_cancelled_while_it_waits_for_its_time_and_while_it_runs(
    queue: Queue, redis: Redis, start: Start
) -> None:
    await queue.put("marks.mark", "in-an-hour", "d", delay_s=3600)
    assert (await queue.depth("marks")).delayed == 1
    await queue.cancel("marks.mark", "in-an-hour")
    await queue.put("marks.mark", "queued", "q")
    await queue.cancel("marks.mark", "queued")
    start()
    await queue.put("marks.hold", "runs", "r")
    await marks(redis, 1)
    await queue.cancel("marks.hold", "runs")
    _, last = await marks(redis, 2)
    assert (last["what"], last["name"]) == ("cancelled", "r")
    await empty(queue, redis)
    await queue.cancel("marks.hold", "runs")
    assert not await redis.keys("*aborted*"), "nothing is marked that is not there"
    await queue.put("marks.again", "asked-for-more", "m", delay_s=3600)
    await redis.sadd(MARKS_KEYS.aborted, "asked-for-more")  # it was cancelled while it ran
    await queue.cancel("marks.again", "asked-for-more")
    await empty(queue, redis)


async def test_no_lane_waits_for_the_start_of_a_track(queue: Queue, redis: Redis, start: Start) -> None:
    await redis.set(SLOW_START, 1)
    start()
    await queue.put("marks.mark", "one", "a")
    await marks(redis, 1)


async def test_a_task_that_hangs_is_ended_and_runs_again(queue: Queue, redis: Redis, start: Start) -> None:
    worker = start()
    await queue.put("hasty.hold", "hangs", "h")
    rows = await marks(redis, 3)
    assert [(row["what"], row["delivery"]) for row in rows] == [("began", 1), ("cancelled", 1), ("began", 2)]
    assert worker.lines(event="task_too_long")
    await redis.set("release:h", 1)
    await empty(queue, redis)


async def test_a_task_that_no_one_knows_here_is_left_for_a_newer_worker_unless_it_is_cancelled(
    queue: Queue, redis: Redis, start: Start
) -> None:
    worker = start()
    await queue.put("marks.newer", "one", "a")

    async def told() -> bool:
        return bool(worker.lines(event="task_unknown"))

    await eventually(told, "the worker to say so")
    assert await redis.exists(MARKS_KEYS.data("one"))
    await with_workers(redis, 1)
    await queue.cancel("marks.newer", "one")
    await empty(queue, redis)
    assert len(worker.lines(event="task_unknown")) == 1, "one line, however often it is looked at"


async def test_a_full_lane_holds_up_no_other(queue: Queue, redis: Redis, start: Start) -> None:
    start()
    for number in range(4):
        await queue.put("marks.hold", f"full{number}", "all")
    await marks(redis, 4)
    await queue.put("marks.mark", "behind", "waits")
    await queue.put("other.mark", "beside", "runs")
    *_, last = await marks(redis, 5)
    assert last["name"] == "runs"
    depth = await queue.depth("marks")
    assert (depth.waiting, depth.running) == (1, 4)
    assert depth.oldest_s > 0
    await redis.set("release:all", 1)
    assert "waits" in [row["name"] for row in await marks(redis, 10)]
