"""What every answer carries: identity, the path it took, what it cost, and what of the request was not used.

DESIGN, section 4. Next: ``test_rate_limit.py``.
"""

import re
import uuid
from collections import Counter
from typing import Any

import pytest

from service.listener import PER_WORKER
from tests.caller import Caller
from tests.stack import Stack
from tests.waiting import at_once, eventually

from .refusals import problem

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
Path = list[dict[str, Any]]


async def explained(caller: Caller, text: str, **more: Any) -> dict[str, Any]:
    """A chat with its path."""
    body: dict[str, Any] = (await caller.request("POST", "/chat?explain=1", {"text": text, **more})).json()
    return body


def decisions(path: Path) -> list[tuple[str, str]]:
    """Stage and decision of each step."""
    return [(row["stage"], row["decision"]) for row in path]


async def test_a_request_id_that_is_a_uuid_goes_all_the_way_and_any_other_is_replaced(stack: Stack) -> None:
    alice, mine = stack.caller(), str(uuid.uuid4())
    answer = await alice.chat(headers={"X-Request-ID": mine})
    assert (answer.headers["x-request-id"], answer.json()["request_id"]) == (mine, mine)
    assert [c["request_id"] for c in await stack.sim.calls()] == [mine]
    for other in ("mine", "' OR 1=1", "", "1" * 3000):
        given = (await alice.chat(headers={"X-Request-ID": other})).headers["x-request-id"]
        assert str(uuid.UUID(given)) == given
        assert given != other
    refused = await alice.chat("", headers={"X-Request-ID": mine, "X-Deadline-Ms": "no"})
    assert problem(refused, 400)["request_id"] == mine


async def test_a_trace_is_continued_and_a_bad_one_replaced(stack: Stack) -> None:
    alice = stack.caller()
    for flags in ("00", "01"):
        given = f"00-{TRACE}-00f067aa0ba902b7-{flags}"
        sent = TRACEPARENT.fullmatch((await alice.chat(headers={"traceparent": given})).headers["traceparent"])
        assert sent is not None
        assert (sent[1], sent[3]) == (TRACE, flags)
        assert sent[2] != "00f067aa0ba902b7"
    for bad in ("", "nonsense", f"00-{'0' * 32}-00f067aa0ba902b7-01", f"00-{TRACE.upper()}-00f067aa0ba902b7-01"):
        sent = TRACEPARENT.fullmatch((await alice.chat(headers={"traceparent": bad})).headers["traceparent"])
        assert sent is not None
        assert sent[1] not in (TRACE, "0" * 32)


async def test_every_answer_names_its_worker_and_both_work(stack: Stack) -> None:
    seen: set[str] = set()

    async def both() -> bool:
        for path in ("/ready", "/nowhere", "/threads"):
            seen.add((await stack.caller().request("GET", path)).worker)
        return len(seen) == 2

    await eventually(both, "both workers")
    assert seen == {str(pid) for pid in stack.workers()}


async def test_a_burst_of_connections_is_spread_over_the_workers(stack: Stack) -> None:
    callers = [stack.caller() for _ in range(200)]
    answers = await at_once(200, lambda n: callers[n].request("GET", "/threads"))
    served = Counter(a.worker for a in answers)
    least = 50 if PER_WORKER else 0  # where they share one socket the first to wake may take all
    assert all(served[str(pid)] >= least for pid in stack.workers())


async def test_health_and_readiness_need_no_key_and_call_nobody(stack: Stack) -> None:
    for method in ("GET", "HEAD"):
        answer = await stack.request(method, f"{stack.url}/health")
        assert answer.status == 200
        assert answer.body == (b'{"status":"ok"}' if method == "GET" else b"")
    for target in ("anthropic", "openai"):
        await stack.sim.fault(target, "refused")
    ready = await stack.request("GET", f"{stack.url}/ready")
    assert ready.status == 200
    assert (ready.json()["status"], ready.json()["redis"]) == ("ready", "ok")
    assert ready.json()["profile"] == "workbench"
    assert {"anthropic", "openai"} <= {row["provider"] for row in ready.json()["providers"]}
    assert await stack.sim.calls() == []


async def test_the_path_of_a_miss_and_of_a_hit(stack: Stack) -> None:
    alice = stack.caller()
    miss = (await explained(alice, "What is the way?"))["path"]
    assert decisions(miss) == [
        ("cache", "miss"),
        ("rate_limit", "allowed"),
        ("fallback", "rung"),
        ("retry", "attempt"),
        ("breaker", "closed"),
        ("bulkhead", "held"),
        ("call", "ok"),
        ("cache", "store"),
    ]
    times = [row["t_ms"] for row in miss]
    assert times == sorted(times)
    assert all(row["duration_ms"] >= 0 and isinstance(row["inputs"], dict) for row in miss)
    hit = await explained(alice, "What is the way?")
    assert (hit["source"], decisions(hit["path"])) == ("cache", [("cache", "hit")])
    assert (hit["usage"]["output_tokens"], hit["cost_usd"]) == (0, 0)
    assert "path" not in (await alice.chat("What is the way?")).json()


