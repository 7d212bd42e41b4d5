"""Jobs while something dies: a worker (killed, stopped, told to end), Redis (killed, stopped)."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from door.parts import VALKEY_REST_S
from service.own_work import request_id
from service.tracks.queue import Keys

from ..collector import Collector
from ..stack import Stack
from ..waiting import eventually
from .jobs import (
    DRAIN_S,
    REDELIVER_S,
    STEPS,
    TOML,
    accepted,
    at_rest,
    document,
    has_ended,
    job,
    nothing_kept,
    post,
    the_worker,
    under_way,
)

KEYS = Keys("jobs")
RESTARTED_S = 5.0
"""From a worker's death until the next one works, on a machine that is busy with other tests: forked, not started."""


@pytest.fixture(scope="module")
def _shared(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Stack]:
    stack = Stack.start(tmp_path_factory.mktemp("deaths"), toml=TOML, collector=collector, worker=1)
    yield stack
    stack.end()


@pytest.fixture
async def stack(_shared: Stack) -> AsyncIterator[Stack]:
    async with at_rest(_shared) as stack:
        yield stack


def steps_by_request(job_id: str, deliveries: int) -> dict[str, str]:
    """Request id -> name, of each step in each delivery."""
    names = [f"map/{number}" for number in range(1, STEPS)] + [
        f"reduce/{level}/{n}" for level in (1, 2) for n in (1, 2)
    ]
    ids = range(1, deliveries + 1)
    return {request_id(f"{job_id}/{name}", number): name for name in names for number in ids}


async def paid(stack: Stack, job_id: str, deliveries: int) -> Counter[str]:
    """How often the model has answered each step to its end."""
    names = steps_by_request(job_id, deliveries)
    calls = await stack.sim.calls()
    return Counter(names[row["request_id"]] for row in calls if row["completed"] and row["request_id"] in names)


async def test_a_killed_workers_job_goes_on_in_time_and_no_finished_step_is_paid_twice(stack: Stack) -> None:
    alice = stack.caller()
    job_id, worker = await under_way(stack, alice)
    worker.kill()
    killed_s = time.time()
    finished = (await job(alice, job_id, lambda _: True))["progress"]["done"]
    again = await job(alice, job_id, lambda seen: seen["attempts"] == 2)
    assert time.time() - killed_s < REDELIVER_S + RESTARTED_S, "taken over in time"
    assert again["status"] == "running"
    await stack.sim.latency("anthropic")
    done = await job(alice, job_id, has_ended)
    assert (done["status"], done["attempts"]) == ("completed", 2)
    names = steps_by_request(job_id, 2)
    after = [names[row["request_id"]] for row in await stack.sim.calls() if row["t"] > killed_s]
    assert len(after) == len(set(after)) == STEPS - finished, "what was finished is not asked again"


async def test_a_stopped_workers_job_is_another_s_and_its_late_effects_are_refused(stack: Stack) -> None:
    alice = stack.caller()
    await asyncio.to_thread(stack.start_worker)
    job_id, first = await under_way(stack, alice)
    first.stop()
    await job(alice, job_id, lambda seen: seen["attempts"] == 2, within_s=15)
    first.go_on()
    done = await job(alice, job_id, has_ended)
    assert (done["status"], done["attempts"], done["progress"]["done"]) == ("completed", 2, STEPS)

    async def noticed() -> bool:
        return bool(first.lines(event="task_taken_over"))

    await eventually(noticed, "the first one to notice")
    ends = await stack.told(f"select 1 from log_records where event = 'gauntlet.job' and body like '%{job_id}%'")
    assert len(ends) == 1


async def test_at_sigterm_a_worker_leaves_its_job_to_the_next_one(stack: Stack) -> None:
    alice = stack.caller()
    job_id, first = await under_way(stack, alice, 1500)
    began_s = time.monotonic()
    await asyncio.to_thread(first.end)
    assert first.popen.returncode == 0
    assert time.monotonic() - began_s < DRAIN_S + 3
    assert (await job(alice, job_id, lambda _: True))["status"] == "running"
    await stack.sim.latency("anthropic")
    await asyncio.to_thread(stack.start_worker)
    done = await job(alice, job_id, has_ended)
    assert (done["status"], done["attempts"]) == ("completed", 2)
    assert set((await paid(stack, job_id, 2)).values()) == {1}, "what it had finished was not asked again"


async def test_redis_is_killed_during_a_job_and_during_a_post(stack: Stack) -> None:
    alice = stack.caller()
    job_id, _ = await under_way(stack, alice)
    stack.valkey.kill()
    began_s = time.monotonic()
    refused = await post(alice, document(1), key="while-redis-is-away")
    assert (refused.status, refused.json()["code"]) == (503, "store_unavailable")
    assert time.monotonic() - began_s < 1
    await asyncio.sleep(VALKEY_REST_S)
    stack.valkey.start()
    done = await job(alice, job_id, has_ended, within_s=60)
    assert done["status"] == "completed", done
    again = await post(alice, document(1), key="while-redis-is-away")
    assert again.status == 202
    await job(alice, again.json()["job_id"], has_ended)


async def test_redis_stands_still_during_a_job(stack: Stack) -> None:
    alice = stack.caller()
    job_id, _ = await under_way(stack, alice)
    stack.valkey.stop()
    began_s = time.monotonic()
    refused = await post(alice, document(1))
    assert refused.status == 503
    assert time.monotonic() - began_s < 1
    for target in ("anthropic", "openai"):
        await stack.sim.fault(target, "status", status=503)
    honest = await alice.request("POST", "/chat", {"text": "Now or later?", "later": True})
    assert (honest.status, honest.json()["source"]) == (503, "message"), "nothing can be promised without a store"
    await stack.sim.heal()
    await asyncio.sleep(5)
    stack.valkey.go_on()
    done = await job(alice, job_id, has_ended, within_s=60)
    assert done["status"] == "completed", done


@pytest.mark.parametrize("lost", ["all of it", "all but its data"])
async def test_a_job_whose_task_was_lost_is_put_again(stack: Stack, lost: str) -> None:
    alice = stack.caller()
    worker = the_worker(stack)
    worker.stop()
    job_id = await accepted(alice, document(1))
    async with Redis.from_url(stack.valkey.url) as redis:
        await redis.delete(KEYS.stream, *([KEYS.data(job_id)] if lost == "all of it" else []))
        worker.go_on()
        done = await job(alice, job_id, has_ended)
        assert done["status"] == "completed"
        await nothing_kept(redis)
