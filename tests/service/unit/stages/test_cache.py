"""The cache: what belongs into its key, what is stored, and one call for many who ask at once."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from service.clock import SystemClock
from service.errors import CallerError, RateLimited, Unavailable
from service.llm.provider import Message
from service.settings import CacheSettings
from service.stages.ask import Ask, Delta, Event, Reply, Restart
from service.stages.cache import Cache, CachedAnswer, key_of
from service.store.guard import Store
from service.store.liveness import Liveness
from service.store.settle import Settle

from ..fakes import (
    GPT,
    SONNET,
    AwayStore,
    FakeClock,
    Scripted,
    ask,
    decisions,
    idle_replica,
    live,
    read,
    route,
    streaming,
    until,
)

CHANGES: list[dict[str, Any]] = [
    {"tenant": "globex"},
    {"route": replace(route(), alias="economy")},
    {"route": route(GPT, SONNET)},
    {"route": route(SONNET)},
    {"system": "Be brief."},
    {"system": ""},
    {"max_tokens": 1023},
    {"temperature": 0.0},
    {"temperature": 0.5},
    {"seed": 0},
    {"seed": 1},
    {"messages": (Message("user", "What does it cost? "),)},
    {"messages": (Message("assistant", "What does it cost?"),)},
    {"messages": (Message("user", "a"), Message("assistant", "b"), Message("user", "What does it cost?"))},
    {"messages": ()},
]
"""Each changes the answer, or whose it is."""
SAME: list[dict[str, Any]] = [
    {"user": "bob"},
    {"request_id": "another"},
    {"stream": True},
    {"deadline_s": 1.0},
    {"traceparent": "00-x"},
    {"off": frozenset({"retry"})},
]
"""None changes the answer: a stream and a whole answer share one, and so do the users of a tenant."""


def test_whatever_changes_the_answer_changes_the_key(clock: FakeClock) -> None:
    keys = [key_of(ask(clock)), *(key_of(ask(clock, **change)) for change in CHANGES)]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("change", SAME, ids=lambda change: next(iter(change)))
def test_what_does_not_change_the_answer_leaves_the_key(clock: FakeClock, change: dict[str, Any]) -> None:
    assert key_of(ask(clock, **change)) == key_of(ask(clock))


TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
PARTS = st.fixed_dictionaries(
    {
        "tenant": TEXT,
        "system": st.none() | TEXT,
        "max_tokens": st.integers(1, 3),
        "temperature": st.none() | st.sampled_from([0.0, 0.5, 1.0]),
        "seed": st.none() | st.integers(0, 2),
        "messages": st.lists(st.builds(Message, st.sampled_from(["user", "assistant"]), TEXT), max_size=3).map(tuple),
    }
)


@hypothesis(max_examples=150)
@given(PARTS, PARTS)
def test_keys_are_equal_exactly_when_all_parts_are(one: dict[str, Any], two: dict[str, Any]) -> None:
    clock = FakeClock()
    assert (key_of(ask(clock, **one)) == key_of(ask(clock, **two))) == (one == two)
    assert key_of(ask(clock, **one)) == key_of(ask(clock, **one))


def test_the_key_is_the_same_in_every_process(clock: FakeClock) -> None:
    code = (
        "from tests.service.unit.fakes import *; from service.stages.cache import key_of;"
        "print(key_of(ask(FakeClock(), system='ä', seed=3)))"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONHASHSEED": "1"}, capture_output=True, text=True, check=True
    )
    assert elsewhere.stdout.strip() == key_of(ask(clock, system="ä", seed=3))


@pytest.mark.parametrize("source", ["live", "message"])
def test_an_answer_survives_its_encoding(source: Any) -> None:
    answer = CachedAnswer("4ä2", None, "m", "stop", source, ("a:b",), ("seed",), 3.0)
    assert json.loads(answer.encode())["text"] == "4ä2"
    assert CachedAnswer.decode(answer.encode(), 7.0) == replace(answer, age_s=7.0)


class Worker:
    """One worker's cache stage."""

    def __init__(self, store: Store, clock: FakeClock | SystemClock, name: str = "w") -> None:
        self.clock = clock
        self.settle = Settle()
        self.cache = Cache(
            CacheSettings(),
            store=store,
            replica=idle_replica(store, FakeClock()),
            liveness=Liveness(store, worker=name, clock=clock),
            settle=self.settle,
            clock=clock,
        )

    async def ask(self, inner: Callable[[Ask], Awaitable[Reply]], **given: Any) -> tuple[Ask, Reply]:
        """Ask, read the answer to its end, settle."""
        asked = self.new(**given)
        reply = await self.cache(asked, inner)
        await read(reply)
        await self.settle.drain()
        return asked, reply

    def new(self, **given: Any) -> Ask:
        return ask(self.clock, **given)  # type: ignore[arg-type]  # only what a Clock has is used


