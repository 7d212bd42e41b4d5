"""Messages whose worker or sender died between two steps, on the real Valkey: nobody is told twice, none is lost."""

import asyncio
import time
from typing import Any

import pytest

from service.errors import Conflict, StoreUnavailable
from service.store.guard import Store
from service.tracks import webhook
from service.tracks.queue import Later
from service.tracks.webhook_record import STATES, message_id_of

from .webhook_bench import BROKEN, TAKEN, Bench


def record(message_id: str) -> str:
    """Its key."""
    return f"webhook:{{{message_id}}}"


async def test_a_message_that_waits_beyond_its_time_is_put_again_and_a_forgotten_one_waits_no_more(
    store: Store,
) -> None:
    bench = Bench(store, BROKEN, timeout_s=0.05, base_s=3600.0, cap_s=3600.0)
    lost, tried, forgotten = [await bench.send(f"job_{number}") for number in range(3)]
    with pytest.raises(Later):
        await bench.hooks.deliver(tried)
    await store.execute("DEL", f"webhook:{{{forgotten}}}")
    await bench.hooks.sweep()
    assert bench.queue.mended == [], "it may be on its way"
    assert [m["id"] for m in await bench.hooks.listed("pending", 10)] == [tried, lost]
    await store.execute("HSET", f"webhook:{{{lost}}}", "created_at", "1")
    await bench.hooks.sweep()
    assert bench.queue.mended == [lost]
    assert await store.execute("ZCARD", "webhooks:{pending}") == 2
    await bench.hooks.deliver(forgotten)


async def test_a_worker_that_dies_between_try_and_record_leaves_the_message_to_the_next(store: Store) -> None:
    dying = Bench(store, asyncio.CancelledError(), timeout_s=0.05)
    message_id = await dying.send()
    with pytest.raises(asyncio.CancelledError):
        await dying.hooks.deliver(message_id)
    next_one = Bench(store, TAKEN, timeout_s=0.05)
    with pytest.raises(Later) as caught:  # the dead one's claim still holds
        await next_one.hooks.deliver(message_id)
    assert 0 < caught.value.delay_s <= 0.05 + 2.0
    await store.execute("HSET", f"webhook:{{{message_id}}}", "until", "1")
    await next_one.run(message_id)
    assert next_one.post.got[0][1]["webhook-id"] == message_id
    assert (await next_one.state(message_id))["tries"] == 2


async def test_a_worker_that_dies_after_its_record_leaves_the_telling_to_the_next(store: Store) -> None:
    bench, next_one = Bench(store, TAKEN), Bench(store, TAKEN)
    message_id = await bench.send()
    await bench.run(message_id)
    await store.execute("ZREM", "webhooks:{delivered}", message_id)
    await store.execute("ZADD", "webhooks:{pending}", 1, message_id)
    await next_one.run(message_id)
    assert next_one.post.got == []
    assert next_one.told.ended == bench.told.ended
    assert [m["id"] for m in await next_one.hooks.listed("delivered", 10)] == [message_id]
    assert await next_one.hooks.listed("pending", 10) == []


async def test_however_many_wait_for_a_dead_receiver_a_lost_message_behind_them_is_found(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "MOST_SWEPT", 3)
    bench = Bench(store, BROKEN, base_s=3600.0, cap_s=3600.0)
    later_ms = str(int((time.time() + 3600) * 1000))
    for number in range(7):
        await store.execute("HSET", record(await bench.send(f"waits_{number}")), "next_at", later_ms)
    lost = await bench.send("lost")
    await store.execute("HSET", record(lost), "created_at", "1")
    found = []
    for _ in range(6):
        await bench.hooks.sweep()
        found.append(bench.queue.mended)
    assert found == [[], [], [lost]] * 2


@pytest.mark.parametrize(("dies_before", "ends"), [(True, "dead"), (False, "delivered")])
async def test_whoever_dies_while_sending_a_dead_message_off_again_leaves_it_to_the_sweep(
    store: Store, monkeypatch: pytest.MonkeyPatch, dies_before: bool, ends: str
) -> None:
    """Before the script that makes it wait, or after it: it is dead still, or tried again, and never in no list."""
    bench = Bench(store, BROKEN, BROKEN, BROKEN, TAKEN)
    message_id = await bench.send()
    await bench.run(message_id)
    await store.execute("HSET", record(message_id), "created_at", "1")
    inner, has_run = store.execute, False

    async def execute(*arguments: Any) -> Any:
        nonlocal has_run
        is_script = arguments[0] == "EVALSHA"
        if has_run or (is_script and dies_before):
            raise StoreUnavailable("killed")
        has_run = is_script
        return await inner(*arguments)

    with monkeypatch.context() as dying:
        dying.setattr(store, "execute", execute)
        with pytest.raises(StoreUnavailable):
            await bench.hooks.redrive(message_id)
    await store.execute("HDEL", record(message_id), "next_at")
    await bench.hooks.sweep()
    assert bench.queue.mended == [message_id]
    await bench.run(message_id)
    listed = {state: len(await bench.hooks.listed(state, 10)) for state in STATES}
    assert listed == {state: int(state == ends) for state in STATES}


async def test_whoever_dies_while_sending_leaves_the_message_to_the_sweep(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(store, TAKEN)
    inner = store.execute

    async def execute(*arguments: Any) -> Any:
        answer = await inner(*arguments)
        if str(arguments[0]).startswith("EVAL"):
            raise StoreUnavailable("killed")
        return answer

    with monkeypatch.context() as dying:
        dying.setattr(store, "execute", execute)
        with pytest.raises(StoreUnavailable):
            await bench.send()
    message_id = message_id_of("job.completed", "job_1")
    await store.execute("HSET", record(message_id), "created_at", "1")
    await bench.hooks.sweep()
    assert (bench.queue.put_in, bench.queue.mended) == ([], [message_id])


async def test_what_is_sent_again_after_its_end_waits_for_nothing(store: Store) -> None:
    bench = Bench(store, TAKEN)
    message_id = await bench.send()
    await bench.run(message_id)
    await bench.send()
    with pytest.raises(Conflict):
        await bench.hooks.redrive(message_id)
    assert await store.execute("ZCARD", "webhooks:{pending}") == 0


async def test_a_look_at_what_waits_takes_no_end_away_that_is_still_to_be_told(store: Store) -> None:
    bench = Bench(store, TAKEN)
    message_id = await bench.send()
    await store.execute("HSET", record(message_id), "state", "delivered")  # and its worker died
    assert await bench.hooks.listed("pending", 10) == []
    await bench.run(message_id)
    assert [ended["message_id"] for ended in bench.told.ended] == [message_id]


async def test_a_message_sent_off_again_while_its_end_is_told_still_waits(store: Store) -> None:
    bench = Bench(store, BROKEN, BROKEN, BROKEN, TAKEN)
    message_id = await bench.send()
    await bench.run(message_id)
    await bench.hooks.redrive(message_id)
    await bench.hooks._records.enlist(message_id, "dead", time.time())  # by the worker that was about to
    assert await store.execute("ZCARD", "webhooks:{pending}") == 1
