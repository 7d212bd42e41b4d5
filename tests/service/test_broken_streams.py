"""Streams that break after their first token, at the ledger: never a truncated answer as complete.

Every fault of a stream, on both wires, under each policy of a route. DESIGN, section 2 (broken streams). Next:
``test_callers_faults.py``.
"""

import uuid
from typing import Any

import pytest

from tests.caller import Caller
from tests.stack import Stack
from tests.waiting import at_once, eventually

BREAKS = {
    "cut": "stream_broken",
    "stream_error": "stream_broken",
    "malformed_chunk": "stream_broken",
    "truncate": "stream_broken",
    "stall": "timed_out",
    "stall_pings": "timed_out",
}
"""Fault, and the reason that the client reads."""

PRIMARIES = {"anthropic": "", "openai": "_openai_first"}
"""Provider of the first rung, and how the routes that begin with it end."""

faults = pytest.mark.parametrize("fault", BREAKS)
primaries = pytest.mark.parametrize("primary", PRIMARIES)
Events = list[tuple[str, Any]]


def question() -> str:
    """One that nobody asked before."""
    return f"What does note {uuid.uuid4().hex} say about streams that break?"


def names(events: Events) -> list[str]:
    """The events' names, runs of deltas as one."""
    found = [name for name, _ in events]
    return [name for i, name in enumerate(found) if name != "delta" or found[i - 1] != "delta" or i == 0]


def text(events: Events) -> str:
    """What a client holds at the end: the deltas since the last restart."""
    held = ""
    for name, data in events:
        if name == "restart":
            held = ""
        elif name == "delta":
            held += data["text"]
    return held


async def whole(stack: Stack, asked: str, route: str) -> str:
    """The answer of a healthy run: the same for every tenant."""
    answer: str = (await stack.caller().stream(asked, route=route))[-1][1]["answer"]
    await stack.sim.reset()
    return answer


async def failures(stack: Stack, provider: str) -> int:
    """Failures in a row, as one worker knows them."""
    rows = (await stack.admin.request("GET", "/admin/breakers")).json()["breakers"]
    return int(next(row["failures"] for row in rows if row["provider"] == provider))


async def begin_thread(caller: Caller) -> str:
    """A thread with one turn."""
    thread_id: str = (await caller.chat()).json()["thread_id"]
    return thread_id


async def length(caller: Caller, thread_id: str) -> int:
    """Messages in the thread."""
    return len((await caller.request("GET", f"/threads/{thread_id}")).json()["messages"])


@primaries
@faults
async def test_restart_drops_the_broken_part_and_the_next_rung_answers_whole(
    stack: Stack, fault: str, primary: str
) -> None:
    route, asked, alice = "restart" + PRIMARIES[primary], question(), stack.caller()
    healthy = await whole(stack, asked, route)
    await stack.sim.fault(primary, fault)
    events = await alice.stream(asked, route=route)
    assert names(events) == ["delta", "restart", "delta", "done"]
    done = events[-1][1]
    assert done["answer"] == text(events) == healthy
    assert dict(events)["restart"] == {"reason": BREAKS[fault]}
    assert (done["source"], done["degraded"]) == ("provider", [f"{primary}:{BREAKS[fault]}"])
    assert done["provider"] != primary
    calls = await stack.sim.calls()
    assert [(c["target"] == primary, c["attempt"]) for c in calls] == [(True, 1), (False, 2)]
    await eventually(lambda: _is(failures(stack, primary), 1), "the breaker to hear of it")
    assert await length(alice, done["thread_id"]) == 2


@primaries
@faults
async def test_error_ends_the_stream_with_a_clear_error_and_forgets_the_turn(
    stack: Stack, fault: str, primary: str
) -> None:
    route, alice = "error" + PRIMARIES[primary], stack.caller()
    thread_id = await begin_thread(alice)
    await stack.sim.reset()
    await stack.sim.fault(primary, fault, match={"stream": True})
    events = await alice.stream(route=route, thread_id=thread_id)
    assert names(events) == ["delta", "error"]
    problem = events[-1][1]
    assert problem["code"] == BREAKS[fault]
    assert {"type", "title", "status", "detail", "request_id"} <= set(problem)
    assert [c["target"] for c in await stack.sim.calls()] == [primary]
    await eventually(lambda: _is(failures(stack, primary), 1), "the breaker to hear of it")
    assert await length(alice, thread_id) == 2
    assert (await alice.chat(thread_id=thread_id)).status == 200  # the thread is free again
    assert await length(alice, thread_id) == 4


