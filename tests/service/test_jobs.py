"""The background track with real processes: long documents, and what becomes of them when somebody dies."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from service.tracks.analysis import steps_of

from ..collector import Collector
from ..stack import QUICK, ROUTES, Answer, Caller, Stack, at_once, eventually

REDELIVER_S = 2.0
PARTS = 12
STEPS = steps_of(PARTS)
TOML = f"""{QUICK}
[queue]
redeliver_s = {REDELIVER_S}
[jobs]
part_tokens = 60
base_s = 0.2
cap_s = 0.5
sweep_s = 1
depth_max = 20
[rate_limit.user]
requests_per_min = 100000
burst = 10000
tokens_per_min = 10000000
[rate_limit.tenant]
requests_per_min = 100000
burst = 10000
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


@pytest.fixture(scope="module")
def _shared(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Stack]:
    stack = Stack.start(tmp_path_factory.mktemp("jobs"), toml=TOML, collector=collector, worker=1)
    yield stack
    stack.end()


@pytest.fixture
async def stack(_shared: Stack) -> AsyncIterator[Stack]:
    async with _shared as stack:
        await stack.reset()
        alive = [process for process in stack.work if process.popen.poll() is None]
        if not alive:
            await asyncio.to_thread(stack.start_worker)
        for process in alive[1:]:
            process.end()
        yield stack


async def post(caller: Caller, text: str = "", key: str = "", **more: Any) -> Answer:
    return await caller.request(
        "POST", "/jobs", {"text": text or document(), **more}, headers={"Idempotency-Key": key or uuid.uuid4().hex}
    )


async def accepted(caller: Caller, text: str = "", **more: Any) -> str:
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
        assert answer.status == 200, answer.body
        seen.update(answer.json())
        return until(seen)

    await eventually(there, f"job {job_id}; it is {seen}", within_s=within_s)
    return seen


def has_ended(seen: Any) -> bool:
    return seen["status"] in ("completed", "failed", "cancelled")


def running(stack: Stack) -> Any:
    (process,) = [process for process in stack.work if process.popen.poll() is None]
    return process


async def test_a_long_document_is_summarised_in_the_background(stack: Stack) -> None:
    alice = stack.caller()
    answer = await post(alice)
    assert answer.status == 202
    told = answer.json()
    assert told["status"] == "queued"
    done = await job(alice, told["job_id"], has_ended)
    assert done["status"] == "completed", done
    assert done["progress"] == {"done": STEPS, "total": STEPS}
    assert "retries" in done["result"]["summary"]
    assert done["result"]["parts"] == PARTS
    ledger = (await stack.sim.ledger())["calls"]
    assert len(ledger) == STEPS
    billed = sum(row["billed_nano_usd"] for row in ledger)
    assert round(done["cost_usd"] * 1e9) == billed > 0
    assert done["usage"]["input_tokens"] == sum(row["input_tokens"] for row in ledger)
    assert done["attempts"] == 1
    assert done["ended_at"] > done["started_at"] >= done["created_at"]
    assert done["expires_at"] == done["ended_at"] + 86_400


async def test_jobs_belong_to_their_users_and_are_listed_newest_first(stack: Stack) -> None:
    alice, bob = stack.caller(), stack.caller()
    ids = [await accepted(alice, document(1)) for _ in range(3)]
    first = (await alice.request("GET", "/jobs?limit=2")).json()
    assert [row["job_id"] for row in first["jobs"]] == ids[:0:-1]
    second = (await alice.request("GET", f"/jobs?limit=2&cursor={first['cursor']}")).json()
    assert ([row["job_id"] for row in second["jobs"]], second["cursor"]) == (ids[:1], None)
    assert (await bob.request("GET", "/jobs")).json()["jobs"] == []
    for method in ("GET", "DELETE"):
        assert (await bob.request(method, f"/jobs/{ids[0]}")).status == 404
        assert (await bob.request(method, "/jobs/job_none")).status == 404
    rows = (await stack.admin.request("GET", "/jobs?limit=100")).json()["jobs"]
    assert set(ids) <= {row["job_id"] for row in rows}
    assert (await stack.admin.request("GET", f"/jobs/{ids[0]}")).status == 200
    for wrong in ("limit=0", "limit=101", "limit=x", "cursor=x"):
        assert (await alice.request("GET", f"/jobs?{wrong}")).status == 400
    for job_id in ids:
        await job(alice, job_id, has_ended)


