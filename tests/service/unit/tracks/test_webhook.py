"""The track on the real Valkey: the schedule, one try at a time, what ends a message. Next: ``test_webhook_sweep``."""

import asyncio
import json
import statistics

import pytest

from service.errors import Conflict, NotFound, StoreUnavailable
from service.settings import WebhookSettings
from service.store.guard import Store
from service.tracks.queue import Later
from service.tracks.webhook import backoff_s
from service.tracks.webhook_post import Tried
from service.tracks.webhook_record import message_id_of
from tests.service.unit.fakes import AwayStore, FakeClock

from .webhook_bench import BROKEN, GONE, TAKEN, Bench


def test_the_schedule_doubles_up_to_its_cap_and_reaches_over_hours() -> None:
    settings = WebhookSettings()
    most = [backoff_s(settings, tried, lambda: 1.0) for tried in range(1, settings.tries)]
    assert most[:4] == [5, 10, 20, 40]
    assert max(most) == 4 * 3600
    assert 10 * 3600 < sum(most) < 20 * 3600
    assert backoff_s(settings, 10_000, lambda: 1.0) == 4 * 3600


def test_the_jitter_is_full() -> None:
    drawn = [backoff_s(WebhookSettings(), 6) for _ in range(4000)]
    assert 0 <= min(drawn) < 8
    assert 152 < max(drawn) <= 160
    assert statistics.mean(drawn) == pytest.approx(80, rel=0.1)


async def test_a_message_is_signed_anew_at_each_try_and_keeps_its_id_and_its_body(store: Store) -> None:
    bench = Bench(store, BROKEN, BROKEN, TAKEN)
    message_id = await bench.send()
    await bench.run(message_id)
    assert [headers["webhook-id"] for _, headers in bench.post.got] == [message_id] * 3
    assert len({body for body, _ in bench.post.got}) == 1
    body = json.loads(bench.post.got[0][0])
    assert set(body) == {"type", "timestamp", "data"}
    assert (body["type"], body["data"]) == ("job.completed", {"id": "job_1", "n": 1})
    assert [headers["x-attempt"] for _, headers in bench.post.got] == ["1", "2", "3"]
    assert (await bench.state(message_id))["state"] == "delivered"
    (ended,) = bench.told.ended
    assert (ended["outcome"], ended["tries"], ended["status"]) == ("delivered", 3, 200)
    assert [tried.error for tried in bench.told.tries] == ["status", "status", None]


async def test_the_same_event_of_the_same_subject_is_one_message(store: Store) -> None:
    bench = Bench(store, TAKEN)
    first, second = await bench.send(), await bench.send()
    other = await bench.send(event="job.failed")
    assert first == second == message_id_of("job.completed", "job_1") != other
    assert [put[1] for put in bench.queue.put_in] == [first, first, other]
    await bench.run(first)
    await bench.send()  # whoever sends again after it was delivered puts nothing
    assert len(bench.queue.put_in) == 3
    assert len(bench.post.got) == 1


async def test_after_its_last_try_a_message_is_dead_and_an_operator_sends_it_off_again(store: Store) -> None:
    bench = Bench(store, BROKEN, BROKEN, BROKEN, BROKEN, TAKEN)
    message_id = await bench.send()
    await bench.run(message_id)
    assert [(m["id"], m["tries"], m["last_status"]) for m in await bench.hooks.listed("dead", 10)] == [
        (message_id, 3, 500)
    ]
    assert bench.told.ended[-1]["outcome"] == "dead"
    await bench.hooks.redrive(message_id)
    assert bench.queue.put_in[-1] == ("webhooks.deliver", f"{message_id}:1", (message_id,))
    assert await bench.hooks.listed("dead", 10) == []
    assert [m["id"] for m in await bench.hooks.listed("pending", 10)] == [message_id]
    await bench.run(message_id)
    assert (await bench.state(message_id))["tries"] == 5
    assert [m["id"] for m in await bench.hooks.listed("delivered", 10)] == [message_id]
    assert await bench.hooks.listed("pending", 10) == []
    with pytest.raises(Conflict):
        await bench.hooks.redrive(message_id)
    with pytest.raises(NotFound):
        await bench.hooks.redrive("msg_unknown")


async def test_a_redriven_message_has_all_its_tries_again(store: Store) -> None:
    bench = Bench(store, BROKEN)
    message_id = await bench.send()
    await bench.run(message_id)
    await bench.hooks.redrive(message_id)
    await bench.run(message_id)
    assert (await bench.state(message_id))["tries"] == 6


