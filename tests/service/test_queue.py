"""The queue with real worker processes and a real Valkey: who runs what, and what becomes of it when somebody dies."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from streaq import StreaqError
from streaq.constants import REDIS_GROUP as GROUP
from streaq.types import StreamMessage

from door.parts import VALKEY_REST_S
from service.clock import SystemClock
from service.errors import StoreUnavailable
from service.settings import QueueSettings
from service.store.connection import Multiplexed
from service.store.guard import Store
from service.tracks.lane_worker import LaneWorker
from service.tracks.queue import PRIORITY, Depth, Keys, Queue

from ..stack import Process, Valkey, eventually
from .marking_worker import MARKS, SLOW_START

REDELIVER_S = 2.0
MARKS_KEYS = Keys("marks")
Start = Callable[[], Process]


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    server = Valkey(tmp_path)
    yield server
    server.end()


@pytest.fixture
def start(tmp_path: Path, valkey: Valkey) -> Iterator[Start]:
    """Start a worker process; ended with the test."""
    started: list[Process] = []

    def begin() -> Process:
        command = [sys.executable, "-m", "tests.service.marking_worker", valkey.url, str(REDELIVER_S)]
        started.append(Process(f"worker{len(started)}", command, {}, tmp_path))
        started[-1].ready()
        return started[-1]

    yield begin
    for process in started:
        process.end()


@pytest.fixture
async def queue(valkey: Valkey) -> AsyncIterator[Queue]:
    clock = SystemClock()
    store = Store(Multiplexed(valkey.url, timeout_s=0.2, clock=clock), failures=2, skip_s=0.5, clock=clock)
    yield Queue(store)
    await store.aclose()


@pytest.fixture
async def redis(valkey: Valkey) -> AsyncIterator[Redis]:
    client = Redis.from_url(valkey.url, decode_responses=True)
    yield client
    await client.aclose()


async def marks(redis: Redis, count: int, within_s: float = 15.0) -> list[dict[str, Any]]:
    """The marks, as soon as there are so many."""
    rows: list[Any] = []

    async def there() -> bool:
        rows[:] = await redis.lrange(MARKS, 0, -1)
        return len(rows) >= count

    await eventually(there, f"{count} marks", within_s=within_s)
    return [json.loads(row) for row in rows]


async def empty(queue: Queue, redis: Redis) -> None:
    """Wait until nothing waits or runs, and nothing is kept of any task."""

    async def nothing_left() -> bool:
        kept = [await redis.keys(f"streaq:*:{kind}") for kind in ("task:*", "aborted", "index:running")]
        return await queue.depth("marks") == Depth(0, 0, 0, 0.0) and not any(kept)

    await eventually(nothing_left, "an empty queue")


async def entries(redis: Redis) -> list[Any]:
    """Ids of the lane's entries."""
    rows: Any = await redis.xrange(MARKS_KEYS.stream)
    return [message_id for message_id, _ in rows]


async def with_workers(redis: Redis, count: int) -> None:
    """Wait until so many entries are with workers."""

    async def so_many() -> bool:
        return bool((await redis.xpending(MARKS_KEYS.stream, GROUP))["pending"] == count)

    await eventually(so_many, f"{count} entries with workers")


@asynccontextmanager
async def lane_worker(valkey: Valkey) -> AsyncIterator[LaneWorker]:
    """One in this process, connected, that does nothing by itself."""
    worker = LaneWorker("marks", QueueSettings(redeliver_s=REDELIVER_S, at_once=4), valkey.url, "here")
    async with worker:
        yield worker


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


async def test_a_killed_workers_task_runs_at_another_in_time(queue: Queue, redis: Redis, start: Start) -> None:
    first = start()
    await queue.put("marks.hold", "held", "h")
    await marks(redis, 1)
    second = start()
    first.kill()
    killed_s = time.monotonic()
    _, again = await marks(redis, 2)
    assert time.monotonic() - killed_s < REDELIVER_S
    assert (again["pid"], again["delivery"]) == (second.popen.pid, 2)
    await redis.set("release:h", 1)
    await marks(redis, 3)
    await empty(queue, redis)


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


async def test_a_second_entry_of_a_task_that_runs_waits_for_its_end_and_ends_nothing(
    queue: Queue, redis: Redis, start: Start
) -> None:
    start()
    await queue.put("marks.hold", "held", "h")
    await marks(redis, 1)
    await redis.xadd(MARKS_KEYS.stream, {"task_id": "held", "enqueue_time": 1})
    await with_workers(redis, 2)
    await redis.set("release:h", 1)
    await empty(queue, redis)
    assert [row["what"] for row in await marks(redis, 2)] == ["began", "ended"]