@pytest.fixture
def worker(store: Store) -> Worker:
    return Worker(store, SystemClock())


async def test_the_second_same_question_is_a_hit(worker: Worker) -> None:
    inner = Scripted(live("42"))
    first, one = await worker.ask(inner)
    second, two = await worker.ask(inner, user="bob", stream=True)
    assert (one.source, two.source) == ("live", "cache")
    assert (two.text, two.provider, two.model) == ("42", SONNET.provider, SONNET.model)
    assert len(inner.rungs) == 1
    assert decisions(first, "cache") == ["miss", "store"]
    assert decisions(second, "cache") == ["hit"]


async def test_another_tenant_never_gets_it(worker: Worker) -> None:
    inner = Scripted(live("secret"), live("other"))
    await worker.ask(inner)
    _, reply = await worker.ask(inner, tenant="globex")
    assert reply.text == "other"


async def test_a_stream_is_stored_whole_and_hit_as_a_whole(worker: Worker) -> None:
    inner = Scripted(streaming("4", "2"), live("never"))
    await worker.ask(inner, stream=True)
    _, reply = await worker.ask(inner)
    assert (reply.text, reply.source, reply.finish_reason) == ("42", "cache", "stop")


@pytest.mark.parametrize(
    ("temperature", "seed", "calls"), [(0.7, None, 2), (0.7, 3, 1), (0.0, None, 1), (None, None, 1)]
)
async def test_only_a_random_answer_bypasses(worker: Worker, temperature: float, seed: int, calls: int) -> None:
    inner = Scripted(live())
    for _ in range(2):
        await worker.ask(inner, temperature=temperature, seed=seed)
    assert len(inner.rungs) == calls


@pytest.mark.parametrize(
    "change", [{"messages": (Message("user", "Who is a@example.org?"),)}, {"system": "Call me 0170 1234567."}]
)
async def test_what_may_hold_personal_data_is_neither_kept_nor_shared(
    worker: Worker, store: Store, change: dict[str, Any]
) -> None:
    slow = Slow()
    tasks = [asyncio.create_task(worker.cache(worker.new(**change), slow)) for _ in range(2)]
    await slow.called(2)
    for gate in slow.gates:
        gate.set_result(live())
    assert [(await task).source for task in tasks] == ["live", "live"]
    assert await store.execute("DBSIZE") == 0


async def test_an_answer_that_may_hold_personal_data_is_not_kept(worker: Worker, store: Store) -> None:
    asked, _ = await worker.ask(Scripted(live("Call 0170 1234567.")))
    assert decisions(asked, "cache") == ["miss", "not_stored"]
    assert await store.execute("DBSIZE") == 0


def degraded(reply: Reply) -> Reply:
    reply.source = "provider"
    reply.degraded.append("anthropic:unavailable")
    return reply