async def test_410_ends_it_at_once(store: Store) -> None:
    bench = Bench(store, GONE)
    message_id = await bench.send()
    assert await bench.run(message_id) == []
    shown = await bench.state(message_id)
    assert (shown["state"], shown["tries"], shown["last_error"]) == ("dead", 1, "gone")


async def test_a_receivers_wish_to_wait_is_kept(store: Store) -> None:
    bench = Bench(store, Tried(429, "status", 30.0), TAKEN)
    message_id = await bench.send()
    with pytest.raises(Later) as caught:
        await bench.hooks.deliver(message_id)
    assert caught.value.delay_s == 30.0
    with pytest.raises(Later) as caught:  # delivered again by a crash of the worker, it is too early
        await bench.hooks.deliver(message_id)
    assert 29 < caught.value.delay_s <= 30
    assert len(bench.post.got) == 1


async def test_one_try_at_a_time_however_many_deliver(store: Store) -> None:
    bench = Bench(store, BROKEN, BROKEN, TAKEN, at_once_per_host=64)
    message_id = await bench.send()
    await asyncio.gather(*(bench.run(message_id) for _ in range(20)))
    assert bench.post.most_at_once == 1
    assert len(bench.post.got) == 3


async def test_two_workers_redrive_at_once_and_it_is_tried_by_one(store: Store) -> None:
    first, second = Bench(store, BROKEN, BROKEN, BROKEN, TAKEN), Bench(store, TAKEN)
    message_id = await first.send()
    await first.run(message_id)
    await asyncio.gather(first.hooks.redrive(message_id), second.hooks.redrive(message_id))
    await asyncio.gather(first.run(message_id), second.run(message_id))
    assert len(first.post.got) + len(second.post.got) == 4
    assert (await first.state(message_id))["state"] == "delivered"


async def test_the_end_is_told_once_however_often_it_was_sent_off_again(store: Store) -> None:
    bench = Bench(store, BROKEN, BROKEN, BROKEN, TAKEN)
    message_id = await bench.send()
    await bench.run(message_id)
    for _ in range(3):
        await bench.hooks.redrive(message_id)
    for _ in range(3):  # a task for each
        await bench.run(message_id)
    assert [record["outcome"] for record in bench.told.ended] == ["dead", "delivered"]


async def test_an_error_of_ours_loses_no_message(store: Store) -> None:
    bench = Bench(store, RuntimeError("a defect"), TAKEN)
    message_id = await bench.send()
    with pytest.raises(Later):
        await bench.hooks.deliver(message_id)
    assert (await bench.state(message_id))["state"] == "pending"


async def test_one_dead_receiver_holds_up_no_other(store: Store) -> None:
    bench = Bench(store, TAKEN, at_once_per_host=1)
    slow = [await bench.send(f"job_{number}") for number in range(3)]
    other = await bench.send("job_9", url="http://127.0.0.1:10/hook")
    outcomes = await asyncio.gather(*map(bench.hooks.deliver, [*slow, other]), return_exceptions=True)
    assert [isinstance(outcome, Later) for outcome in outcomes] == [False, True, True, False]
    assert (await bench.state(slow[1]))["tries"] == 0


async def test_a_message_that_is_forgotten_is_let_go(store: Store) -> None:
    bench = Bench(store, TAKEN)
    await bench.hooks.deliver("msg_nobody")
    assert bench.post.got == []
    assert await bench.hooks.peek("msg_nobody") is None


async def test_records_are_kept_for_as_long_as_they_should(store: Store) -> None:
    for script, keep_s in ((TAKEN, 86_400), (GONE, 7 * 86_400)):
        bench = Bench(store, script)
        message_id = await bench.send(f"job_{keep_s}")
        await bench.run(message_id)
        left_s = await store.execute("TTL", f"webhook:{{{message_id}}}")
        assert keep_s - 60 < left_s <= keep_s


async def test_the_levels_tell_how_much_waits_and_since_when(store: Store) -> None:
    clock = FakeClock()
    bench = Bench(store, GONE, clock=clock)
    await bench.send("job_1")
    clock.advance(7)
    dead = await bench.send("job_2")
    await bench.run(dead)
    assert bench.hooks.reading("dead") == []
    await bench.hooks.start()
    for _ in range(500):
        if bench.hooks.reading("dead"):
            break
        await asyncio.sleep(0.01)
    await bench.hooks.aclose()
    assert bench.hooks.reading("dead") == [((), 1)]
    assert bench.hooks.reading("pending") == [((), 1)]
    assert bench.hooks.reading("oldest_s")[0][1] >= 7


async def test_without_the_store_nothing_is_sent_and_the_sender_hears_it() -> None:
    with pytest.raises(StoreUnavailable):
        await Bench(AwayStore(), TAKEN).send()
