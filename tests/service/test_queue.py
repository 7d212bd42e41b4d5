"""The queue with real worker processes and a real Valkey: who runs what, and what becomes of it when somebody dies."""

import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from service.clock import SystemClock
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
