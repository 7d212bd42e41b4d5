"""Clients who leave, at the ledger: the upstream call ends within a second, what came is billed, the slot is free.

DESIGN, section 2 (broken streams), and chapter, section 3. Next: ``test_bad_input.py``.
"""

import asyncio
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.caller import Caller
from tests.settings import QUICK, ROUTES
from tests.stack import Stack
from tests.waiting import eventually

MESSAGES = [{"role": "user", "content": "Who leaves before the end?"}]
BODIES: dict[str, dict[str, Any]] = {
    "/chat/stream": {"text": "Who leaves before the end?"},
    "/v1/chat/completions": {"model": "default", "stream": True, "messages": MESSAGES},
}
streams = pytest.mark.parametrize("path", BODIES)


async def read_and_leave(caller: Caller, path: str, parts: int = 2) -> float:
    """Open a stream, read ``parts`` pieces of the answer, close the connection; when that was, in Unix seconds."""
    session = caller.stack.session
    assert session is not None
    body = {**BODIES[path], **({"text": f"Who leaves {uuid.uuid4().hex}?"} if path == "/chat/stream" else {})}
    async with session.post(caller.stack.url + path, json=body, headers=caller.headers) as response:
        assert response.status == 200
        read = 0
        async for line in response.content:
            read += b'"text"' in line or b'"content"' in line
            if read > parts:
                break
        response.close()
        return time.time()


async def wait_and_leave(stack: Stack, asking: "asyncio.Task[Any]") -> float:
    """Leave once the call is under way at the provider; when that was, in Unix seconds."""

    async def called() -> bool:
        return bool(await stack.sim.calls())

    await eventually(called, "the upstream call")
    await asyncio.sleep(0.1)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    return time.time()


async def cancelled_call(stack: Stack) -> dict[str, Any]:
    """The ledger's only call, once it is final."""

    async def final() -> bool:
        calls = await stack.sim.calls()
        return bool(calls) and calls[0]["duration_s"] is not None

    await eventually(final, "the upstream call to end")
    (call,) = await stack.sim.calls()
    assert call["cancelled"]
    assert not call["completed"]
    return call


@streams
async def test_leaving_a_stream_cancels_the_call_and_what_came_is_billed(stack: Stack, path: str) -> None:
    await stack.sim.latency("anthropic", per_token_ms=150)
    alice = stack.caller()
    left = await read_and_leave(alice, path)
    call = await cancelled_call(stack)
    assert call["t"] + call["duration_s"] < left + 1
    assert call["billed_nano_usd"] > 0
    assert call["output_tokens"] < 20
    assert (await alice.request("GET", "/threads")).json() == {"threads": []}
    assert (await stack.breakers())["anthropic"] == "closed"


@pytest.mark.parametrize("path", ["/chat", *BODIES])
async def test_leaving_before_the_first_token_cancels_the_call(stack: Stack, path: str) -> None:
    await stack.sim.latency("anthropic", first_token_ms=3500)
    body = BODIES.get(path, {"text": "Who waits for nothing?"})
    left = await wait_and_leave(stack, asyncio.create_task(stack.caller().request("POST", path, body)))
    call = await cancelled_call(stack)
    assert call["t"] + call["duration_s"] < left + 1
    assert await stack.sim.calls("openai") == []


async def test_leaving_while_a_retry_waits_ends_the_retries(stack: Stack) -> None:
    await stack.sim.fault("anthropic", "status", status=429, retry_after="0.45")
    left = await wait_and_leave(stack, asyncio.create_task(stack.caller().chat()))
    await asyncio.sleep(0.4)
    late = [c for c in await stack.sim.calls() if c["t"] > left + 0.3]
    assert late == []


async def test_a_turn_that_its_client_left_frees_the_thread_unchanged(stack: Stack) -> None:
    alice = stack.caller()
    thread_id = (await alice.chat()).json()["thread_id"]
    await stack.sim.reset()
    await stack.sim.latency("anthropic", first_token_ms=3500)
    await wait_and_leave(stack, asyncio.create_task(alice.chat(thread_id=thread_id)))
    await cancelled_call(stack)
    await stack.sim.reset()
    answer = await alice.chat(thread_id=thread_id)
    assert answer.status == 200
    assert answer.took_s < 1.5
    assert len((await alice.request("GET", f"/threads/{thread_id}")).json()["messages"]) == 4


async def test_whoever_leaves_gives_the_bulkheads_slot_back(start_stack: Callable[..., Stack]) -> None:
    toml = QUICK.replace("[providers.anthropic]", "[providers.anthropic]\nbulkhead = 2") + ROUTES
    async with start_stack(workers=1, toml=toml) as stack:
        for path in [*BODIES, *BODIES]:
            await stack.reset()
            await stack.sim.latency("anthropic", per_token_ms=150)
            callers = [stack.caller() for _ in range(2)]
            leaving = [asyncio.create_task(read_and_leave(caller, path, parts=4)) for caller in callers]

            async def both_called() -> bool:
                return len(await stack.sim.calls("anthropic")) == 2

            await eventually(both_called, "two calls to hold both slots")
            third = (await stack.caller().chat()).json()
            assert (third["source"], third["degraded"]) == ("provider", ["anthropic:bulkhead_full"])
            await asyncio.gather(*leaving)
            await stack.sim.latency("anthropic")

            async def free() -> bool:
                return bool((await stack.caller().chat()).json()["source"] == "live")

            await eventually(free, "a slot", within_s=1)
