"""SIGTERM: what is in flight is answered, what comes is refused at once, and everything ends."""

import asyncio
import os
import signal
from collections.abc import Callable

import aiohttp
import psutil
import pytest

from tests.stack import Stack
from tests.waiting import eventually


async def test_a_service_that_ends_answers_what_it_has_and_refuses_the_rest(start_stack: Callable[..., Stack]) -> None:
    stack = start_stack()
    async with stack:
        await stack.reset()
        await stack.sim.latency("anthropic", first_token_ms=1500)
        callers = [stack.caller() for _ in range(10)]
        asked = [asyncio.create_task(caller.chat()) for caller in callers]

        async def in_flight() -> bool:
            return len(await stack.sim.calls("anthropic")) == 10

        await eventually(in_flight, "ten calls in flight")
        everybody = psutil.Process(stack.service.popen.pid).children(recursive=True)
        os.kill(stack.service.popen.pid, signal.SIGTERM)

        async def refused() -> bool:
            try:
                await stack.admin.request("GET", "/health")
            except aiohttp.ClientError:
                return True
            return False

        await eventually(refused, "new connections to be refused", within_s=5)
        answers = await asyncio.gather(*asked)
        assert [a.status for a in answers] == [200] * 10
        assert await asyncio.to_thread(stack.service.popen.wait, 15) == 0

        async def ended() -> bool:
            return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in everybody)

        await eventually(ended, "the workers to end")


async def test_a_worker_that_dies_is_replaced_and_the_others_serve_meanwhile(start_stack: Callable[..., Stack]) -> None:
    stack = start_stack()
    async with stack:
        await stack.reset()
        before = set(stack.workers())
        os.kill(min(before), signal.SIGKILL)
        for _ in range(10):
            try:
                assert (await stack.caller().chat()).status == 200
            except aiohttp.ClientConnectionError:
                # The kernel had given this connection to the worker that died.
                continue

        async def replaced() -> bool:
            now = set(stack.workers())
            return len(now) == 2 and now != before

        await eventually(replaced, "a new worker", within_s=30)


@pytest.mark.parametrize("who", ["the service", "the server that forks its workers"])
async def test_no_worker_outlives_the_process_that_made_it(start_stack: Callable[..., Stack], who: str) -> None:
    stack = start_stack()
    workers = [psutil.Process(pid) for pid in stack.workers()]
    os.kill(stack.service.popen.pid if who == "the service" else workers[0].ppid(), signal.SIGKILL)

    async def gone() -> bool:
        return not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers)

    await eventually(gone, "the workers to end", within_s=15)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
async def test_it_ends_quickly_when_idle(sent: signal.Signals, start_stack: Callable[..., Stack]) -> None:
    stack = start_stack()
    os.kill(stack.service.popen.pid, sent)
    assert await asyncio.to_thread(stack.service.popen.wait, 10) == 0