async def test_one_key_is_one_job_also_for_thirty_at_once(stack: Stack) -> None:
    alice, key, text = stack.caller(), uuid.uuid4().hex, document(2)
    answers = await at_once(30, lambda _: post(alice, text, key))
    assert {answer.status for answer in answers} <= {202, 409}
    assert len({answer.worker for answer in answers}) == 2
    ids = {answer.json()["job_id"] for answer in answers if answer.status == 202}
    again = await post(alice, text, key)
    assert (again.status, again.headers["idempotency-replayed"]) == (202, "true")
    assert again.headers["location"] == f"/jobs/{again.json()['job_id']}"
    assert ids == {again.json()["job_id"]}
    await job(alice, ids.pop(), has_ended)
    assert len((await alice.request("GET", "/jobs")).json()["jobs"]) == 1
    assert len((await stack.sim.ledger())["calls"]) == steps_of(2)
    assert (await post(alice, document(2), key)).status == 422
    no_key = await alice.request("POST", "/jobs", {"text": "x"})
    assert no_key.status == 400
    assert (await post(alice, " \n ")).status == 422
    assert (await post(alice, route="nowhere")).status == 404
    assert (await post(alice, "x" * (2 * 1024 * 1024 + 1))).status == 413


async def test_a_killed_workers_job_goes_on_where_it_was_and_no_finished_step_is_paid_twice(stack: Stack) -> None:
    alice = stack.caller()
    await stack.sim.latency("anthropic", first_token_ms=700)
    job_id = await accepted(alice)
    await job(alice, job_id, lambda seen: seen["progress"]["done"] >= 4)
    worker = running(stack)
    worker.kill()
    killed_s = time.time()
    finished = (await job(alice, job_id, lambda _: True))["progress"]["done"]
    await stack.sim.latency("anthropic")
    await asyncio.to_thread(stack.start_worker)
    done = await job(alice, job_id, has_ended)
    assert done["status"] == "completed", done
    assert done["attempts"] == 2
    calls = [row for row in (await stack.sim.ledger())["calls"] if not row["cancelled"]]
    later = [row for row in calls if row["t"] > killed_s]
    assert len(later) == STEPS - finished, "what was finished was not asked again"


async def test_a_job_is_cancelled_while_it_runs_and_never_completes(stack: Stack) -> None:
    alice = stack.caller()
    await stack.sim.latency("anthropic", first_token_ms=2000)
    job_id = await accepted(alice)
    await job(alice, job_id, lambda seen: seen["status"] == "running")
    answer = await alice.request("DELETE", f"/jobs/{job_id}")
    assert (answer.status, answer.json()["status"]) == (200, "cancelled")

    async def idle() -> bool:
        return (
            not running(stack).popen.poll() and (await stack.sim.ledger())["calls"] != [] and await calls_ended(stack)
        )

    await eventually(idle, "the calls under way to be given up")
    done = await job(alice, job_id, has_ended)
    assert (done["status"], done["result"]) == ("cancelled", None)
    assert (await alice.request("DELETE", f"/jobs/{job_id}")).status == 200
    ended = await accepted(alice, document(1))
    await stack.sim.latency("anthropic")
    await job(alice, ended, has_ended)
    assert (await alice.request("DELETE", f"/jobs/{ended}")).status == 409


async def calls_ended(stack: Stack) -> bool:
    ledger = (await stack.sim.ledger())["calls"]
    return all(row["duration_s"] is not None for row in ledger) and any(row["cancelled"] for row in ledger)