async def test_an_entry_whose_task_was_done_ends_no_task_that_was_put_since(
    queue: Queue, redis: Redis, valkey: Valkey
) -> None:
    await redis.xgroup_create(MARKS_KEYS.stream, GROUP, "0", mkstream=True)
    await redis.xadd(MARKS_KEYS.stream, {"task_id": "one", "enqueue_time": 1})
    (stale,) = await entries(redis)
    async with lane_worker(valkey) as worker:
        await redis.xreadgroup(GROUP, worker.id, {MARKS_KEYS.stream: ">"})
        await queue.put("marks.mark", "one", "a")  # between the worker's look for the data and its end
        await worker.finish_failed_task(StreamMessage(stale, "one", PRIORITY, 1), StreaqError("Task expired!"), 1, 0)
        await with_workers(redis, 0)
        assert await redis.exists(MARKS_KEYS.data("one"))
        assert await redis.xlen(MARKS_KEYS.stream) == 1
        await redis.delete(MARKS_KEYS.data("one"))
        await redis.xreadgroup(GROUP, worker.id, {MARKS_KEYS.stream: ">"})
        (fresh,) = await entries(redis)
        await worker.run_task(StreamMessage(fresh, "one", PRIORITY, 1))
    await empty(queue, redis)


async def test_a_dead_workers_task_comes_before_new_ones_however_many_run(
    queue: Queue, redis: Redis, start: Start
) -> None:
    """The living hold more entries than XAUTOCLAIM looks at for four free slots, and they were there before."""
    living = 50
    for number in range(living):
        await queue.put("marks.mark", f"living{number}", "living")
    await queue.put("marks.mark", "dead", "dead")
    await redis.xgroup_create(MARKS_KEYS.stream, GROUP, "0")
    await redis.xreadgroup(GROUP, "living", {MARKS_KEYS.stream: ">"}, count=living)
    await redis.xreadgroup(GROUP, "dead", {MARKS_KEYS.stream: ">"})
    *ids, dead = await entries(redis)
    await redis.xclaim(MARKS_KEYS.stream, GROUP, "dead", 0, [dead], idle=3_600_000, justid=True)
    for number in range(8):
        await queue.put("marks.hold", f"new{number}", "new")

    async def go_on_living() -> None:
        while True:
            await redis.xclaim(MARKS_KEYS.stream, GROUP, "living", 0, ids, justid=True)
            await asyncio.sleep(0.1)

    alive = asyncio.create_task(go_on_living())
    start()
    rows = await marks(redis, 5)
    alive.cancel()
    assert {row["name"] for row in rows} == {"dead", "new"}


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


async def test_a_task_that_no_one_knows_here_is_left_for_a_newer_worker(
    queue: Queue, redis: Redis, start: Start
) -> None:
    worker = start()
    await queue.put("marks.newer", "one", "a")

    async def told() -> bool:
        return bool(worker.lines(event="task_unknown"))

    await eventually(told, "the worker to say so")
    assert await redis.exists(MARKS_KEYS.data("one"))
    await with_workers(redis, 1)


async def test_a_task_taken_while_the_worker_leaves_is_left_in_time(queue: Queue, redis: Redis, valkey: Valkey) -> None:
    ended = asyncio.Event()

    async def hold() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    await redis.xgroup_create(MARKS_KEYS.stream, GROUP, "0", mkstream=True)
    await queue.put("marks.hold", "held")
    (entry,) = await entries(redis)
    async with lane_worker(valkey) as worker:
        worker.add("marks.hold", hold, 60.0)
        await redis.xreadgroup(GROUP, worker.id, {MARKS_KEYS.stream: ">"})
        worker.leave(0.2)
        async with asyncio.timeout(10):
            await worker.run_task(StreamMessage(entry, "held", PRIORITY, 1))
    assert ended.is_set()
    await with_workers(redis, 1)
    assert await redis.exists(MARKS_KEYS.data("held"))


