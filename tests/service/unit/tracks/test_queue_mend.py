"""What the queue has lost, found in a real Valkey: also behind a long stream, and without holding Redis up."""

import asyncio
from typing import Any

import pytest

from service.store.guard import Store
from service.tracks import queue as queue_module
from service.tracks.queue import PAGE, Depth, Keys, Queue

TASK, KEYS = "jobs.run", Keys("jobs")
MOST_US = 5_000
ROUNDS = 5
"""A call is as long as in the quickest of these: the machine may be busy with other tests."""
FILL = """
for number = 1, ARGV[1] do
  redis.call('SET', KEYS[2] .. number, '{}')
  redis.call('XADD', KEYS[1], '*', 'task_id', 'full' .. number, 'enqueue_time', '1')
end
"""


async def fill(store: Store, count: int) -> None:
    """Tasks ``full1``, … that wait."""
    await store.execute("EVAL", FILL, 2, KEYS.stream, KEYS.data("full"), count)


async def lose(store: Store, *ids: str) -> None:
    """Tasks of which only the data is left."""
    for task_id in ids:
        await store.execute("SET", KEYS.data(task_id), "{}")


async def spent(store: Store) -> dict[str, dict[str, float]]:
    """By command: ``calls``, ``usec`` and ``usec_per_call`` since the statistics were reset."""
    rows = (await store.execute("INFO", "commandstats")).decode().split()
    pairs = (row.removeprefix("cmdstat_").split(":") for row in rows if row.startswith("cmdstat_"))
    return {
        name: {key: float(value) for key, value in (field.split("=") for field in fields.split(","))}
        for name, fields in pairs
    }


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "PAGE", 5)
    monkeypatch.setattr(queue_module, "PAGES", 4)


async def test_behind_a_long_stream_a_lost_task_is_found_and_no_call_holds_redis_up(store: Store) -> None:
    count = 20_000
    await fill(store, count)
    waiting = [f"full{number}" for number in range(1, count, 100)]
    longest_us = []
    for number in range(ROUNDS):
        await lose(store, f"lost{number}")
        await store.execute("DEL", KEYS.looked)
        await store.execute("CONFIG", "RESETSTAT")
        put = await Queue(store).mend(TASK, [f"lost{number}", f"gone{number}", *waiting])
        assert sorted(put) == [f"gone{number}", f"lost{number}"]
        used = await spent(store)
        assert used["xrange"]["calls"] <= count / PAGE + 5
        longest_us.append(max(used[name]["usec_per_call"] for name in ("eval", "evalsha", "xrange") if name in used))
    assert min(longest_us) < MOST_US
    assert (await Queue(store).depth("jobs")).waiting == count + 2 * ROUNDS


@pytest.mark.usefixtures("small_pages")
async def test_in_a_stream_that_is_too_long_only_what_is_wholly_gone_is_put_again(store: Store) -> None:
    await fill(store, 21)
    await lose(store, "lost")
    assert await Queue(store).mend(TASK, ["lost", "gone", "full1", "full21"]) == ["gone"]


@pytest.mark.usefixtures("small_pages")
async def test_a_long_stream_is_looked_through_by_one_sweeper_at_a_time(store: Store) -> None:
    await fill(store, 12)
    await lose(store, "lost")
    await store.execute("SET", KEYS.looked, 1)
    assert await Queue(store).mend(TASK, ["lost", "gone"]) == ["gone"]
    await store.execute("DEL", KEYS.looked)
    both = await asyncio.gather(*(Queue(store).mend(TASK, ["lost"]) for _ in range(2)))
    assert sorted(both) == [[], ["lost"]]
    assert 0 < await store.execute("PTTL", KEYS.looked) <= queue_module.LOOK_EVERY_S * 1000


@pytest.mark.usefixtures("small_pages")
async def test_a_task_that_moves_while_the_stream_is_looked_through_is_not_put_twice(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asked for more time before its page was read, and its time came after the last page was."""
    await fill(store, 12)
    await lose(store, "moving", "delayed")
    queue, inner, pages = Queue(store), store.execute, 0

    async def execute(*arguments: Any) -> Any:
        nonlocal pages
        answer = await inner(*arguments)
        if arguments[0] == "XRANGE":
            pages += 1
            if len(answer) < 5:
                await inner("XADD", KEYS.stream, "*", "task_id", "moving", "enqueue_time", "1")
                await inner("ZADD", KEYS.delayed, 1, "delayed")
        return answer

    monkeypatch.setattr(store, "execute", execute)
    assert await queue.mend(TASK, ["moving", "delayed"]) == []
    assert pages == 3
    depth = await queue.depth("jobs")
    assert depth == Depth(13, 1, 0, depth.oldest_s)


async def test_nothing_is_asked_about_nothing(store: Store) -> None:
    assert await Queue(store).mend(TASK, []) == []
