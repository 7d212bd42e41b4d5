"""The cache stage at the ledger: one question, one call, whoever asks and wherever."""

import asyncio

from tests.stack import Stack
from tests.waiting import at_once, eventually

QUESTION = "Why does a herd of same questions need a single flight?"


async def test_a_hundred_same_questions_at_once_are_one_provider_call(stack: Stack) -> None:
    await stack.sim.latency("anthropic", first_token_ms=300)
    alice = stack.caller()
    answers = await at_once(100, lambda _: alice.chat(QUESTION))
    assert [a.status for a in answers] == [200] * 100
    assert len({a.json()["answer"] for a in answers}) == 1
    assert len(await stack.sim.calls()) == 1
    assert len({a.worker for a in answers}) == 2
    sources = [a.json()["source"] for a in answers]
    assert sources.count("live") == 1
    assert set(sources) <= {"live", "shared", "cache"}


async def test_a_hundred_same_streams_at_once_are_one_provider_call(stack: Stack) -> None:
    await stack.sim.latency("anthropic", first_token_ms=100, per_token_ms=5)
    alice = stack.caller()
    streams = await at_once(100, lambda _: alice.stream(QUESTION))
    whole = {events[-1][1]["answer"] for events in streams}
    assert len(whole) == 1
    assert all("".join(d["text"] for name, d in events if name == "delta") in whole for events in streams)
    assert len(await stack.sim.calls()) == 1


async def test_two_tenants_never_share_an_answer(stack: Stack) -> None:
    alice, bob = stack.caller(), stack.caller()
    await asyncio.gather(alice.chat(QUESTION), bob.chat(QUESTION))
    assert len(await stack.sim.calls()) == 2


async def test_temperature_without_a_seed_bypasses_and_with_one_is_cached(stack: Stack) -> None:
    alice = stack.caller()
    for _ in range(2):
        await alice.chat(QUESTION, temperature=0.7)
    assert len(await stack.sim.calls()) == 2
    for _ in range(2):
        await alice.chat(QUESTION, temperature=0.7, seed=1)
    assert len(await stack.sim.calls()) == 3


async def test_a_leader_that_leaves_hands_over_to_a_waiter(stack: Stack) -> None:
    await stack.sim.latency("anthropic", first_token_ms=700)
    alice = stack.caller()
    leader = asyncio.create_task(alice.chat(QUESTION))

    async def called() -> bool:
        return bool(await stack.sim.calls())

    await eventually(called, "the leader's call")
    waiters = [asyncio.create_task(alice.chat(QUESTION)) for _ in range(20)]
    await asyncio.sleep(0.1)
    leader.cancel()
    answers = await asyncio.gather(*waiters)
    assert [a.status for a in answers] == [200] * 20
    calls = await stack.sim.calls()
    assert len(calls) == 2
    assert [c["cancelled"] for c in calls] == [True, False]


async def test_a_degraded_answer_is_shared_by_those_who_wait_and_never_stored(stack: Stack) -> None:
    await stack.sim.fault("anthropic", "status", status=529)
    await stack.sim.latency("openai", first_token_ms=1000)  # so that all have come before it is there
    alice = stack.caller()
    answers = await at_once(20, lambda _: alice.chat(QUESTION))
    assert {a.status for a in answers} == {200}
    assert len(await stack.sim.calls("openai")) == 1
    await stack.reset()
    assert (await alice.chat(QUESTION)).json()["source"] == "live"


async def test_streams_that_outlast_every_waiter_are_followed_as_they_come(stack: Stack) -> None:
    """Within a worker at once, by whoever asks for one; another worker waits a while for the whole, then asks."""
    await stack.sim.latency("anthropic", first_token_ms=100, per_token_ms=120)
    alice = stack.caller()
    begun = asyncio.create_task(alice.stream(QUESTION))

    async def called() -> bool:
        return bool(await stack.sim.calls())

    await eventually(called, "the leader's call")
    streams = [await begun, *await at_once(20, lambda _: alice.stream(QUESTION))]
    assert {name for events in streams for name, _ in events} == {"delta", "done"}
    assert len({events[-1][1]["answer"] for events in streams}) == 1
    assert len(await stack.sim.calls()) <= 2


async def test_who_waits_for_a_leader_that_fails_over_late_gets_its_answer(stack: Stack) -> None:
    """The first provider hangs until half of the deadline is gone: who asked again then would be too late."""
    await stack.sim.fault("anthropic", "hang")
    await stack.sim.latency("openai", first_token_ms=1100)
    alice = stack.caller()
    answers = await at_once(40, lambda _: alice.chat(QUESTION))
    assert [a.status for a in answers] == [200] * 40
    assert {a.json()["source"] for a in answers} == {"provider"}
    assert len({a.worker for a in answers}) == 2
    assert [c["target"] for c in await stack.sim.calls()] == ["anthropic", "openai"]