NOT_STORED: dict[str, Callable[[], Reply]] = {
    "truncated": lambda: live("4", finish_reason="length"),
    "empty": lambda: live(""),
    "of a rung above 0": lambda: degraded(live(rung=GPT)),
    "of a vendor's own ending": lambda: live(finish_reason="pause_turn"),
}


@pytest.mark.parametrize("make", NOT_STORED.values(), ids=NOT_STORED.keys())
async def test_a_lesser_answer_is_not_stored(worker: Worker, store: Store, make: Callable[[], Reply]) -> None:
    inner = Scripted(make(), make())
    await worker.ask(inner)
    await worker.ask(inner)
    assert len(inner.rungs) == 2
    assert await store.execute("DBSIZE") == 0, "and its lease was given back"


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


class Gated:
    """A stream that has these events and does not end before it is told to."""

    def __init__(self, *events: str | Restart) -> None:
        self._gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._given = events
        self.closed = False
        self.reply = Reply(
            source="live", provider=SONNET.provider, model=SONNET.model, events=self._events(), finish_reason="stop"
        )
        self.reply.on_end(self._ended)

    async def _events(self) -> AsyncIterator[Event]:
        for event in self._given:
            yield Delta(event) if isinstance(event, str) else event
        await self._gate

    def _ended(self, _: Reply, outcome: str, error: BaseException | None) -> None:
        self.closed = True

    def finish(self) -> None:
        self._gate.set_result(None)


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


class Slow:
    """An inner chain that answers when told to; each call gets its own words."""

    def __init__(self) -> None:
        self.users: list[str] = []
        self.gates: list[asyncio.Future[Reply]] = []

    async def __call__(self, asked: Ask) -> Reply:
        self.users.append(asked.user)
        self.gates.append(asyncio.get_running_loop().create_future())
        return await self.gates[-1]

    async def called(self, times: int) -> None:
        await until(lambda: len(self.gates) >= times, pause_s=0.001)


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


@pytest.mark.parametrize("stored", [b"[]", b"{}", b"\x80", b'{"text": "4", "from": "the future"}'])
async def test_an_answer_that_cannot_be_read_is_asked_anew_and_replaced(
    worker: Worker, store: Store, stored: bytes
) -> None:
    await worker.ask(Scripted(live("41")))
    [key] = await store.execute("KEYS", "cache:*")
    await store.execute("SET", key, stored, "PX", 86_400_000)
    assert (await worker.ask(Scripted(live("42"))))[1].text == "42"
    assert (await worker.ask(Scripted(live("never"))))[1].text == "42"


async def test_two_workers_make_one_call(store: Store) -> None:
    one, two = Worker(store, SystemClock(), "one"), Worker(store, SystemClock(), "two")
    await one.cache._liveness._beat()
    slow = Slow()
    leader = asyncio.create_task(one.cache(one.new(), slow))
    await slow.called(1)
    asked = two.new()
    follower = asyncio.create_task(two.cache(asked, slow))
    await until(lambda: "wait" in decisions(asked, "cache"), pause_s=0.001)
    slow.gates[0].set_result(live("42"))
    await read(await leader)
    await one.settle.drain()
    reply = await follower
    assert (reply.text, reply.source) == ("42", "shared")
    assert len(slow.users) == 1


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


async def test_a_stale_answer_is_kept_for_the_ladder_and_not_given_as_fresh(worker: Worker, store: Store) -> None:
    await worker.ask(Scripted(live("41")))
    [key] = await store.execute("KEYS", "cache:*")
    await store.execute("PEXPIRE", key, (86_400 - 3600) * 1000 - 1)
    asked = worker.new()
    with pytest.raises(Unavailable):
        await worker.cache(asked, Scripted(Unavailable("down", provider="anthropic")))
    assert asked.stale is not None
    assert asked.stale.text == "41"
    assert asked.stale.age_s == pytest.approx(3600, abs=5)
    await worker.settle.drain()
    _, reply = await worker.ask(Scripted(live("43")))
    assert (reply.text, reply.source) == ("43", "live")
