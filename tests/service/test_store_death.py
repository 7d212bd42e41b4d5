"""Redis killed and Redis hanging: chat goes on, side effects are refused, everything heals by itself."""

import asyncio
import time
from collections.abc import Callable

import pytest

from tests.answer import Answer
from tests.caller import Caller
from tests.stack import Stack
from tests.waiting import at_once, eventually


async def _both_workers_ready(stack: Stack) -> None:
    ready: set[str] = set()

    async def both() -> bool:
        answer = await stack.admin.request("GET", "/ready")
        if answer.status == 200:
            ready.add(answer.worker)
        return len(ready) == 2

    await eventually(both, "both workers to be ready")


async def _chats_go_on(stack: Stack, callers: list[Caller]) -> list[Answer]:
    answers = await at_once(len(callers), lambda n: callers[n].chat())
    assert [a.status for a in answers] == [200] * len(callers)
    assert {a.json()["source"] for a in answers} == {"live"}
    assert {tuple(a.json()["degraded"]) for a in answers} <= {("session",), ()}
    assert max(a.took_s for a in answers) < 4
    return answers


async def _degradation(stack: Stack) -> None:
    """What holds while the store is away, whether it is dead or hangs."""
    callers = [stack.caller() for _ in range(20)]
    for _ in range(3):
        answers = await _chats_go_on(stack, callers)
    assert {tuple(a.json()["degraded"]) for a in answers} == {("session",)}
    ready = await stack.admin.request("GET", "/ready")
    assert ready.status == 503
    assert "Redis" in ready.json()["redis"]
    begun = time.monotonic()
    assert (await stack.admin.request("GET", "/health")).status == 200
    assert time.monotonic() - begun < 1
    refund = await callers[0].refund("while-away")
    assert (refund.status, refund.json()["code"]) == (503, "store_unavailable")
    assert int(refund.headers["retry-after"]) >= 1
    assert await stack.sim.charges() == []
    # The limiter goes on, per worker.
    greedy = stack.caller()
    statuses = [a.status for a in await at_once(60, lambda _: greedy.chat())]
    assert statuses.count(200) <= 2 * 21
    assert 429 in statuses
    # The breaker goes on, per worker.
    await stack.sim.fault("anthropic", "status", status=503)
    fresh = [stack.caller() for _ in range(60)]
    bodies = [a.json() for a in await at_once(60, lambda n: fresh[n].chat())]
    assert {b["source"] for b in bodies} == {"provider"}
    dead = len([c for c in await stack.sim.calls("anthropic") if c["status"] == 503])
    again = [a.json() for a in await at_once(20, lambda n: fresh[n].chat())]
    assert {b["source"] for b in again} == {"provider"}
    assert len([c for c in await stack.sim.calls("anthropic") if c["status"] == 503]) <= dead + 2
    await stack.sim.heal()


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_chat_survives_a_store_that_is(how: str, start_stack: Callable[..., Stack]) -> None:
    stack = start_stack()
    async with stack:
        await stack.reset()
        alice = stack.caller()
        begun = await alice.chat("My name is Ada.")
        thread = begun.json()["thread_id"]
        if how == "killed":
            stack.valkey.kill()
        else:
            stack.valkey.stop()
        try:
            await _degradation(stack)
        finally:
            if how == "killed":
                stack.valkey.start()
            else:
                stack.valkey.go_on()
        await _both_workers_ready(stack)
        await stack.close_breakers()
        remembered = await alice.chat("What is my name?", thread_id=thread)
        assert remembered.status == 200
        assert remembered.json()["degraded"] == []
        assert "Ada" in remembered.json()["answer"]
        refund = await alice.refund("while-away")
        assert refund.status == 200
        assert len(await stack.sim.charges()) == 1


async def test_no_claim_that_timed_out_blocks_anyone_after(start_stack: Callable[..., Stack]) -> None:
    stack = start_stack()
    async with stack:
        await stack.reset()
        alice = stack.caller()
        thread = (await alice.chat("Hello.")).json()["thread_id"]
        stack.valkey.stop()
        # Claims for a cache lease, a thread lease and an idempotency record: sent, and not answered in time.
        await asyncio.gather(
            *(alice.chat("A question asked while it hangs") for _ in range(4)),
            *(alice.chat("And a turn", thread_id=thread) for _ in range(4)),
            *(alice.refund("claimed-while-it-hung") for _ in range(4)),
        )
        stack.valkey.go_on()
        await _both_workers_ready(stack)

        async def refunded() -> bool:
            return bool((await alice.refund("claimed-while-it-hung")).status == 200)

        await eventually(refunded, "the claim's lease to run out", within_s=5)
        chat, turn = await asyncio.gather(
            alice.chat("A question asked while it hangs"), alice.chat("And a turn", thread_id=thread)
        )
        assert (chat.status, turn.status) == (200, 200)
        assert len(await stack.sim.charges()) == 1
