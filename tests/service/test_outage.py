"""Breaker and fallback at the ledger, over two workers: outage, probes, recovery, pauses, hangs."""

import asyncio
import time
from collections.abc import Callable

import pytest

from tests.settings import COOLDOWN_S
from tests.stack import Stack
from tests.waiting import at_once, eventually

AT_ONCE = 20


async def chats(stack: Stack, count: int, at_once_: int = AT_ONCE) -> list[dict[str, object]]:
    """``count`` chats, ``at_once_`` at a time, each its own question; all must be answered."""
    slots, callers = asyncio.Semaphore(at_once_), [stack.caller() for _ in range(at_once_)]
    workers: set[str] = set()

    async def one(number: int) -> dict[str, object]:
        async with slots:
            answer = await callers[number % at_once_].chat()
        assert answer.status == 200, answer.body
        workers.add(answer.worker)
        body: dict[str, object] = answer.json()
        return body

    bodies = await asyncio.gather(*(one(number) for number in range(count)))
    assert len(workers) == 2
    return list(bodies)


async def test_an_outage_is_survived_probed_once_per_cooldown_and_left_behind(stack: Stack) -> None:
    await stack.sim.fault("anthropic", "status", status=503)
    bodies = await chats(stack, 200)
    assert {b["source"] for b in bodies} == {"provider"}
    assert all(str(b["degraded"][0]).startswith("anthropic:") for b in bodies)  # type: ignore[index]
    dead = await stack.sim.calls("anthropic")
    assert len(dead) <= 5 + AT_ONCE
    assert len(await stack.sim.calls("openai")) == 200

    # After the cool-down exactly one probe in the fleet, and the next one only a cool-down later.
    before = len(dead)
    callers = [stack.caller() for _ in range(4)]

    async def probes(count: int) -> bool:
        await at_once(4, lambda n: callers[n].chat())
        return len(await stack.sim.calls("anthropic")) >= before + count

    await eventually(lambda: probes(2), "two probes", within_s=4 * COOLDOWN_S)
    first, second = [c["t"] for c in (await stack.sim.calls("anthropic"))[before : before + 2]]
    assert first - dead[-1]["t"] >= COOLDOWN_S * 0.9
    assert second - first >= COOLDOWN_S * 0.9
    assert len(await stack.sim.calls("anthropic")) == before + 2

    await stack.sim.heal()

    async def recovered() -> bool:
        return bool((await stack.caller().chat()).json()["source"] == "live")

    await eventually(recovered, "the primary", within_s=4 * COOLDOWN_S)
    bodies = await chats(stack, 40, 4)
    assert {b["source"] for b in bodies} == {"live"}
    assert {tuple(b["degraded"]) for b in bodies} == {()}  # type: ignore[arg-type]


async def test_half_open_admits_one_of_two_hundred(stack: Stack) -> None:
    await stack.sim.fault("anthropic", "status", status=503)
    await chats(stack, 40)
    opened = time.monotonic()
    before = len(await stack.sim.calls("anthropic"))
    await stack.sim.heal()
    await stack.sim.latency("anthropic", first_token_ms=400)
    callers = [stack.caller() for _ in range(20)]
    await asyncio.sleep(opened + COOLDOWN_S + 0.2 - time.monotonic())
    answers = await at_once(200, lambda n: callers[n % 20].chat(headers={"X-Deadline-Ms": "5000"}))
    assert {a.status for a in answers} <= {200, 429}
    calls = (await stack.sim.calls("anthropic"))[before:]
    probe = calls[0]
    during = [c for c in calls[1:] if c["t"] < probe["t"] + 0.35]
    assert during == []


async def test_a_429_pauses_the_provider_for_the_whole_fleet(stack: Stack) -> None:
    await stack.sim.latency("anthropic", first_token_ms=30)
    callers = [stack.caller() for _ in range(10)]
    stop = asyncio.Event()
    answers = []

    async def busy(number: int) -> None:
        while not stop.is_set():
            answers.append(await stack.caller().chat())
            await asyncio.sleep(0.01)

    running = [asyncio.create_task(busy(n)) for n in range(len(callers))]
    await asyncio.sleep(0.3)
    await stack.sim.fault("anthropic", "status", status=429, retry_after="2", times=1)

    async def refused() -> bool:
        return any(c["status"] == 429 for c in await stack.sim.calls("anthropic"))

    await eventually(refused, "the 429")
    refused_t = next(c["t"] for c in await stack.sim.calls("anthropic") if c["status"] == 429)

    async def back() -> bool:
        return any(c["t"] > refused_t + 1.5 for c in await stack.sim.calls("anthropic"))

    await eventually(back, "the primary after its pause")
    stop.set()
    await asyncio.gather(*running)
    assert {a.status for a in answers} == {200}
    assert len({a.worker for a in answers}) == 2
    calls = await stack.sim.calls("anthropic")
    assert [c for c in calls if refused_t + 0.1 < c["t"] < refused_t + 2.0] == []
    paused = [a.json() for a in answers if a.json()["source"] == "provider"]
    assert paused
    assert all(
        "anthropic:paused" in b["degraded"] or "anthropic:provider_rate_limited" in b["degraded"] for b in paused
    )
    assert (await stack.breakers())["anthropic"] == "closed"


