"""A worker that cannot keep up: it turns people away at once, and finds no provider too slow that it did not hear.

Not the load but the worker's share of the CPU is what the test sets, by SIGSTOP. ``docs/adr/0015``.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.settings import QUICK, ROUTES
from tests.stack import Stack
from tests.waiting import at_once, eventually

from .refusals import problem

STOPPED_S = 3.5
"""Longer than the first provider has of a chat's deadline."""

AWAY_S, THERE_S = 0.4, 0.03
MOST_TURNS = 200


async def test_who_was_stopped_himself_blames_no_provider(start_stack: Callable[..., Stack]) -> None:
    async with start_stack(workers=1) as stack:
        alice = stack.caller()
        worker = int((await alice.chat()).worker)
        await stack.sim.latency("anthropic", first_token_ms=1000)
        asking = asyncio.create_task(at_once(10, lambda _: alice.chat()))

        async def called() -> bool:
            return len(await stack.sim.calls("anthropic")) == 11

        await eventually(called, "the calls")
        os.kill(worker, signal.SIGSTOP)
        try:
            await asyncio.sleep(STOPPED_S)
        finally:
            os.kill(worker, signal.SIGCONT)
        answers = await asking
        assert {answer.status for answer in answers} == {200}
        assert set((await stack.breakers()).values()) == {"closed"}
        await stack.sim.latency("anthropic")
        assert (await alice.chat()).json()["source"] == "live"


async def test_a_worker_that_is_short_of_cpu_takes_no_more_until_it_has_caught_up(
    start_stack: Callable[..., Stack],
) -> None:
    async with start_stack(workers=1, toml=f"admission = 16\n{QUICK}{ROUTES}") as stack:
        first = await stack.caller().chat()
        assert first.status == 200
        async with _short_of_cpu(int(first.worker)):
            answer = first
            for _ in range(MOST_TURNS):
                answers = await at_once(4, lambda _: stack.caller().chat())
                if refused := [one for one in answers if one.status != 200]:
                    answer = refused[0]
                    break
            told = problem(answer, 503)
            assert told["code"] == "overloaded"
            assert "behind with its work" in told["detail"]
            assert int(answer.headers["retry-after"]) >= 1

        async def served() -> bool:
            return (await stack.caller().chat()).status == 200

        await eventually(served, "an answer")


@asynccontextmanager
async def _short_of_cpu(pid: int) -> AsyncIterator[None]:
    """It runs for a moment, again and again."""

    async def hold() -> None:
        for _ in range(MOST_TURNS):
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(AWAY_S)
            os.kill(pid, signal.SIGCONT)
            await asyncio.sleep(THERE_S)

    holding = asyncio.create_task(hold())
    try:
        yield
    finally:
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
        os.kill(pid, signal.SIGCONT)
