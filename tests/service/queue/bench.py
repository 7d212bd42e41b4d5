"""What the tests of the queue look at: marks that tasks leave, entries and what is kept of them."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from streaq.constants import REDIS_GROUP as GROUP
from streaq.types import StreamMessage

from service.settings import QueueSettings
from service.tracks.lane_worker import LaneWorker
from service.tracks.queue import PRIORITY, Depth, Keys, Queue

from ...process import Process
from ...valkey import Valkey
from ...waiting import eventually
from ..marking_worker import MARKS

REDELIVER_S = 2.0
PATIENT_S = 60.0
"""For workers in the test's own process, which renew nothing by themselves."""
MARKS_KEYS = Keys("marks")
Start = Callable[[], Process]


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
async def lane_worker(valkey: Valkey, name: str = "here") -> AsyncIterator[LaneWorker]:
    """One in this process, connected, that does nothing by itself."""
    worker = LaneWorker("marks", QueueSettings(redeliver_s=PATIENT_S, at_once=4), valkey.url, name)
    async with worker:
        yield worker


async def taken(redis: Redis, worker: LaneWorker) -> StreamMessage:
    """The one new entry, which the worker has now."""
    read: Any = await redis.xreadgroup(GROUP, worker.id, {MARKS_KEYS.stream: ">"})
    ((_, ((entry, fields),)),) = read
    return StreamMessage(entry, fields["task_id"], PRIORITY, int(fields["enqueue_time"]))
