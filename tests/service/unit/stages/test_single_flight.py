"""Single-flight: one call for many who ask at once, whoever leaves, fails or takes too long."""

import asyncio

import pytest

from service.clock import SystemClock
from service.errors import CallerError, RateLimited, Unavailable
from service.stages.cached_answer import CachedAnswer
from service.stages.reply import Delta, Reply, Restart
from service.store.guard import Store

from ..fakes import (
    AwayStore,
    FakeClock,
    Scripted,
    decisions,
    live,
    read,
    streaming,
    until,
)
from .caching import Gated, Slow, Worker, degraded


async def test_an_aborted_stream_is_not_stored(worker: Worker, store: Store) -> None:
    reply = await worker.cache(worker.new(stream=True), Scripted(Gated("4").reply))
    await anext(reply)
    await reply.aclose()
    await worker.settle.drain()
    assert await store.execute("DBSIZE") == 0


async def test_a_restarted_stream_is_told_and_shared_without_what_was_dropped(worker: Worker) -> None:
    gated = Gated("wrong", Restart("stream_broken"), "42")
    reply = await worker.cache(worker.new(stream=True), Scripted(degraded(gated.reply)))
    follower = asyncio.create_task(worker.cache(worker.new(), Scripted(live("never"))))
    await asyncio.sleep(0)
    gated.finish()
    await read(reply)
    shared = await follower
    assert (shared.text, shared.source, shared.degraded) == ("42", "provider", ["anthropic:unavailable"])
    await worker.settle.drain()


async def test_a_stream_is_followed_as_it_comes_by_who_asks_for_one(worker: Worker) -> None:
    gated, inner = Gated("4", "2"), Scripted(live("never"))
    leader = await worker.cache(worker.new(stream=True), Scripted(gated.reply))
    waiting = asyncio.create_task(worker.cache(worker.new(), inner))
    follower = await worker.cache(worker.new(stream=True, user="bob"), inner)
    assert [await anext(follower), await anext(follower)] == [Delta("4"), Delta("2")], "before its end"
    assert follower.source == "shared"
    await leader.aclose()
    assert not gated.closed, "the follower still reads"
    gated.finish()
    assert await read(follower) == []
    shared = await waiting
    assert (shared.text, shared.source) == ("42", "shared")
    assert inner.rungs == []
    await worker.settle.drain()
    assert (await worker.ask(inner))[1].source == "cache"


async def test_when_all_who_follow_a_stream_have_left_it_is_closed(worker: Worker) -> None:
    gated = Gated("4")
    replies = [await worker.cache(worker.new(stream=True), Scripted(gated.reply)) for _ in range(3)]
    for reply in replies:
        assert not gated.closed
        await reply.aclose()
    assert gated.closed
    await worker.settle.drain()


async def test_nobody_follows_a_stream_of_another_policy(worker: Worker) -> None:
    """A client of the OpenAI surface knows no restart."""
    gated = Gated("4", "2")
    leader = await worker.cache(worker.new(stream=True), Scripted(gated.reply))
    follower = asyncio.create_task(worker.cache(worker.new(stream=True, broken_stream="error"), Scripted(live("no"))))
    await asyncio.sleep(0.01)
    assert not follower.done()
    gated.finish()
    await read(leader)
    assert (await follower).text == "42"
    await worker.settle.drain()


async def test_who_is_to_follow_a_stream_that_was_just_left_leads_instead(worker: Worker) -> None:
    slow, gated = Slow(), Gated("4")

    async def come_and_go() -> None:
        await (await worker.cache(worker.new(stream=True), slow)).aclose()

    leader = asyncio.create_task(come_and_go())
    await slow.called(1)
    follower = asyncio.create_task(worker.cache(worker.new(stream=True, user="bob"), slow))
    await asyncio.sleep(0)
    slow.gates[0].set_result(gated.reply)
    await slow.called(2)
    slow.gates[1].set_result(streaming("whole"))
    assert await read(await follower) == [Delta("whole")]
    assert gated.closed
    assert slow.users == ["alice", "bob"]
    await leader
    await worker.settle.drain()


