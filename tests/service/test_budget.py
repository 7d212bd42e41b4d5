"""A tenant's budget over two workers, held against the simulator's ledger: what was billed is what was spent.

DESIGN, section 3 (rate limit); the concept is in ``service/stages/budget.py``. Next: ``test_personal_data.py``.
"""

import time
from collections.abc import Callable

import pytest
from redis import Redis

from tests.answer import Answer
from tests.caller import Caller
from tests.settings import QUICK, ROUTES
from tests.stack import Stack
from tests.waiting import at_once, eventually, wait_for

from .refusals import openai_error, problem

LARGE = QUICK.replace("[breaker]", "[breaker]\nfailures = 1000") + ROUTES + "[budget]\nusd_per_day = 1000\n"
"""And no circuit opens: whoever fails is called again."""
NOTHING = QUICK + ROUTES + "[budget]\nusd_per_day = 0.000001\n"
"""Spent with the first answer."""


async def billed(stack: Stack) -> int:
    """All that the providers bill, in nano-USD."""
    return sum(call["billed_nano_usd"] for call in await stack.sim.calls())


def tenant_of(caller: Caller) -> str:
    return caller.key.split("-")[1]


def spent(stack: Stack, caller: Caller) -> int:
    """What Valkey has of the caller's tenant, in nano-USD."""
    with Redis(port=stack.valkey.port) as redis:
        return int(redis.hget(f"budget:{{{tenant_of(caller)}}}", "spent") or 0)


async def balanced(stack: Stack, caller: Caller) -> None:
    """Wait until Valkey has exactly what the providers bill."""

    async def same() -> bool:
        return spent(stack, caller) == await billed(stack) > 0

    await eventually(same, "Valkey to have what the providers bill")


async def test_what_the_providers_bill_is_what_was_spent_failed_and_retried_attempts_included(
    start_stack: Callable[..., Stack],
) -> None:
    async with start_stack(toml=LARGE) as stack:
        users = [stack.caller("acme", f"user{n}") for n in range(6)]
        await stack.sim.fault("anthropic", "status", status=503, share=0.2)
        await stack.sim.fault("anthropic", "bad_body", kind="empty_content", share=0.2)
        await stack.sim.fault("openai", "bad_body", kind="empty_content", share=0.2)
        answers = await at_once(60, lambda n: users[n % 6].chat())
        await at_once(12, lambda n: users[n % 6].stream())
        assert {a.status for a in answers} <= {200, 503}
        assert len({a.worker for a in answers}) == 2
        calls = await stack.sim.calls()
        assert len(calls) > 72, "some were tried again"
        assert {call["status"] for call in calls} >= {200, 503}
        await balanced(stack, users[0])
        shown = (await users[0].chat()).headers["budget"]
        assert shown == f'"tenant";limit=1000000000000;spent={await billed(stack)};state=ok'


@pytest.mark.parametrize("stop", [402, 429])
async def test_an_exhausted_budget_stops_both_workers_and_leaves_the_cache(
    start_stack: Callable[..., Stack], stop: int
) -> None:
    async with start_stack(toml=NOTHING + f"stop = {stop}\n") as stack:
        alice = stack.caller("acme", "alice")
        first = await alice.chat("What is there?")
        assert first.status == 200
        await balanced(stack, alice)
        calls = len(await stack.sim.calls())
        refused: list[Answer] = await at_once(12, lambda _: alice.chat())
        assert len({a.worker for a in refused}) == 2
        for answer in refused:
            document = problem(answer, stop)
            assert document["code"] == "budget_exhausted"
            assert "wait for the next day (UTC)" in document["detail"]
            assert answer.headers["budget"] == f'"tenant";limit=1000;spent={await billed(stack)};state=exhausted'
            if stop == 429:
                assert abs(int(answer.headers["retry-after"]) - (86_400 - time.time() % 86_400)) < 60
            else:
                assert "retry-after" not in answer.headers
        body = {"model": "default", "messages": [{"role": "user", "content": "Is there more?"}]}
        for more in ({"stream": False}, {"stream": True}):
            openai = await alice.request("POST", "/v1/chat/completions", {**body, **more})
            assert openai_error(openai, stop)["code"] == "budget_exhausted"
        problem(await alice.request("POST", "/chat/stream", {"text": "Is there more?"}), stop)
        assert (await alice.chat("What is there?")).json()["source"] == "cache"
        assert len(await stack.sim.calls()) == calls
        assert (await stack.caller("globex", "bob").chat()).status == 200


async def test_a_budget_that_does_not_stop_warns(start_stack: Callable[..., Stack]) -> None:
    async with start_stack(toml=NOTHING) as stack:
        alice = stack.caller("acme", "alice")
        for _ in range(3):
            answer = await alice.chat(headers={"X-Deadline-Ms": "5000"})
            assert answer.status == 200
            assert answer.headers["budget"].endswith(";state=exhausted"), "with its own cost"
        body = {"model": "default", "messages": [{"role": "user", "content": "How much?"}]}
        for path in ("/v1/chat/completions", "/chat"):
            asked = body if path != "/chat" else {"text": "How much is it?"}
            answer = await alice.request("POST", path + "?explain=1", asked)
            assert answer.headers["budget"].endswith(";state=exhausted")
        (inputs,) = [row["inputs"] for row in answer.json()["path"] if row["stage"] == "rate_limit"]
        assert inputs["budget_usd"] == 0.000001
        assert inputs["budget_spent_usd"] > 0.000001
        assert inputs["budget_state"] == "exhausted"


async def test_without_redis_each_worker_stops_by_its_own_count_and_tells_redis_when_it_is_back(
    start_stack: Callable[..., Stack],
) -> None:
    async with start_stack(toml=NOTHING + "stop = 402\n") as stack:
        alice = stack.caller("acme", "alice")
        async with stack.at_each_worker(alice) as everywhere:
            stack.valkey.kill()
            for there in everywhere:
                assert (await there.chat()).status == 200
                problem(await there.chat(), 402)
            stack.valkey.start()
            await balanced(stack, alice)
            for there in everywhere:
                problem(await there.chat(), 402)
        with Redis(port=stack.valkey.port) as redis:
            wait_for(lambda: 0 < int(str(redis.ttl("budget:{acme}"))) <= 2 * 86_400, "a time to live")