@pytest.mark.parametrize("hint", [{"retry_after": "7200"}, {"retry_after": "-5"}, {"retry_after_ms": "soon"}])
async def test_an_absurd_retry_after_fails_over_at_once_and_pauses_nobody(stack: Stack, hint: dict[str, str]) -> None:
    await stack.sim.fault("anthropic", "status", status=429, times=1, **hint)
    alice = stack.caller()
    refused, after = await alice.chat(), await alice.chat()
    assert (refused.json()["source"], refused.json()["degraded"]) == ("provider", ["anthropic:provider_rate_limited"])
    assert after.json()["source"] == "live"
    assert [c["status"] for c in await stack.sim.calls("anthropic")] == [429, 200]


async def test_a_provider_that_hangs_costs_half_the_deadline_and_the_next_rung_answers(stack: Stack) -> None:
    await stack.sim.fault("anthropic", "hang")
    callers = [stack.caller() for _ in range(10)]
    answers = await at_once(10, lambda n: callers[n].chat())
    assert {a.json()["source"] for a in answers} == {"provider"}
    assert max(a.took_s for a in answers) < 5
    assert {tuple(a.json()["degraded"]) for a in answers} <= {("anthropic:timed_out",), ("anthropic:circuit_open",)}


async def test_503_503_200_is_three_calls_and_an_answer_from_the_primary(stack: Stack) -> None:
    await stack.sim.fault("anthropic", "status", status=503, times=2)
    body = (await stack.caller().chat()).json()
    assert (body["source"], body["degraded"]) == ("live", [])
    calls = await stack.sim.calls()
    assert [(c["status"], c["attempt"]) for c in calls] == [(503, 1), (503, 2), (200, 3)]
    assert len({c["request_id"] for c in calls}) == 1


async def test_a_refused_connection_fails_over_and_the_sdk_does_not_retry_by_itself(stack: Stack) -> None:
    await stack.sim.fault("anthropic", "refused")
    body = (await stack.caller().chat()).json()
    assert body["source"] == "provider"
    assert body["degraded"] == ["anthropic:connection_failed"]


async def test_all_providers_out_gives_the_stale_answer_else_the_honest_message(
    start_stack: Callable[..., Stack],
) -> None:
    stack = start_stack(
        toml="[cache]\nfresh_s = 0.05\n[breaker]\ncooldown_s = 30\n[retry]\nbase_s = 0.05\nbudget_capacity = 1000\n"
    )
    async with stack:
        await stack.reset()
        alice = stack.caller()
        known = await alice.chat("What is kept for a day?")
        assert known.json()["source"] == "live"
        for target in ("anthropic", "openai"):
            await stack.sim.fault(target, "status", status=503)
        await asyncio.sleep(0.1)  # no longer fresh
        await at_once(8, lambda _: alice.chat())
        states = await stack.breakers()
        assert (states["anthropic"], states["openai"]) == ("open", "open")
        stale = await alice.chat("What is kept for a day?")
        assert (stale.status, stale.json()["source"]) == (200, "stale")
        assert stale.json()["answer"] == known.json()["answer"]
        assert stale.json()["degraded"] == ["anthropic:circuit_open", "openai:circuit_open"]
        honest = await alice.chat("What was never asked?")
        assert (honest.status, honest.json()["source"]) == (503, "message")
        assert 1 <= int(honest.headers["retry-after"]) <= 31
        assert max(stale.took_s, honest.took_s) < 1
        streamed = await alice.request("POST", "/chat/stream", {"text": "What was never asked, streamed?"})
        assert (streamed.status, streamed.json()["source"]) == (503, "message")
        openai = await alice.request(
            "POST", "/v1/chat/completions", {"model": "default", "messages": [{"role": "user", "content": "hi"}]}
        )
        assert (openai.status, openai.json()["error"]["code"]) == (503, "all_rungs_failed")
        assert int(openai.headers["retry-after"]) >= 1
