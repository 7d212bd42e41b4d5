"""The queue with real worker processes and a real Valkey: who runs what, and what becomes of it when somebody dies."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from door.parts import VALKEY_REST_S
from service.clock import SystemClock
from service.errors import StoreUnavailable
from service.store.connection import Multiplexed
from service.store.guard import Store
from service.tracks.queue import Depth, Queue

from ..stack import Process, Valkey, eventually
from .marking_worker import MARKS

REDELIVER_S = 2.0
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


async def empty(queue: Queue) -> None:
    async def nothing_left() -> bool:
        return await queue.depth("marks") == Depth(0, 0, 0, 0.0)

    await eventually(nothing_left, "an empty queue")


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
    await empty(queue)
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
    await empty(queue)


async def test_a_task_that_asks_for_more_time_runs_again_and_one_that_fails_does_not(
    queue: Queue, redis: Redis, start: Start
) -> None:
    start()
    await queue.put("marks.again", "more", "m")
    await queue.put("marks.fail", "wrong", "f")
    rows = await marks(redis, 4)
    assert [row["delivery"] for row in rows if row["name"] == "m"] == [1, 2, 3]
    assert [row["delivery"] for row in rows if row["name"] == "f"] == [1]
    await empty(queue)


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
    await empty(queue)
    await queue.cancel("marks.hold", "runs")
    assert not await redis.keys("*aborted*"), "nothing is marked that is not there"


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
    await empty(queue)


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
    await empty(queue)
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
    await empty(queue)


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
    await empty(queue)
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
    await empty(queue)