async def test_a_hundred_same_questions_at_once_are_one_call(worker: Worker) -> None:
    slow = Slow()
    tasks = [asyncio.create_task(worker.cache(worker.new(user=f"u{n}"), slow)) for n in range(100)]
    await slow.called(1)
    slow.gates[0].set_result(live("42"))
    replies = await asyncio.gather(*tasks)
    assert [reply.text for reply in replies] == ["42"] * 100
    assert [reply.source for reply in replies] == ["live"] + ["shared"] * 99
    assert slow.users == ["u0"]
    await worker.settle.drain()


@pytest.mark.parametrize("how", ["cancelled", "its own limit", "its own error"])
async def test_a_leaders_own_failure_hands_over_and_the_next_leads_under_its_own_name(
    worker: Worker, store: Store, how: str
) -> None:
    slow = Slow()
    tasks = [asyncio.create_task(worker.cache(worker.new(user=f"u{n}"), slow)) for n in range(3)]
    await slow.called(1)
    if how == "cancelled":
        tasks[0].cancel()
    else:
        slow.gates[0].set_exception(RateLimited("empty") if how == "its own limit" else CallerError("400"))
    await slow.called(2)
    assert slow.users == ["u0", "u1"]
    slow.gates[1].set_result(live("42"))
    assert [(await task).source for task in tasks[1:]] == ["live", "shared"]
    assert isinstance((await asyncio.gather(tasks[0], return_exceptions=True))[0], BaseException)
    await worker.settle.drain()
    assert await store.execute("KEYS", "*:lease") == []


async def test_a_failure_that_would_meet_everybody_is_shared(worker: Worker, store: Store) -> None:
    slow = Slow()
    tasks = [asyncio.create_task(worker.cache(worker.new(), slow)) for _ in range(3)]
    await slow.called(1)
    slow.gates[0].set_exception(ValueError("a defect"))
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(answer, ValueError) for answer in answers)
    assert len(slow.users) == 1
    await worker.settle.drain()
    assert await store.execute("DBSIZE") == 0


async def test_waiters_that_leave_disturb_nobody(worker: Worker) -> None:
    slow = Slow()
    tasks = [asyncio.create_task(worker.cache(worker.new(), slow)) for _ in range(10)]
    await slow.called(1)
    for task in tasks[1:5]:
        task.cancel()
    slow.gates[0].set_result(live("42"))
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(answer, Reply) for answer in answers) == 6
    assert len(slow.users) == 1
    await worker.settle.drain()


async def test_with_the_store_away_a_worker_still_shares_and_nothing_fails(clock: FakeClock) -> None:
    worker, slow = Worker(AwayStore(), clock), Slow()
    tasks = [asyncio.create_task(worker.cache(worker.new(), slow)) for _ in range(20)]
    for _ in range(5):
        await asyncio.sleep(0)
    slow.gates[0].set_result(live("42"))
    assert {reply.text for reply in await asyncio.gather(*tasks)} == {"42"}
    assert len(slow.users) == 1
    await worker.settle.drain()


async def test_of_waiters_whose_leader_takes_too_long_one_leads_anew_for_all(clock: FakeClock) -> None:
    worker, slow = Worker(AwayStore(), clock), Slow()
    leader = asyncio.create_task(worker.cache(worker.new(deadline_s=clock.now + 60), slow))
    await asyncio.sleep(0)
    began_s, asked = clock.now, [worker.new() for _ in range(20)]
    waiting = [asyncio.create_task(worker.cache(one, slow)) for one in asked]
    await until(lambda: all("waited" in decisions(one, "cache") for one in asked))
    assert clock.now - began_s == pytest.approx(3.5), "seven tenths of its five seconds"
    slow.gates[1].set_result(live("own"))
    assert [(await one).source for one in waiting] == ["live"] + ["shared"] * 19
    assert len(slow.gates) == 2
    assert decisions(asked[0], "cache") == ["wait", "waited", "miss", "store"]
    assert decisions(asked[1], "cache") == ["wait", "waited", "wait", "shared"]
    leader.cancel()
    await asyncio.gather(leader, return_exceptions=True)
    await worker.settle.drain()


async def test_a_leader_who_is_done_by_our_deadline_is_waited_for_till_then(clock: FakeClock) -> None:
    """To ask again with half of the time would fail where the leader succeeds."""
    worker, slow = Worker(AwayStore(), clock), Slow()
    tasks = [asyncio.create_task(worker.cache(worker.new(), slow)) for _ in range(20)]
    await asyncio.sleep(0)
    await clock.sleep(4.7)
    slow.gates[0].set_result(live("late"))
    assert [(await task).source for task in tasks] == ["live"] + ["shared"] * 19
    assert len(slow.users) == 1
    await worker.settle.drain()


