"""What the tests of jobs share: documents, a stack with quick retries, and how a job is followed."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis

from service.tracks.analysis import steps_of

from ..answer import Answer
from ..caller import Caller
from ..process import Process
from ..settings import QUICK, ROUTES
from ..stack import Stack
from ..waiting import eventually

REDELIVER_S = 2.0
DRAIN_S = 2.0
DEPTH_MAX = 12
PER_USER_MAX = 8
PARTS = 12
STEPS = steps_of(PARTS)
TEXT_MAX_BYTES = 100_000
SLOW_MS = 1000
"""Of the model: some steps are done while others are under way."""
BURST = 20
"""Requests of one user at once: more than the steps of one job."""
TOML = f"""drain_s = {DRAIN_S}
{QUICK}
[queue]
redeliver_s = {REDELIVER_S}
[jobs]
part_tokens = 60
base_s = 0.2
cap_s = 0.5
sweep_s = 1
depth_max = {DEPTH_MAX}
per_user_max = {PER_USER_MAX}
step_deadline_s = 8
text_max_bytes = {TEXT_MAX_BYTES}
[rate_limit.user]
requests_per_min = 60
burst = {BURST}
tokens_per_min = 10000000
{ROUTES}"""


def document(parts: int = PARTS) -> str:
    """A text of so many parts, that nobody has asked about before."""
    subject = uuid.uuid4().hex[:12]
    return "\n\n".join(
        f"Paragraph {number} about note{subject}: retries of note{subject} wait with jitter, and breakers open after "
        f"{number} failures, so that budgets last. Nothing of note{subject} is lost by it, says chapter {number}. "
        for number in range(parts)
    )


@asynccontextmanager
async def at_rest(shared: Stack) -> AsyncIterator[Stack]:
    """The stack with one worker, nothing in its queue, no faults."""
    async with shared as stack:
        await stack.reset()
        alive = [process for process in stack.work if process.popen.poll() is None]
        for process in alive:
            process.go_on()
        if not alive:
            await asyncio.to_thread(stack.start_worker)
        for process in alive[1:]:
            process.end()
        yield stack


def the_worker(stack: Stack) -> Process:
    """The one that lives."""
    (process,) = [process for process in stack.work if process.popen.poll() is None]
    return process


async def post(caller: Caller, text: str = "", key: str = "", **more: Any) -> Answer:
    """POST /jobs; a document of its own when no text is given."""
    return await caller.request(
        "POST", "/jobs", {"text": text or document(), **more}, headers={"Idempotency-Key": key or uuid.uuid4().hex}
    )


async def accepted(caller: Caller, text: str = "", **more: Any) -> str:
    """The id of a job that was accepted."""
    answer = await post(caller, text, **more)
    assert answer.status == 202, answer.body
    job_id: str = answer.json()["job_id"]
    assert answer.headers["location"] == f"/jobs/{job_id}"
    return job_id


async def job(caller: Caller, job_id: str, until: Callable[[Any], bool], within_s: float = 30.0) -> dict[str, Any]:
    """The job, as soon as ``until`` holds of it."""
    seen: dict[str, Any] = {}

    async def there() -> bool:
        answer = await caller.request("GET", f"/jobs/{job_id}")
        if answer.status == 503:  # Redis is away
            return False
        assert answer.status == 200, answer.body
        seen.update(answer.json())
        return until(seen)

    await eventually(there, Late(seen), within_s=within_s)
    return seen


async def nothing_kept(redis: Redis, within_s: float = 15.0) -> None:
    """Wait until nothing is kept of any task."""

    async def nothing() -> bool:
        return not await redis.keys("streaq:*:task:*")

    await eventually(nothing, "nothing to be kept of any task", within_s=within_s)


class Late:
    """What was seen last, for the message of a test that waited in vain."""

    def __init__(self, seen: dict[str, Any]) -> None:
        self._seen = seen

    def __str__(self) -> str:
        return f"a job that is {self._seen}"


def has_ended(seen: Any) -> bool:
    """Whether the job has come to an end."""
    return seen["status"] in ("completed", "failed", "cancelled")


async def under_way(stack: Stack, alice: Caller, first_token_ms: float = SLOW_MS, **more: Any) -> tuple[str, Process]:
    """A slow job of which some steps are done, and the worker that has it."""
    await stack.sim.latency("anthropic", first_token_ms=first_token_ms)
    job_id = await accepted(alice, **more)
    await job(alice, job_id, lambda seen: seen["progress"]["done"] >= 4)
    tenant = alice.key.split("-")[1]
    rows = await stack.told(f"select distinct instance from requests where method = 'WORK' and tenant = '{tenant}'")
    pid = int(rows[0]["instance"].split("-")[0])
    (worker,) = [process for process in stack.work if process.popen.poll() is None and process.pid == pid]
    return job_id, worker