async def test_the_path_of_a_fail_over_tells_why(stack: Stack) -> None:
    await stack.sim.fault("anthropic", "status", status=503)
    body = await explained(stack.caller(), "What is the way around?")
    steps = decisions(body["path"])
    assert steps.count(("retry", "wait")) == 3
    assert steps.count(("call", "unavailable")) == 4
    assert ("retry", "attempts_used") in steps
    failed = next(row for row in body["path"] if row["decision"] == "failed")
    assert (failed["stage"], failed["inputs"]["provider"], failed["inputs"]["reason"]) == (
        "fallback",
        "anthropic",
        "unavailable",
    )
    assert steps[-2:] == [("call", "ok"), ("cache", "not_stored")]


async def test_a_stream_tells_its_path_as_it_goes(stack: Stack) -> None:
    alice = stack.caller()
    events = await alice.events("/chat/stream?explain=1", {"text": "What is the way, piece by piece?"})
    names = [name for name, _ in events]
    assert names[0] == "stage"
    assert names[-1] == "done"
    told = [(data["stage"], data["decision"]) for name, data in events if name == "stage"]
    assert told[0] == ("cache", "miss")
    assert ("call", "ok") in told[told.index(("bulkhead", "held")) :]
    assert "stage" not in [name for name, _ in await alice.stream()]


@pytest.mark.parametrize(("deadline_ms", "least_s"), [(900, 0.5), (2000, 1.2)])
async def test_a_deadline_in_the_header_lowers_the_routes(stack: Stack, deadline_ms: int, least_s: float) -> None:
    for target in ("anthropic", "openai"):
        await stack.sim.fault(target, "hang")
    answer = await stack.caller().chat(headers={"X-Deadline-Ms": str(deadline_ms)})
    assert (answer.status, answer.json()["source"]) == (503, "message")
    assert int(answer.headers["retry-after"]) >= 1
    assert least_s < answer.took_s < deadline_ms / 1000 + 1


async def test_with_no_time_to_ask_anybody_the_answer_is_504(stack: Stack) -> None:
    refused = await stack.caller().chat(headers={"X-Deadline-Ms": "100"})
    assert "X-Deadline-Ms" in problem(refused, 504)["detail"]
    assert await stack.sim.calls() == []


async def test_what_a_provider_lacks_is_dropped_and_named(stack: Stack) -> None:
    alice = stack.caller()
    given: dict[str, Any] = {"temperature": 0.5, "seed": 3}
    assert (await alice.chat(**given)).json()["ignored"] == ["temperature", "seed"]
    assert (await alice.chat(route="economy", **given)).json()["ignored"] == []
    assert (await alice.chat()).json()["ignored"] == []
    assert (await alice.stream(**given))[-1][1]["ignored"] == ["temperature", "seed"]
    await stack.sim.fault("anthropic", "status", status=401)
    assert (await alice.chat(**given)).json()["ignored"] == []  # the rung that answered takes both


async def test_a_seed_repeats_an_answer_and_another_one_may_change_it(stack: Stack) -> None:
    asked, answers = "Which words lead?", set()
    for seed in range(8):
        given: dict[str, Any] = {"route": "economy", "temperature": 1.0, "seed": seed}
        one, other = [(await stack.caller().chat(asked, **given)).json() for _ in range(2)]
        assert one["answer"] == other["answer"]
        answers.add(one["answer"])
    assert len(answers) > 1
    assert len(await stack.sim.calls()) == 16  # two tenants each: nothing came from a cache


async def test_max_tokens_bounds_the_answer_which_says_so(stack: Stack) -> None:
    alice = stack.caller()
    body = (await alice.chat(max_tokens=4)).json()
    assert (body["finish_reason"], body["usage"]["output_tokens"]) == ("length", 4)
    done = (await alice.stream(max_tokens=4))[-1][1]
    assert (done["finish_reason"], done["usage"]["output_tokens"]) == ("length", 4)
    assert (await alice.chat(max_tokens=1_000_000)).json()["finish_reason"] == "stop"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", [None, {"status": 503}, {"kind": "missing_fields"}])
async def test_usage_and_cost_are_the_ledgers(stack: Stack, fault: dict[str, Any] | None, stream: bool) -> None:
    """A 503 bills nothing; a bad body is billed by the provider, but states no usage that could be counted."""
    if fault is not None:
        await stack.sim.fault("anthropic", "status" if "status" in fault else "bad_body", **fault)
    alice = stack.caller()
    body = (await alice.stream())[-1][1] if stream else (await alice.chat()).json()
    calls = [c for c in await stack.sim.calls() if c["request_id"] == body["request_id"]]
    assert len(calls) == (1 if fault is None else 5)
    stated = [c for c in calls if c["fault"] is None]
    assert body["usage"]["input_tokens"] == sum(c["input_tokens"] for c in stated)
    assert body["usage"]["output_tokens"] == sum(c["output_tokens"] for c in stated)
    assert round(body["cost_usd"] * 1e9) == sum(c["billed_nano_usd"] for c in stated) > 0


async def test_tokens_of_an_answer_that_was_dropped_are_in_its_price(stack: Stack) -> None:
    await stack.sim.fault("anthropic", "stream_error", fraction=0.8)
    done = (await stack.caller().stream(route="restart"))[-1][1]
    dropped, whole = await stack.sim.calls()
    assert done["usage"]["input_tokens"] == dropped["input_tokens"] + whole["input_tokens"]
    assert done["usage"]["output_tokens"] > whole["output_tokens"]
    assert round(done["cost_usd"] * 1e9) > whole["billed_nano_usd"]
