"""Time passes when everybody waits, in the order of their waits, and stands while a call is under way."""

import asyncio

import pytest

from notebooks.grader.clock import MOST_SLEEPS, Clock, Endless


async def test_sleepers_wake_in_the_order_of_their_times_and_an_hour_is_nothing() -> None:
    clock, woken = Clock(), []

    async def sleeper(name: str, *delays: float) -> None:
        for delay in delays:
            await clock.sleep(delay)
            woken.append((name, clock.now()))

    await asyncio.gather(sleeper("a", 3600, 1), sleeper("b", 1800, 1800.5), sleeper("c", 0))
    assert woken == [("c", 0), ("b", 1800), ("a", 3600), ("b", 3600.5), ("a", 3601)]


async def test_time_stands_while_a_call_is_under_way() -> None:
    clock, ended = Clock(), asyncio.Event()

    async def call() -> float:
        with clock.busy():
            await ended.wait()
            return clock.now()

    async def sleeper() -> float:
        await clock.sleep(5)
        return clock.now()

    calling, sleeping = asyncio.create_task(call()), asyncio.create_task(sleeper())
    for _ in range(200):
        await asyncio.sleep(0)
    assert not sleeping.done()
    ended.set()
    assert await calling == 0
    assert await sleeping == 5


async def test_a_cancelled_sleeper_holds_nobody_up_and_moves_no_time() -> None:
    clock = Clock()
    long = asyncio.create_task(clock.sleep(100))
    await asyncio.sleep(0)
    long.cancel()
    await clock.sleep(1)
    assert clock.now() == 1


async def test_a_loop_that_sleeps_for_ever_ends() -> None:
    clock = Clock()
    for _ in range(MOST_SLEEPS):
        await clock.sleep(0.001)
    with pytest.raises(Endless):
        await clock.sleep(0.001)
    assert len(clock.slept) == MOST_SLEEPS


async def test_it_is_idle_when_nobody_sleeps_and_no_call_is_under_way() -> None:
    clock = Clock()
    assert clock.idle
    with clock.busy():
        assert not clock.idle
    sleeping = asyncio.create_task(clock.sleep(1))
    await asyncio.sleep(0)
    assert not clock.idle
    await sleeping
    await asyncio.sleep(0)
    assert clock.idle