@primaries
@faults
async def test_buffer_shows_nothing_of_the_broken_answer(stack: Stack, fault: str, primary: str) -> None:
    route, asked = "buffer" + PRIMARIES[primary], question()
    healthy = await whole(stack, asked, route)
    await stack.sim.fault(primary, fault)
    events = await stack.caller().stream(asked, route=route)
    assert names(events) == ["delta", "done"]
    done = events[-1][1]
    assert done["answer"] == text(events) == healthy
    assert (done["source"], done["degraded"]) == ("provider", [f"{primary}:{BREAKS[fault]}"])
    await eventually(lambda: _is(failures(stack, primary), 1), "the breaker to hear of it")


@primaries
@faults
async def test_on_openais_surface_restart_becomes_a_clear_error_without_done(
    stack: Stack, fault: str, primary: str
) -> None:
    body = {
        "model": "restart" + PRIMARIES[primary],
        "stream": True,
        "messages": [{"role": "user", "content": question()}],
    }
    await stack.sim.fault(primary, fault)
    events = await stack.caller().events("/v1/chat/completions", body)
    assert any(data["choices"][0]["delta"].get("content") for _, data in events[:-1])
    assert all(data["choices"][0]["finish_reason"] is None for _, data in events[:-1])
    assert events[-1][1]["error"]["code"] == BREAKS[fault]
    assert "[DONE]" not in [data for _, data in events]
    assert [c["target"] for c in await stack.sim.calls()] == [primary]


@faults
async def test_five_broken_streams_open_the_circuit(stack: Stack, fault: str) -> None:
    await stack.sim.fault("anthropic", fault)
    callers = [stack.caller() for _ in range(5)]
    await at_once(5, lambda n: callers[n].stream(route="restart"))

    async def opened() -> bool:
        return (await stack.breakers())["anthropic"] == "open"

    await eventually(opened, "the circuit to open")
    spared = await stack.caller().stream(route="restart")
    assert spared[-1][1]["degraded"] == ["anthropic:circuit_open"]
    assert len(await stack.sim.calls("anthropic")) == 5


async def test_streams_broken_on_every_rung_end_in_the_honest_message_and_no_memory(stack: Stack) -> None:
    alice = stack.caller()
    for target in ("anthropic", "openai"):
        await stack.sim.fault(target, "cut")
    events = await alice.stream(route="restart")
    assert names(events) == ["delta", "restart", "delta", "restart", "delta", "done"]
    done = events[-1][1]
    assert done["source"] == "message"
    assert done["answer"] == text(events)
    assert done["degraded"] == ["anthropic:stream_broken", "openai:stream_broken"]
    assert (await alice.request("GET", f"/threads/{done['thread_id']}")).status == 404


async def test_a_broken_stream_is_never_cached(stack: Stack) -> None:
    asked, alice = question(), stack.caller()
    for fault, route in (("cut", "restart"), ("truncate", "error"), ("stall", "buffer")):
        await stack.sim.fault("anthropic", fault)
        await alice.stream(asked, route=route)
        await stack.reset()
        again = (await alice.stream(asked, route=route))[-1][1]
        assert (again["source"], again["degraded"]) == ("live", [])


BAD_ANSWERS = [
    *({"fault": "bad_body", "kind": kind} for kind in ("html", "empty", "truncated_json", "missing_fields")),
    {"fault": "bad_body", "kind": "empty_content"},
    {"fault": "cut"},
    {"fault": "truncate"},
    {"fault": "malformed_chunk"},
]


@primaries
@pytest.mark.parametrize("bad", BAD_ANSWERS, ids=lambda bad: bad.get("kind", bad["fault"]))
async def test_a_200_that_is_no_answer_is_asked_again(stack: Stack, bad: dict[str, str], primary: str) -> None:
    asked, route = question(), "restart" + PRIMARIES[primary]
    healthy = await whole(stack, asked, route)
    await stack.sim.fault(primary, times=1, **bad)
    body = (await stack.caller().chat(asked, route=route)).json()
    assert (body["answer"], body["source"], body["degraded"]) == (healthy, "live", [])
    assert [c["attempt"] for c in await stack.sim.calls(primary)] == [1, 2]


async def _is(value: Any, wanted: int) -> bool:
    return bool(await value == wanted)
