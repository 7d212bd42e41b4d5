"""What happens when a dependency dies, row by row of the README's table: each is killed, or hangs, under many at once.

One service with two workers and a worker process for all rows; what each promises is read at the simulator's ledger and
in what people got. The finer points are tested where each part has its own file.
"""

import asyncio
import signal
import socket
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from ..answer import Answer
from ..collector import Collector
from ..settings import COOLDOWN_S, QUICK, ROUTES
from ..stack import Stack
from ..waiting import at_once, eventually
from .jobs import document, has_ended, job, under_way

CROWD = 20
DEADLINE_S = 5.0
FRESH_S = 1
REDELIVER_S = 2.0
TOML = f"""{QUICK}
[cache]
fresh_s = {FRESH_S}
[queue]
redeliver_s = {REDELIVER_S}
[jobs]
part_tokens = 60
base_s = 0.2
cap_s = 0.5
sweep_s = 1
{ROUTES}"""


@pytest.fixture(scope="module")
def own_collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    collector = Collector.start(tmp_path_factory.mktemp("collector"))
    yield collector
    collector.end()


@pytest.fixture(scope="module")
def _shared(tmp_path_factory: pytest.TempPathFactory, own_collector: Collector) -> Iterator[Stack]:
    stack = Stack.start(tmp_path_factory.mktemp("dying"), toml=TOML, collector=own_collector, worker=1)
    yield stack
    stack.end()


@pytest.fixture
async def stack(_shared: Stack) -> AsyncIterator[Stack]:
    async with _shared as stack:
        await stack.reset()
        yield stack


async def crowd(stack: Stack, text: str = "", **more: Any) -> list[Answer]:
    """A chat of each of twenty people, at once."""
    people = [stack.caller() for _ in range(CROWD)]
    answers: list[Answer] = await at_once(CROWD, lambda n: people[n].chat(text, **more))
    return answers


def in_time(answers: list[Answer]) -> bool:
    return max(answer.took_s for answer in answers) < DEADLINE_S


@pytest.mark.parametrize("how", ["refused", "hang"])
async def test_a_provider(stack: Stack, how: str) -> None:
    """The next rung answers, and ``degraded`` names why."""
    await stack.sim.fault("anthropic", how)
    answers = await crowd(stack)
    assert {answer.status for answer in answers} == {200}
    assert in_time(answers)
    told = [answer.json() for answer in answers]
    assert {body["source"] for body in told} == {"provider"}
    assert all(any(reason.startswith("anthropic:") for reason in body["degraded"]) for body in told)
    assert {row["target"] for row in await stack.sim.calls() if row["completed"] and row["status"] == 200} == {"openai"}


@pytest.mark.parametrize("how", ["refused", "hang"])
async def test_all_providers(stack: Stack, how: str) -> None:
    """A stale answer where there is one, else the honest message: 503, the same body, and when to come back."""
    alice = stack.caller()
    known = f"What does note n{uuid.uuid4().hex[:12]} say about budgets?"
    assert (await alice.chat(known)).json()["source"] == "live"

    async def no_longer_fresh() -> bool:
        source: str = (await alice.chat(known, headers={"X-Deadline-Ms": "4000"})).json()["source"]
        return source != "cache"

    for target in ("anthropic", "openai"):
        await stack.sim.fault(target, how)
    await eventually(no_longer_fresh, "the answer to be stale")
    stale = await alice.chat(known)
    assert (stale.status, stale.json()["source"]) == (200, "stale")
    assert stale.json()["degraded"]
    answers = await crowd(stack)
    assert {answer.status for answer in answers} == {503}
    assert in_time(answers)
    for answer in answers:
        assert answer.json()["source"] == "message"
        assert str(int(answer.headers["retry-after"])) in answer.json()["answer"]
        assert 1 <= int(answer.headers["retry-after"]) <= COOLDOWN_S + 1
    assert not [row for row in await stack.sim.calls() if row["completed"] and row["status"] == 200][1:]


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_redis(stack: Stack, how: str) -> None:
    """Chat goes on without memory; what has effects is refused rather than done twice; all heals by itself."""
    alice = stack.caller()
    die, come_back = {
        "killed": (stack.valkey.kill, stack.valkey.start),
        "stopped": (stack.valkey.stop, stack.valkey.go_on),
    }[how]
    key = uuid.uuid4().hex
    effects: dict[str, tuple[str, dict[str, Any]]] = {
        "refund": ("/refund", {"charge": "ch_1", "amount": 1250, "currency": "usd"}),
        "job": ("/jobs", {"text": document(1)}),
        "run": ("/agent", {"text": "Please refund order A-1001, it came broken."}),
    }

    def effect(name: str) -> Any:
        path, body = effects[name]
        return alice.request("POST", path, body, headers={"Idempotency-Key": f"{name}-{key}"})

    die()
    try:
        answers = await crowd(stack)
        assert {answer.status for answer in answers} == {200}
        assert in_time(answers)
        assert {tuple(answer.json()["degraded"]) for answer in await crowd(stack)} == {("session",)}
        for name in effects:
            refused = await effect(name)
            assert (refused.status, refused.json()["code"]) == (503, "store_unavailable"), name
        assert (await stack.admin.request("GET", "/ready")).status == 503
        assert (await stack.admin.request("GET", "/health")).status == 200
        assert await stack.sim.charges() == []
    finally:
        come_back()

    async def all_back() -> bool:
        ready = await at_once(4, lambda _: stack.admin.request("GET", "/ready"))
        return {answer.status for answer in ready} == {200} and len({answer.worker for answer in ready}) == 2

    await eventually(all_back, "both workers to have it back")

    async def accepted_at_last() -> bool:
        return all([(await effect(name)).status in (200, 202) for name in effects])

    await eventually(accepted_at_last, "what was refused to be taken")
    ended = await job(alice, (await effect("job")).json()["job_id"], has_ended)
    assert ended["status"] == "completed"
    assert {answer.json()["source"] for answer in await crowd(stack)} == {"live"}


