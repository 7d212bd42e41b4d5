"""Workers that are killed, stopped or leave, and a Redis that dies: who runs what then. Next: ``test_entries.py``."""

import asyncio
import time
from importlib import resources
from typing import Any

import pytest
from redis.asyncio import Redis
from streaq.constants import REDIS_GROUP as GROUP
from streaq.types import StreamMessage

from door.parts import VALKEY_REST_S
from service.errors import StoreUnavailable
from service.tracks.queue import PRIORITY, Queue

from ...valkey import Valkey
from ...waiting import eventually
from .bench import MARKS_KEYS, REDELIVER_S, Start, empty, entries, lane_worker, marks, with_workers


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


async def test_a_connection_that_is_reset_ends_no_task(queue: Queue, redis: Redis, start: Start) -> None:
    worker = start()
    await queue.put("marks.hold", "held", "h")
    await marks(redis, 1)
    clients: Any = await redis.client_list()
    ids = [client["id"] for client in clients if client.get("lib-name") == "coredis"]
    assert ids
    for each in ids:
        await redis.client_kill_filter(_id=each)
    await queue.put("marks.mark", "after", "a")
    await marks(redis, 2)
    await redis.set("release:h", 1)
    await empty(queue, redis)
    assert [row["what"] for row in await marks(redis, 3)] == ["began", "ran", "ended"]
    assert not worker.lines(event="queue_lost")
