"""Back-pressure: a worker that has its fill refuses at once, and says that it is alive meanwhile.

DESIGN, section 3 (defaults), and chapter, section 1. Next: ``test_switches.py``.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from tests.settings import QUICK, ROUTES
from tests.stack import Stack
from tests.waiting import at_once, eventually

from .refusals import openai_error, problem

ADMISSION = 4


@pytest.fixture
async def full(start_stack: Callable[..., Stack]) -> AsyncIterator[Stack]:
    """One worker that takes four requests at once, and has four slow ones for 1.5 s."""
    async with start_stack(workers=1, toml=f"admission = {ADMISSION}\n{QUICK}{ROUTES}") as stack:
        await stack.sim.latency("anthropic", first_token_ms=1500)
        slow = [asyncio.create_task(stack.caller().chat()) for _ in range(ADMISSION)]

        async def all_called() -> bool:
            return len(await stack.sim.calls()) == ADMISSION

        await eventually(all_called, "the slow calls")
        yield stack
        assert {a.status for a in await asyncio.gather(*slow)} == {200}
        await stack.sim.latency("anthropic")
        answers = await at_once(ADMISSION, lambda _: stack.caller().chat())
        assert {a.status for a in answers} == {200}  # every slot was given back


async def test_beyond_the_bound_refusals_are_instant_and_health_still_answers(full: Stack) -> None:
    answers = await at_once(20, lambda _: full.caller().chat())
    for answer in answers:
        assert problem(answer, 503)["code"] == "overloaded"
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.took_s < 1
    alice = full.caller()
    streamed = await alice.request("POST", "/chat/stream", {"text": "Is there room?"})
    assert problem(streamed, 503)["code"] == "overloaded"
    body = {"model": "default", "messages": [{"role": "user", "content": "Is there room?"}]}
    refused = await alice.request("POST", "/v1/chat/completions", body)
    assert openai_error(refused, 503)["code"] == "overloaded"
    assert int(refused.headers["retry-after"]) >= 1
    alive = await at_once(20, lambda _: full.request("GET", f"{full.url}/health"))
    assert {a.status for a in alive} == {200}
    assert max(a.took_s for a in alive) < 0.5
    assert len(await full.sim.calls()) == ADMISSION
