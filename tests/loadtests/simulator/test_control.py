"""The control API says clearly what it does not take, and changes nothing then."""

from __future__ import annotations

from typing import Any

import pytest

from .lab import Lab

FAULT = {"target": "anthropic", "fault": "hang"}


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"target": "anthropic", "fault": "explode"}, ["fault", "explode", "stall_pings", "charge_then_drop"]),
        ({"target": "mars", "fault": "hang"}, ["target", "mars", "openai", "rerank"]),
        ({"fault": "hang"}, ["target", "required"]),
        ({**FAULT, "at_s": "soon"}, ["at_s", "soon"]),
        ({**FAULT, "for_s": 0}, ["for_s"]),
        ({**FAULT, "share": 1.5}, ["share"]),
        ({**FAULT, "times": 0}, ["times"]),
        ({**FAULT, "times": True}, ["times"]),
        ({**FAULT, "match": {"colour": "red"}}, ["match.colour", "unknown"]),
        ({**FAULT, "match": {"stream": "yes"}}, ["match.stream"]),
        ({**FAULT, "params": {"status": 500}}, ["hang takes no params", "status"]),
        ({**FAULT, "surprise": 1}, ["surprise", "unknown"]),
        ({"target": "openai", "fault": "status", "params": {"status": "500"}}, ["params.status", "500"]),
        ({"target": "openai", "fault": "status", "params": {"status": 200}}, ["params.status"]),
        ({"target": "openai", "fault": "status", "params": {"kind": "odd"}}, ["params.kind", "odd", "rate_limit"]),
        ({"target": "openai", "fault": "status", "params": {"retry_after": "a\nb"}}, ["params.retry_after"]),
        ({"target": "openai", "fault": "cut", "params": {"fraction": 2}}, ["params.fraction"]),
        ({"target": "openai", "fault": "bad_body", "params": {"kind": "x"}}, ["params.kind", "empty_content"]),
        ({"target": "openai", "fault": "charge_then_drop"}, ["payments"]),
        ({"target": "openai", "fault": "refused", "times": 2}, ["refused", "times"]),
        ([], ["object", "dictionary"]),
    ],
)
async def test_a_wrong_fault_is_refused_with_the_reason(lab: Lab, fault: Any, says: list[str]) -> None:
    seq = (await lab.control("GET", "/sim/events"))["last_seq"]
    problem = await lab.control("POST", "/sim/faults", fault, expect=422)
    assert problem["status"] == 422
    if isinstance(fault, dict):
        assert all(word in problem["detail"] for word in says), problem
    plan = await lab.control("PUT", "/sim/timeline", {"faults": [FAULT, fault]}, expect=422)
    assert "faults.1" in plan["detail"]
    state = await lab.control("GET", "/sim/state")
    assert state["plan"] == []
    assert (await lab.control("GET", "/sim/events"))["last_seq"] == seq


async def test_problems_have_their_own_content_type(lab: Lab) -> None:
    async with lab.http.put(lab.url("control", "/sim/timeline"), data=b"{nonsense") as response:
        assert (response.status, response.content_type) == (400, "application/problem+json")
        assert "not JSON" in (await response.json(content_type=None))["detail"]


async def test_unknown_paths_and_methods_name_what_there_is(lab: Lab) -> None:
    assert "/sim/ledger" in (await lab.control("GET", "/sim/nothing", expect=404))["detail"]
    problem = await lab.control("POST", "/sim/timeline", {}, expect=405)
    assert "PUT" in problem["detail"]


@pytest.mark.parametrize("path", ["/sim/ledger?since=x", "/sim/ledger?since=-1", "/sim/events?since=1.5"])
async def test_a_since_that_is_no_number_is_refused(lab: Lab, path: str) -> None:
    assert "since" in (await lab.control("GET", path, expect=400))["detail"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/sim/faults?traget=openai"),
        ("DELETE", "/sim/faults?target="),
        ("GET", "/sim/ledger?from=3"),
        ("GET", "/sim/ledger?since="),
        ("GET", "/sim/state?since=3"),
    ],
)
async def test_a_parameter_that_is_mistyped_or_empty_is_refused_and_nothing_ends(
    lab: Lab, method: str, path: str
) -> None:
    await lab.fault("openai", "hang")
    await lab.control(method, path, expect=400)
    assert len((await lab.control("GET", "/sim/state"))["active"]) == 1


async def test_a_delete_for_an_unknown_target_is_refused(lab: Lab) -> None:
    assert "mars" in (await lab.control("DELETE", "/sim/faults?target=mars", expect=400))["detail"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/sim/latency", {"target": "openai", "first_token_ms": -1}, "first_token_ms"),
        ("/sim/latency", {"target": "openai", "first_token_ms": "fast"}, "first_token_ms"),
        ("/sim/latency", {"target": "openai", "sigma": 9}, "sigma"),
        ("/sim/latency", {"target": "moon", "sigma": 0}, "target"),
        ("/sim/quota", {"target": "openai", "requests_per_min": 0}, "requests_per_min"),
        ("/sim/quota", {"target": "openai", "tokens_per_min": 1.5}, "tokens_per_min"),
        ("/sim/quota", {"requests_per_min": 5}, "target"),
    ],
)
async def test_wrong_latencies_and_quotas_are_refused(lab: Lab, path: str, body: dict[str, Any], field: str) -> None:
    before = await lab.control("GET", "/sim/state")
    problem = await lab.control("PUT", path, body, expect=422)
    assert problem["errors"][0]["field"] == field
    after = await lab.control("GET", "/sim/state")
    assert (before["latency"], before["quotas"]) == (after["latency"], after["quotas"])


async def test_the_state_tells_everything_that_was_set(lab: Lab) -> None:
    await lab.control("PUT", "/sim/latency", {"target": "openai", "first_token_ms": 5, "sigma": 0.5})
    await lab.control("PUT", "/sim/quota", {"target": "openai", "requests_per_min": 100})
    await lab.control("PUT", "/sim/timeline", {"seed": 42, "faults": [FAULT, {**FAULT, "at_s": 900}]})
    state = await lab.control("GET", "/sim/state")
    assert state["latency"]["openai"] == {"first_token_ms": 5, "per_token_ms": 0, "sigma": 0.5}
    assert state["quotas"]["openai"]["requests_per_min"] == 100
    assert state["seed"] == 42
    assert [planned["state"] for planned in state["plan"]] == ["active", "pending"]
    assert [planned["index"] for planned in state["active"]] == [0]
    assert state["clock_s"] >= 0
    assert state["ports"] == lab.ports
    assert (await lab.control("GET", "/sim/health"))["status"] == "ok"