@pytest.mark.parametrize("stream", [False, True])
async def test_another_workers_leader_is_waited_for_as_long_as_it_may_bring_something_in_time(
    store: Store, stream: bool
) -> None:
    """A stream may last longer than anybody waits."""
    one, two = Worker(store, SystemClock(), "one"), Worker(store, SystemClock(), "two")
    await one.cache._liveness.start()
    slow, until_s = Slow(), one.clock.monotonic() + 2.0
    leader = asyncio.create_task(one.cache(one.new(stream=stream, deadline_s=until_s), slow))
    await slow.called(1)
    follower = asyncio.create_task(two.ask(Scripted(live("own")), deadline_s=until_s))
    await asyncio.sleep(max(until_s - 0.8 - one.clock.monotonic(), 0))
    slow.gates[0].set_result(live("42"))
    await leader
    await one.settle.drain()
    _, reply = await follower
    assert (reply.text, reply.source) == (("own", "live") if stream else ("42", "shared"))
    await one.cache._liveness.aclose()


async def test_who_waited_too_long_finds_what_was_stored_meanwhile_and_has_the_stale_answer_else(
    worker: Worker, store: Store
) -> None:
    await worker.ask(Scripted(live("41")))
    [key] = await store.execute("KEYS", "cache:*")
    await store.execute("PEXPIRE", key, (86_400 - 3600) * 1000 - 1)
    slow = Slow()
    leader = asyncio.create_task(worker.cache(worker.new(), slow))
    await slow.called(1)
    asked = worker.new(deadline_s=worker.clock.monotonic() + 0.2)
    with pytest.raises(Unavailable):
        await worker.cache(asked, Scripted(Unavailable("down", provider="anthropic")))
    assert asked.stale is not None
    assert asked.stale.text == "41"
    await store.execute("SET", key, CachedAnswer("43", None, None, "stop").encode(), "PX", 86_400_000)
    late = await worker.cache(worker.new(), Scripted(live("never")))
    assert (late.text, late.source) == ("43", "cache")
    leader.cancel()
    await asyncio.gather(leader, return_exceptions=True)
    await worker.settle.drain()


async def waited_for(store: Store, brought: Reply) -> tuple[Reply, Worker]:
    """What a second worker's waiter gets when the first one's leader, the only one who called, has brought this.

    The workers here hear no messages: who waits finds the answer at its next look.
    """
    one, two = Worker(store, SystemClock(), "one"), Worker(store, SystemClock(), "two")
    await one.cache._liveness._beat()
    slow = Slow()
    leader = asyncio.create_task(one.cache(one.new(), slow))
    await slow.called(1)
    asked = two.new()
    follower = asyncio.create_task(two.cache(asked, slow))
    await until(lambda: "wait" in decisions(asked, "cache"), pause_s=0.001)
    slow.gates[0].set_result(brought)
    await read(await leader)
    await one.settle.drain()
    reply = await follower
    assert len(slow.users) == 1
    return reply, one


async def test_two_workers_make_one_call(store: Store) -> None:
    reply, _ = await waited_for(store, live("42"))
    assert (reply.text, reply.source) == ("42", "shared")


async def test_a_degraded_answer_is_there_for_another_workers_waiter_and_for_no_newcomer(store: Store) -> None:
    reply, one = await waited_for(store, degraded(live("42")))
    assert (reply.text, reply.source, reply.degraded) == ("42", "provider", ["anthropic:unavailable"])
    assert (await one.ask(Scripted(live("43"))))[1].text == "43"


async def test_a_dead_workers_lease_is_taken_over_at_once(store: Store) -> None:
    dead, two = Worker(store, SystemClock(), "dead"), Worker(store, SystemClock(), "two")
    slow = Slow()
    hanging = asyncio.create_task(dead.cache(dead.new(), slow))  # its worker has no heartbeat
    await slow.called(1)
    asked, reply = await two.ask(Scripted(live("42")))
    assert (reply.text, reply.source) == ("42", "live")
    assert decisions(asked, "cache") == ["wait", "miss", "store"]
    hanging.cancel()
    await asyncio.gather(hanging, return_exceptions=True)
    await dead.settle.drain()
