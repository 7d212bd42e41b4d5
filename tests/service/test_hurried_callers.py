"""What a caller does to itself (a short deadline, a slow body) is nobody else's harm."""

import asyncio
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from tests.stack import Stack
from tests.waiting import at_once, eventually


async def test_short_deadlines_of_one_caller_open_no_circuit(stack: Stack) -> None:
    for target in ("anthropic", "openai"):
        await stack.sim.latency(target, first_token_ms=600)
    hurried = stack.caller()
    answers = await at_once(12, lambda _: hurried.chat(route="economy", headers={"X-Deadline-Ms": "700"}))
    assert {a.status for a in answers} <= {503, 504}
    assert set((await stack.breakers()).values()) == {"closed"}
    assert (await stack.caller().chat(route="economy")).json()["source"] == "live"


async def test_a_leaders_short_deadline_is_its_own(stack: Stack) -> None:
    for target in ("anthropic", "openai"):
        await stack.sim.latency(target, first_token_ms=1200)
    alice, question = stack.caller(), "Who waits for whom?"
    leader = asyncio.create_task(alice.chat(question, headers={"X-Deadline-Ms": "900"}))

    async def called() -> bool:
        return bool(await stack.sim.calls())

    await eventually(called, "the leader's call")
    waiters = await at_once(10, lambda _: alice.chat(question))
    assert (await leader).status == 503
    assert [a.status for a in waiters] == [200] * 10


async def test_a_restart_keeps_to_the_callers_deadline(stack: Stack) -> None:
    await stack.sim.fault("anthropic", "cut", fraction=0.5)
    await stack.sim.latency("openai", first_token_ms=4000)
    begun = time.monotonic()
    answer = await stack.caller().request(
        "POST", "/chat/stream", {"text": "What is cut?", "route": "restart"}, headers={"X-Deadline-Ms": "1500"}
    )
    assert b"event: restart" in answer.body
    assert time.monotonic() - begun < 3.5


async def test_bodies_that_do_not_arrive_keep_nobody_out_for_long(start_stack: Callable[..., Stack]) -> None:
    stack = start_stack(workers=1, toml="admission = 4\n")
    async with stack:
        url = urlsplit(stack.url)
        writers = []
        for _ in range(4):
            _, writer = await asyncio.open_connection(url.hostname, url.port)
            head = (
                "POST /chat HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer demo-slow-slow\r\nContent-Length: 100\r\n\r\n{"
            )
            writer.write(head.encode())
            await writer.drain()
            writers.append(writer)

        async def full() -> bool:
            return bool((await stack.caller().chat()).status == 503)

        await eventually(full, "the worker to be full")
        assert (await stack.admin.request("GET", "/admin/breakers")).status == 200
        assert (await stack.admin.request("GET", "/ready")).status == 200

        async def free() -> bool:
            return bool((await stack.caller().chat()).status == 200)

        await eventually(free, "the slow bodies to be given up", within_s=20)
        for writer in writers:
            writer.close()


async def test_who_breaks_off_an_upload_is_no_defect_of_ours(stack: Stack) -> None:
    url = urlsplit(stack.url)
    before = len(stack.service.lines(event="unexpected"))
    for path in ("POST /chat", "PUT /preferences"):
        for _ in range(5):
            _, writer = await asyncio.open_connection(url.hostname, url.port)
            head = (
                f"{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer demo-slow-slow\r\nContent-Length: 100\r\n\r\n{{"
            )
            writer.write(head.encode())
            await writer.drain()
            await asyncio.sleep(0.05)
            writer.close()
            await writer.wait_closed()
    assert (await stack.caller().chat()).status == 200
    assert len(stack.service.lines(event="unexpected")) == before
