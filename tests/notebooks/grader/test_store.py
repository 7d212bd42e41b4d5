"""The store is a real one whose answers take no time of the exercise's clock; only who waits for a lock waits by it."""

import asyncio

from notebooks.grader.clock import Clock
from notebooks.grader.rig import Rig
from notebooks.grader.store import Store
from notebooks.grader.timeline import Timeline


async def test_who_waits_for_a_lock_waits_by_the_clock(made_rig: Rig) -> None:
    assert made_rig.store_url is not None
    clock = Clock()
    store = Store(made_rig.store_url, clock, Timeline(), "a")

    async def holder() -> float:
        async with store.lock("one at a time", sleep=0.5):
            began_s = clock.now()
            await clock.sleep(10.0)
            return began_s

    began = await asyncio.gather(holder(), holder())
    assert sorted(began) == [0.0, 10.0]
    assert not await store.exists("one at a time")
    await store.aclose()


async def test_a_lock_that_nobody_gives_back_is_given_up_for_by_the_clock(made_rig: Rig) -> None:
    assert made_rig.store_url is not None
    clock = Clock()
    store = Store(made_rig.store_url, clock, Timeline(), "a")
    await store.set("kept", "by somebody")
    assert not await store.lock("kept", sleep=0.5, blocking_timeout=60.0).acquire()
    assert 59.0 < clock.now() <= 60.0
    await store.aclose()


async def test_time_stands_during_a_transaction_and_what_it_watches(made_rig: Rig) -> None:
    assert made_rig.store_url is not None
    clock = Clock()
    store = Store(made_rig.store_url, clock, Timeline(), "a")
    sleeping = asyncio.create_task(clock.sleep(1.0))
    async with store.pipeline() as pipe:
        await pipe.watch("counted")
        for _ in range(50):
            await pipe.get("counted")
        pipe.multi()  # type: ignore[no-untyped-call]
        pipe.set("counted", 1)
        await pipe.execute()
    assert clock.now() == 0.0
    await sleeping
    assert clock.now() == 1.0
    await store.aclose()
