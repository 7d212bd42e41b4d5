"""Threads and preferences over two workers: order, memory, privacy, and what a turn costs another.

DESIGN, section 4 (turns). Next: ``test_rate_limit.py``.
"""

import asyncio
from typing import Any

import pytest

from tests.answer import Answer
from tests.caller import Caller
from tests.stack import Stack
from tests.waiting import at_once, eventually

from .refusals import problem


async def begin(caller: Caller, text: str = "") -> str:
    """A thread with one turn."""
    answer = await caller.chat(text)
    assert answer.status == 200, answer.body
    thread_id: str = answer.json()["thread_id"]
    return thread_id


async def called(stack: Stack, count: int) -> None:
    """Wait until the ledger has ``count`` calls."""

    async def enough() -> bool:
        return len(await stack.sim.calls()) >= count

    await eventually(enough, f"{count} calls")


async def messages(caller: Caller, thread_id: str) -> list[dict[str, str]]:
    """What was said, oldest first."""
    said: list[dict[str, str]] = (await caller.request("GET", f"/threads/{thread_id}")).json()["messages"]
    return said


@pytest.mark.parametrize("count", [2, 10])
async def test_messages_sent_at_once_follow_each_other_each_with_its_own_answer(stack: Stack, count: int) -> None:
    await stack.sim.latency("anthropic", first_token_ms=40)
    alice = stack.caller()
    thread_id = await begin(alice)
    texts = [f"Remember that locker {n} is painted colour {n * 7}." for n in range(count)]
    answers = await at_once(count, lambda n: alice.chat(texts[n], thread_id=thread_id))
    assert {a.status for a in answers} == {200}
    said = await messages(alice, thread_id)
    assert [m["role"] for m in said] == ["user", "assistant"] * (count + 1)
    pairs = {said[i]["content"]: said[i + 1]["content"] for i in range(2, len(said), 2)}
    assert pairs == {text: answer.json()["answer"] for text, answer in zip(texts, answers, strict=True)}
    calls = (await stack.sim.calls())[1:]
    assert len(calls) == count
    ends = [c["t"] + c["duration_s"] for c in calls]
    assert all(later["t"] >= end - 0.005 for end, later in zip(ends, calls[1:], strict=False))  # one after the other


async def test_streams_sent_at_once_to_one_thread_follow_each_other_too(stack: Stack) -> None:
    await stack.sim.latency("anthropic", per_token_ms=2)
    alice = stack.caller()
    thread_id = await begin(alice)
    streams = await at_once(4, lambda n: alice.stream(f"Remember that door {n} is open.", thread_id=thread_id))
    answers = {events[-1][1]["answer"] for events in streams}
    said = await messages(alice, thread_id)
    assert [m["role"] for m in said] == ["user", "assistant"] * 5
    assert {m["content"] for m in said[3::2]} == answers


async def test_memory_goes_with_the_user_from_worker_to_worker(stack: Stack) -> None:
    alice = stack.caller()
    thread_id = await begin(alice, "My parrot is called Bixby.")
    async with stack.at_each_worker(alice) as everywhere:
        for n in range(6):
            there, elsewhere = everywhere[n % 2], everywhere[1 - n % 2]
            answer = await there.chat(f"Question {n}: what is my parrot called?", thread_id=thread_id)
            assert "Bixby" in answer.json()["answer"]
            assert answer.worker != (await elsewhere.request("GET", f"/threads/{thread_id}")).worker
    assert "Bixby" not in (await alice.chat("What is my parrot called?")).json()["answer"]


async def test_a_thread_of_somebody_else_does_not_exist(stack: Stack) -> None:
    alice = stack.caller()
    tenant = alice.key.split("-")[1]
    thread_id = await begin(alice)
    for other in (stack.caller(tenant, "bob"), stack.caller()):
        refused: list[Answer] = [
            await other.request("GET", f"/threads/{thread_id}"),
            await other.request("DELETE", f"/threads/{thread_id}"),
            await other.chat("What was said?", thread_id=thread_id),
            await other.request("POST", "/chat/stream", {"text": "What was said?", "thread_id": thread_id}),
        ]
        assert all(problem(answer, 404)["code"] == "not_found" for answer in refused)
        assert (await other.request("GET", "/threads")).json() == {"threads": []}
    assert len(await messages(alice, thread_id)) == 2
    assert len(await stack.sim.calls()) == 1


async def test_a_thread_that_never_was_is_404_and_is_not_made(stack: Stack) -> None:
    alice = stack.caller()
    for _ in range(2):
        problem(await alice.chat("hello", thread_id="nowhere"), 404)
    problem(await alice.request("GET", "/threads/nowhere"), 404)
    problem(await alice.request("DELETE", "/threads/nowhere"), 404)
    assert await stack.sim.calls() == []


async def test_threads_are_listed_newest_first_and_forgotten_when_deleted(stack: Stack) -> None:
    alice = stack.caller()
    first, second = await begin(alice), await begin(alice)
    listed = (await alice.request("GET", "/threads")).json()["threads"]
    assert {row["thread_id"] for row in listed} == {first, second}
    assert listed[0]["updated_s"] >= listed[1]["updated_s"]
    gone = await alice.request("DELETE", f"/threads/{first}")
    assert (gone.status, gone.body) == (204, b"")
    listed = (await alice.request("GET", "/threads")).json()["threads"]
    assert [row["thread_id"] for row in listed] == [second]
    problem(await alice.request("GET", f"/threads/{first}"), 404)
    problem(await alice.chat("hello", thread_id=first), 404)