async def test_workers_that_are_long_gone_are_forgotten_unless_a_task_is_theirs(redis: Redis) -> None:
    await redis.xgroup_create(MARKS_KEYS.stream, GROUP, "0", mkstream=True)
    await redis.xadd(MARKS_KEYS.stream, {"task_id": "one", "enqueue_time": 1})
    for name in ("busy", "gone"):
        await redis.xreadgroup(GROUP, name, {MARKS_KEYS.stream: ">"})
    script = resources.files("service.tracks").joinpath("queue_forget.lua").read_text("utf-8")
    await redis.eval(script, 1, "streaq:no-such-stream", GROUP, 0)
    await redis.eval(script, 1, MARKS_KEYS.stream, GROUP, 3_600_000)
    assert len(await redis.xinfo_consumers(MARKS_KEYS.stream, GROUP)) == 2
    await asyncio.sleep(0.01)  # idle for more than no time
    await redis.eval(script, 1, MARKS_KEYS.stream, GROUP, 0)
    assert [row["name"] for row in await redis.xinfo_consumers(MARKS_KEYS.stream, GROUP)] == ["busy"]


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


async def test_a_stopped_workers_task_is_anothers_and_what_it_does_when_it_wakes_up_ends_nothing(
    queue: Queue, redis: Redis, start: Start
) -> None:
    first = start()
    await queue.put("marks.hold", "held", "h")
    await marks(redis, 1)
    second = start()
    first.stop()
    _, again = await marks(redis, 2)
    assert (again["pid"], again["delivery"]) == (second.popen.pid, 2)
    first.go_on()
    *_, late = await marks(redis, 3)
    assert late == {"what": "cancelled", "name": "h", "pid": first.popen.pid, "delivery": 1}

    async def refused() -> bool:
        return bool(first.lines(event="task_taken_over"))

    await eventually(refused, "the first to hear that it has lost the task")
    assert await redis.exists("streaq:{jobs}:marks:task:data:held")
    await redis.set("release:h", 1)
    *_, last = await marks(redis, 4)
    assert (last["what"], last["pid"]) == ("ended", second.popen.pid)
    await empty(queue, redis)


async def test_a_stopped_worker_that_nobody_replaces_goes_on_where_it_was(
    queue: Queue, redis: Redis, start: Start
) -> None:
    worker = start()
    await queue.put("marks.hold", "held", "h")
    await marks(redis, 1)
    worker.stop()
    await asyncio.sleep(REDELIVER_S)
    worker.go_on()
    await redis.set("release:h", 1)
    await empty(queue, redis)
    assert [row["what"] for row in await marks(redis, 2)] == ["began", "ended"]


async def test_redis_may_be_killed_and_come_back(queue: Queue, redis: Redis, start: Start, valkey: Valkey) -> None:
    worker = start()
    await queue.put("marks.hold", "held", "h")
    await marks(redis, 1)
    await redis.waitaof(1, 0, 5000)  # what is younger may be lost with the server
    valkey.kill()
    began_s = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await queue.put("marks.mark", "lost", "x")
    assert time.monotonic() - began_s < 0.25
    await asyncio.sleep(VALKEY_REST_S)
    valkey.start()
    await redis.connection_pool.disconnect()
    _, again = await marks(redis, 2)
    assert again == {"what": "began", "name": "h", "pid": worker.popen.pid, "delivery": 2}
    await redis.set("release:h", 1)
    await queue.put("marks.mark", "after", "a")
    assert {row["name"] for row in await marks(redis, 4)} == {"h", "a"}
    await empty(queue, redis)


async def test_redis_may_stand_still(queue: Queue, redis: Redis, start: Start, valkey: Valkey) -> None:
    start()
    await queue.put("marks.hold", "held", "h")
    await marks(redis, 1)
    valkey.stop()
    began_s = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await queue.put("marks.mark", "lost", "x")
    assert time.monotonic() - began_s < 0.25
    await asyncio.sleep(5.0)  # longer than a task may go unheard of
    valkey.go_on()
    await redis.set("release:h", 1)
    await empty(queue, redis)
    rows = await marks(redis, 2)
    assert [row["what"] for row in rows].count("ended") == [row["what"] for row in rows].count("began")


async def test_at_sigterm_a_worker_ends_what_it_can_and_leaves_the_rest_to_others(
    queue: Queue, redis: Redis, start: Start
) -> None:
    first = start()
    await queue.put("marks.hold", "short", "s")
    await queue.put("marks.hold", "long", "l")
    await marks(redis, 2)
    first.popen.terminate()
    await queue.put("marks.mark", "new", "n")
    await redis.set("release:s", 1)
    assert (await marks(redis, 3))[-1] == {"what": "ended", "name": "s", "pid": first.popen.pid, "delivery": 1}
    assert await asyncio.to_thread(first.popen.wait, 10) == 0
    second = start()
    rows = [row for row in await marks(redis, 6) if row["pid"] == second.popen.pid]
    assert sorted((row["name"], row["delivery"]) for row in rows) == [("l", 2), ("n", 1)]
    await redis.set("release:l", 1)
    await empty(queue, redis)
