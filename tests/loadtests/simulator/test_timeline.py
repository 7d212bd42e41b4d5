"""Plans: windows, times, shares that repeat at any concurrency, matches, and the history of it all."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any

import pytest

from loadtests.simulator.latency import Latency

from .lab import CLAUDE, GPT, QUESTION, Lab, user

CHEAP = {"model": "fake-small", "max_tokens": 1, "messages": [user("hi")]}


async def statuses(lab: Lab, ids: list[str], at_once: int, attempt: int = 1) -> dict[str, int]:
    """Ask once per request id, `at_once` calls at a time; return the status of each."""
    gate, got = asyncio.Semaphore(at_once), {}

    async def ask(request_id: str) -> None:
        async with gate:
            status, _, _ = await lab.messages(CHEAP, **{"X-Request-ID": request_id, "X-Attempt": str(attempt)})
            got[request_id] = status

    await asyncio.gather(*map(ask, ids))
    return got


async def test_shares_hit_the_same_requests_at_any_concurrency(lab: Lab) -> None:
    ids = [str(uuid.uuid5(uuid.NAMESPACE_URL, str(n))) for n in range(120)]
    plan = {
        "seed": 11,
        "faults": [
            {"target": "anthropic", "fault": "status", "share": 0.3, "params": {"status": 503}},
            {"target": "anthropic", "fault": "status", "share": 0.5, "params": {"status": 429}},
        ],
    }
    runs = []
    for at_once, order in ((1, ids), (50, ids[::-1])):
        await lab.control("PUT", "/sim/timeline", plan)
        runs.append(await statuses(lab, order, at_once))
    assert runs[0] == runs[1]
    counts = {status: list(runs[0].values()).count(status) for status in (503, 429, 200)}
    assert all(18 <= count <= 66 for count in counts.values()), counts

    await lab.control("PUT", "/sim/timeline", {**plan, "seed": 12})
    assert await statuses(lab, ids, 50) != runs[0]
    await lab.control("PUT", "/sim/timeline", plan)
    assert await statuses(lab, ids, 50, attempt=2) != runs[0]


async def test_whom_a_share_hits_does_not_depend_on_what_else_was_planned(lab: Lab) -> None:
    ids = [str(uuid.uuid5(uuid.NAMESPACE_URL, str(n))) for n in range(80)]
    fault: dict[str, Any] = {"share": 0.3, "params": {"status": 503}}
    runs = []
    for _ in range(2):
        await lab.fault("openai", "hang")
        await lab.fault("anthropic", "status", **fault)
        runs.append(await statuses(lab, ids, 40))
        await lab.control("DELETE", "/sim/faults")
    assert runs[0] == runs[1]
    await lab.fault("anthropic", "status", **{**fault, "share": 0.6})
    more = await statuses(lab, ids, 40)
    hit = [{name for name, status in run.items() if status == 503} for run in (runs[0], more)]
    assert hit[0] < hit[1], "a larger share hits the same and more"
    await lab.fault("anthropic", "status", **{**fault, "share": 0.6})
    both = await statuses(lab, ids, 40)
    assert list(both.values()).count(503) > list(more.values()).count(503), "two that overlap draw independently"


async def test_retries_of_an_sdk_are_attempts_of_their_own(lab: Lab) -> None:
    await lab.fault("anthropic", "status", times=2, params={"status": 503, "retry_after_ms": 1})
    sdk = lab.anthropic().with_options(max_retries=3)
    await sdk.messages.create(model="fake-small", max_tokens=1, messages=[user("hi")])
    assert [row["attempt"] for row in await lab.rows(3)] == [1, 2, 3]


async def test_without_a_request_id_the_body_is_the_identity(lab: Lab) -> None:
    bodies = [{**CHEAP, "messages": [user(f"hi {n}")]} for n in range(40)]
    plan = {"faults": [{"target": "anthropic", "fault": "status", "share": 0.5, "params": {"status": 500}}]}
    runs = []
    for _ in range(2):
        await lab.control("PUT", "/sim/timeline", plan)
        runs.append([(await lab.messages(body))[0] for body in bodies])
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 500}


async def test_times_hits_the_first_n_matching_calls_only(lab: Lab) -> None:
    await lab.fault("anthropic", "status", times=2, params={"status": 503})
    assert [(await lab.messages(CHEAP))[0] for _ in range(4)] == [503, 503, 200, 200]
    state = await lab.control("GET", "/sim/state")
    assert (state["plan"][0]["state"], state["plan"][0]["hits"], state["active"]) == ("ended", 2, [])


async def test_the_first_fault_of_the_plan_wins(lab: Lab) -> None:
    await lab.fault("anthropic", "status", times=1, params={"status": 500})
    await lab.fault("anthropic", "status", times=1, params={"status": 502})
    assert [(await lab.messages(CHEAP))[0] for _ in range(3)] == [500, 502, 200]


async def test_a_match_selects_by_model_and_by_stream(lab: Lab) -> None:
    await lab.fault("openai", "status", match={"model": GPT, "stream": True}, params={"status": 500})
    asks: list[tuple[dict[str, Any], int]] = [
        ({"model": GPT, "messages": [user(QUESTION)], "stream": True}, 500),
        ({"model": GPT, "messages": [user(QUESTION)]}, 200),
        ({"model": "fake-small", "messages": [user(QUESTION)]}, 200),
    ]
    for body, status in asks:
        assert (await lab.chat(body))[0] == status


async def test_a_fault_of_one_target_leaves_the_others_alone(lab: Lab) -> None:
    await lab.fault("anthropic", "status", params={"status": 500})
    assert (await lab.chat())[0] == 200


async def test_a_window_opens_and_closes_by_itself(lab: Lab) -> None:
    before = (await lab.control("GET", "/sim/events"))["last_seq"]
    fault = {"target": "anthropic", "fault": "status", "at_s": 0.3, "for_s": 0.5, "params": {"status": 503}}
    await lab.control("PUT", "/sim/timeline", {"seed": 3, "faults": [fault]})
    seen: list[int] = []
    async with asyncio.timeout(20):
        while not seen or seen[-1] == 503 or 503 not in seen:
            seen.append((await lab.messages(CHEAP))[0])
    assert seen[0] == 200
    events = (await lab.control("GET", f"/sim/events?since={before}"))["events"]
    assert [(event["event"], event["reason"]) for event in events] == [("started", "plan"), ("ended", "window")]
    started, ended = events
    assert 0.45 < ended["t"] - started["t"] < 5
    assert started["fault"]["params"] == {"status": 503}
    assert started["fault"]["target"] == "anthropic"
    state = await lab.control("GET", "/sim/state")
    assert state["seed"] == 3
    assert started["t"] - state["started_t"] >= 0.25


async def test_refused_closes_the_listener_and_opens_it_again(lab: Lab) -> None:
    assert (await lab.messages(CHEAP))[0] == 200
    idle_reader, idle_writer = await asyncio.open_connection("127.0.0.1", lab.ports["anthropic"])
    await lab.fault("anthropic", "refused", for_s=0.8)
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(idle_reader.read(), 10)
    idle_writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", lab.ports["anthropic"])
    assert (await lab.chat())[0] == 200
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", lab.ports["anthropic"])
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                break
    assert (await lab.messages(CHEAP))[0] == 200
    assert [row["target"] for row in await lab.rows(3)] == ["anthropic", "openai", "anthropic"]


async def test_refused_ends_when_it_is_deleted_and_can_come_back_at_once(lab: Lab) -> None:
    for _ in range(5):
        await lab.fault("openai", "refused")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", lab.ports["openai"])
        assert await lab.control("DELETE", "/sim/faults?target=openai") == {"ended": 1}
        assert (await lab.chat())[0] == 200


async def test_refused_lets_a_call_in_flight_end(lab: Lab) -> None:
    await lab.latency("anthropic", first_token_ms=450)
    call = asyncio.create_task(lab.messages(CHEAP))
    await lab.pending(1)
    await lab.fault("anthropic", "refused")
    assert (await call)[0] == 200
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", lab.ports["anthropic"])


async def test_two_refused_targets_share_the_retrieval_listener(lab: Lab) -> None:
    await lab.fault("embeddings", "refused")
    await lab.fault("rerank", "refused")
    await lab.control("DELETE", "/sim/faults?target=rerank")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", lab.ports["retrieval"])
    await lab.control("DELETE", "/sim/faults")
    _, writer = await asyncio.open_connection("127.0.0.1", lab.ports["retrieval"])
    writer.close()


async def test_a_new_plan_ends_the_old_one(lab: Lab) -> None:
    await lab.fault("anthropic", "status", params={"status": 500})
    await lab.fault("openai", "status", at_s=3600, params={"status": 500})
    await lab.control("PUT", "/sim/timeline", {"faults": []})
    assert (await lab.messages(CHEAP))[0] == 200
    state = await lab.control("GET", "/sim/state")
    assert (state["plan"], state["active"]) == ([], [])
    assert abs(state["now"] - time.time()) < 60


async def test_latency_is_drawn_from_seed_and_request(lab: Lab) -> None:
    ids = [f"request-{n}" for n in range(8)]
    await lab.latency("anthropic", first_token_ms=20, sigma=1.2)
    await statuses(lab, ids, at_once=8)
    latency = Latency(first_token_ms=20, sigma=1.2)
    drawn_s = {request_id: latency.draw(7, request_id, 1)[0] for request_id in ids}
    assert max(drawn_s.values()) > 2 * min(drawn_s.values())
    for row in await lab.rows(8):
        assert row["duration_s"] >= drawn_s[row["request_id"]] - 0.003


async def test_latency_is_first_token_and_tokens(lab: Lab) -> None:
    await lab.latency("anthropic", first_token_ms=100, per_token_ms=5)
    await lab.messages({"model": CLAUDE, "max_tokens": 20, "messages": [user(QUESTION)]})
    assert (await lab.row())["duration_s"] >= 0.195