async def test_a_message_that_waits_beyond_its_deadline_for_its_turn_is_409(stack: Stack) -> None:
    alice = stack.caller()
    thread_id = await begin(alice)
    await stack.sim.reset()
    await stack.sim.latency("anthropic", first_token_ms=1800)
    slow = asyncio.create_task(alice.chat("The slow one?", thread_id=thread_id))
    await called(stack, 1)
    late = await alice.chat("The second one?", thread_id=thread_id, headers={"X-Deadline-Ms": "500"})
    assert "still being answered" in problem(late, 409)["detail"]
    assert int(late.headers["retry-after"]) >= 1
    assert late.took_s < 1.5
    assert (await slow).status == 200
    said = await messages(alice, thread_id)
    assert [m["content"] for m in said if m["role"] == "user"][1:] == ["The slow one?"]
    assert len(await stack.sim.calls()) == 1


async def test_a_deadline_in_the_header_lowers_the_wait_for_a_turn_and_never_raises_it(stack: Stack) -> None:
    alice = stack.caller()
    thread_id = await begin(alice)
    await stack.sim.latency("anthropic", per_token_ms=300)
    slow = asyncio.create_task(alice.stream("What is a half-open circuit breaker for?", thread_id=thread_id))
    await called(stack, 2)
    late = await alice.chat("Next?", thread_id=thread_id, route="brief", headers={"X-Deadline-Ms": "60000"})
    problem(late, 409)
    assert late.took_s < 3
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)


async def test_an_answer_that_failed_is_no_turn(stack: Stack) -> None:
    alice = stack.caller()
    thread_id = await begin(alice)
    for target in ("anthropic", "openai"):
        await stack.sim.fault(target, "status", status=503)
    assert (await alice.chat("Is anybody there?", thread_id=thread_id)).status == 503
    await stack.reset()
    await stack.sim.fault("anthropic", "status", status=400)
    assert (await alice.chat("Is this right?", thread_id=thread_id)).status == 400
    await stack.reset()
    assert (await alice.chat("And now?", thread_id=thread_id)).status == 200
    assert [m["content"] for m in (await messages(alice, thread_id))[2::2]] == ["And now?"]


async def prefer(caller: Caller, **body: Any) -> Answer:
    """PUT /preferences."""
    return await caller.request("PUT", "/preferences", body)


async def test_a_preferred_style_reaches_the_model_and_is_part_of_the_caches_key(stack: Stack) -> None:
    alice = stack.caller()
    bob = stack.caller(alice.key.split("-")[1], "bob")
    asked = "In which style does the parrot answer?"
    assert (await alice.chat(asked)).json()["source"] == "live"
    assert (await bob.chat(asked)).json()["source"] == "cache"  # one tenant, one style
    assert (await prefer(alice, style="like a parrot in a comedy")).json() == {
        "route": None,
        "style": "like a parrot in a comedy",
    }
    styled = (await alice.chat(asked)).json()
    assert styled["source"] == "live"
    assert "like a parrot in a comedy" in styled["answer"]
    assert (await bob.chat(asked)).json()["source"] == "cache"
    await prefer(alice)
    assert (await alice.request("GET", "/preferences")).json() == {"route": None, "style": None}
    assert (await alice.chat(asked)).json()["source"] == "cache"


async def test_a_preferred_route_is_taken_unless_the_request_names_one(stack: Stack) -> None:
    alice = stack.caller()
    assert (await prefer(alice, route="economy")).status == 200
    assert (await alice.request("GET", "/preferences")).json() == {"route": "economy", "style": None}
    assert (await alice.chat()).json()["model"] == "gpt-5.4-mini"
    assert (await alice.chat(route="default")).json()["model"] == "claude-opus-4-7"


async def test_an_unknown_route_is_refused_where_it_is_named(stack: Stack) -> None:
    alice = stack.caller()
    assert "'fast'" in problem(await prefer(alice, route="fast"), 422)["detail"]
    assert "economy" in problem(await alice.chat(route="fast"), 404)["detail"]
    assert (await alice.request("GET", "/preferences")).json() == {"route": None, "style": None}


async def test_a_message_whose_sender_left_while_it_waited_for_its_turn_is_neither_asked_nor_kept(stack: Stack) -> None:
    alice = stack.caller()
    thread_id = await begin(alice)
    await stack.sim.latency("anthropic", first_token_ms=1000)
    slow = asyncio.create_task(alice.chat("The first one?", thread_id=thread_id))
    await called(stack, 2)
    leaving = asyncio.create_task(alice.chat("The one who leaves?", thread_id=thread_id))
    await asyncio.sleep(0.4)
    leaving.cancel()
    assert (await slow).status == 200
    await stack.sim.latency("anthropic")
    assert (await alice.chat("The last one?", thread_id=thread_id)).status == 200
    said = [m["content"] for m in await messages(alice, thread_id) if m["role"] == "user"]
    assert said[1:] == ["The first one?", "The last one?"]
    assert len(await stack.sim.calls()) == 3


async def test_a_thread_that_was_not_begun_has_no_id(stack: Stack) -> None:
    for target in ("anthropic", "openai"):
        await stack.sim.fault(target, "status", status=503)
    alice = stack.caller()
    answer = await alice.chat("Is anybody there?")
    assert (answer.status, answer.json()["thread_id"]) == (503, None)
    assert (await alice.request("GET", "/threads")).json() == {"threads": []}