@pytest.mark.parametrize("how", ["refused", "silent"])
async def test_retrieval(how: str, start_stack: Callable[..., Stack]) -> None:
    """The answer comes from the conversation alone, and says so; the service starts without it, too."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if how == "silent":  # takes connections, and never says a word
            server.listen(1024)
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        at_start = {"GAUNTLET_RETRIEVAL__AT_START": "true"}
        async with start_stack(toml=TOML, env={"QDRANT_URL": url, **at_start}) as stack:
            await stack.reset()
            for _ in range(3):
                answers = await crowd(stack, "My name is Ada. What is my name?", route="handbook")
                assert {answer.status for answer in answers} == {200}
                assert in_time(answers)
                for answer in answers:
                    told = answer.json()
                    assert told["source"] == "live"
                    assert "retrieval" in told["degraded"]
                    assert told["citations"] == []
                    assert "Ada" in told["answer"]


async def test_a_worker_process(stack: Stack) -> None:
    """Its jobs are another's within seconds, and what had happened does not happen again."""
    alice = stack.caller()
    await asyncio.to_thread(stack.start_worker)
    job_id, worker = await under_way(stack, alice, webhook_url=stack.sim.receiver)
    worker.end(signal.SIGKILL)
    killed = time.time()
    finished = (await job(alice, job_id, lambda _: True))["progress"]["done"]
    await stack.sim.latency("anthropic")
    taken_over = await job(alice, job_id, lambda told: told["attempts"] == 2)
    assert time.time() - killed < REDELIVER_S + 1
    done = await job(alice, job_id, has_ended)
    assert done["status"] == "completed"
    asked = [row for row in await stack.sim.calls() if row["target"] == "anthropic"]
    calls = [row for row in asked if row["completed"] and row["status"] == 200]
    again = [row for row in calls if row["t"] > killed]
    assert len(again) == taken_over["progress"]["total"] - finished

    async def told() -> bool:
        return any(row["subject_id"] == job_id and row["verified"] for row in await stack.sim.webhooks())

    await eventually(told, "the webhook")
    assert len({row["message_id"] for row in await stack.sim.webhooks() if row["subject_id"] == job_id}) == 1


@pytest.mark.parametrize("how", ["stopped", "killed"])
async def test_the_collector(stack: Stack, own_collector: Collector, how: str) -> None:
    """Nothing is felt, and what could not be told is counted."""
    before = await lost(stack)
    quick = await crowd(stack)
    own_collector.stop() if how == "stopped" else own_collector.kill()
    answers = [answer for _ in range(5) for answer in await crowd(stack)]
    assert {(answer.status, *answer.json()["degraded"]) for answer in answers} == {(200,)}
    assert max(answer.took_s for answer in answers) < max(1.0, 3 * max(answer.took_s for answer in quick))

    async def counted() -> bool:
        return await lost(stack) > before

    await eventually(counted, "what was lost to be counted", within_s=60)
    if how == "stopped":
        own_collector.go_on()


async def lost(stack: Stack) -> int:
    """What the workers could not tell, in all."""
    async with stack.at_each_worker(stack.admin) as admins:
        told = [(await admin.request("GET", "/admin/telemetry")).json()["telemetry"]["lost"] for admin in admins]
    return sum(row["count"] for rows in told for row in rows)
