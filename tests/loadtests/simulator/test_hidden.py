"""Hidden faults: they act like any other, and only who asks for hidden ones is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dashboard.feed.faults import Windows

from .lab import Lab, user

CHEAP = {"model": "fake-small", "max_tokens": 1, "messages": [user("hi")]}
HIDDEN: dict[str, Any] = {"hidden": True, "params": {"status": 503}}


async def events(lab: Lab, since: int = 0, *, hidden: bool = False) -> dict[str, Any]:
    told: dict[str, Any] = await lab.control("GET", f"/sim/events?since={since}{'&hidden=1' * hidden}")
    return told


async def last_seqs(lab: Lab) -> tuple[int, int]:
    return (await events(lab))["last_seq"], (await events(lab, hidden=True))["last_seq"]


async def test_a_hidden_fault_breaks_calls_and_is_in_no_open_answer(lab: Lab) -> None:
    before, state_before = await events(lab), await lab.control("GET", "/sim/state")
    assert (await lab.fault("anthropic", "status", **HIDDEN))["hidden"] is True
    assert (await lab.messages(CHEAP))[0] == 503
    assert await events(lab) == before
    state = await lab.control("GET", "/sim/state")
    same = {"plan", "active", "seed", "quotas", "latency", "ports", "started_t"}
    assert {name: state[name] for name in same} == {name: state_before[name] for name in same}
    assert state["plan"] == []


async def test_who_asks_for_hidden_ones_is_told_the_fault_and_its_window_with_times(lab: Lab) -> None:
    _, since = await last_seqs(lab)
    await lab.fault("anthropic", "status", for_s=0.4, **HIDDEN)
    state = await lab.control("GET", "/sim/state?hidden=1")
    assert [fault["fault"] for fault in state["active"]] == ["status"]
    assert state["plan"] == state["active"]
    async with asyncio.timeout(20):
        while (await lab.messages(CHEAP))[0] == 503:
            pass
    started, ended = (await events(lab, since, hidden=True))["events"]
    assert [(e["event"], e["reason"]) for e in (started, ended)] == [("started", "plan"), ("ended", "window")]
    assert 0.35 < ended["t"] - started["t"] < 5
    assert started["fault"]["hidden"] is True
    assert started["fault"]["index"] == ended["fault"]["index"]


async def test_a_hidden_fault_ends_only_when_hidden_ones_are_to_end(lab: Lab) -> None:
    await lab.fault("anthropic", "status", **HIDDEN)
    await lab.fault("anthropic", "status", params={"status": 500})
    assert await lab.control("DELETE", "/sim/faults") == {"ended": 1}
    assert await lab.control("DELETE", "/sim/faults?hidden=0") == {"ended": 0}
    assert (await lab.messages(CHEAP))[0] == 503
    assert await lab.control("DELETE", "/sim/faults?target=openai&hidden=1") == {"ended": 0}
    assert await lab.control("DELETE", "/sim/faults?target=anthropic&hidden=1") == {"ended": 1}
    assert (await lab.messages(CHEAP))[0] == 200


async def test_a_new_plan_ends_hidden_faults_too_also_those_that_wait(lab: Lab) -> None:
    await lab.fault("anthropic", "status", **HIDDEN)
    await lab.fault("anthropic", "status", at_s=3600, **HIDDEN)
    await lab.control("PUT", "/sim/timeline", {"faults": []})
    assert (await lab.messages(CHEAP))[0] == 200
    state = await lab.control("GET", "/sim/state?hidden=1")
    assert (state["plan"], state["active"]) == ([], [])


async def test_a_plan_may_have_hidden_faults_and_its_answer_shows_what_was_given(lab: Lab) -> None:
    seen = {"target": "openai", "fault": "status", "at_s": 900}
    given = await lab.control(
        "PUT", "/sim/timeline", {"faults": [{**seen, "target": "anthropic", "at_s": 0, **HIDDEN}, seen]}
    )
    assert [(planned["target"], planned["state"]) for planned in given["plan"]] == [
        ("anthropic", "active"),
        ("openai", "pending"),
    ]
    assert (await lab.messages(CHEAP))[0] == 503
    assert [planned["target"] for planned in (await lab.control("GET", "/sim/state"))["plan"]] == ["openai"]


async def test_neither_event_numbers_nor_indices_have_a_gap_where_something_hidden_happened(lab: Lab) -> None:
    first, first_of_all = await last_seqs(lab)
    for hidden in (False, True, True, False):
        await lab.fault("anthropic", "status", hidden=hidden, times=1, params={"status": 500})
        await lab.messages(CHEAP)
    told, whole = await events(lab, first), await events(lab, first_of_all, hidden=True)
    assert [event["seq"] for event in told["events"]] == [first + n for n in (1, 2, 3, 4)]
    assert told["last_seq"] == first + 4
    assert [event["fault"]["index"] for event in told["events"]] == [0, 0, 1, 1]
    assert not any("hidden" in event["fault"] for event in told["events"])
    assert [event["seq"] for event in whole["events"]] == [first_of_all + n for n in range(1, 9)]
    assert whole["last_seq"] == first_of_all + 8
    assert len({event["fault"]["index"] for event in whole["events"]}) == 4


async def test_the_first_fault_of_the_plan_wins_be_it_hidden_or_not(lab: Lab) -> None:
    for status, hidden in ((500, True), (501, True), (502, False), (503, True)):
        await lab.fault("anthropic", "status", hidden=hidden, times=1, params={"status": status})
    assert [(await lab.messages(CHEAP))[0] for _ in range(5)] == [500, 501, 502, 503, 200]


async def test_hidden_or_not_the_same_requests_are_hit(lab: Lab) -> None:
    ids, runs = [f"request-{n}" for n in range(60)], []
    for hidden in (False, True):
        fault = {"target": "anthropic", "fault": "status", "share": 0.4, "hidden": hidden}
        await lab.control("PUT", "/sim/timeline", {"seed": 5, "faults": [fault]})
        runs.append([(await lab.messages(CHEAP, **{"X-Request-ID": request_id}))[0] for request_id in ids])
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 2


async def test_a_hidden_refusal_closes_the_listener(lab: Lab) -> None:
    await lab.fault("anthropic", "refused", hidden=True)
    await lab.control("DELETE", "/sim/faults")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", lab.ports["anthropic"])
    await lab.control("DELETE", "/sim/faults?hidden=1")
    assert (await lab.messages(CHEAP))[0] == 200


async def test_a_reader_that_follows_sees_every_visible_window_and_no_other(lab: Lab) -> None:
    windows = Windows()
    windows.take(await events(lab), 0.0)
    begun, seqs = len(windows.bands), [windows.last_seq]
    for hidden in (True, False, True, False, False, True):
        await lab.fault("openai", "hang", hidden=hidden)
        windows.take(await events(lab, windows.last_seq), 0.0)
        await lab.control("DELETE", "/sim/faults?hidden=1")
        windows.take(await events(lab, windows.last_seq), 0.0)
        seqs.append(windows.last_seq)
    assert seqs == sorted(seqs)
    assert len(windows.bands) - begun == 3
    assert all(band.end is not None for band in windows.bands)


@pytest.mark.parametrize(
    ("method", "path", "says"),
    [
        ("GET", "/sim/events?hidden=yes", "expected 1"),
        ("GET", "/sim/state?hidden=", "expected 1"),
        ("DELETE", "/sim/faults?hidden=true", "expected 1"),
        ("GET", "/sim/events?hiden=1", "since, hidden"),
        ("GET", "/sim/ledger?hidden=1", "allowed here: since"),
        ("POST", "/sim/faults?hidden=1", "there is none here"),
        ("PUT", "/sim/timeline?hidden=1", "there is none here"),
    ],
)
async def test_a_wrong_use_of_hidden_is_refused_and_nothing_changes(
    lab: Lab, method: str, path: str, says: str
) -> None:
    await lab.fault("openai", "hang", hidden=True)
    problem = await lab.control(method, path, {"target": "openai", "fault": "hang"}, expect=400)
    assert says in problem["detail"]
    assert len((await lab.control("GET", "/sim/state?hidden=1"))["active"]) == 1


async def test_hidden_is_a_boolean(lab: Lab) -> None:
    fault = {"target": "openai", "fault": "hang", "hidden": "yes"}
    assert "hidden" in (await lab.control("POST", "/sim/faults", fault, expect=422))["detail"]
