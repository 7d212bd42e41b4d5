"""Every stage and every outcome, as the collector shows it after real requests: spans, parents, attributes, metrics."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.answer import Answer
from tests.caller import Caller
from tests.collector import Collector
from tests.stack import Stack
from tests.waiting import eventually

Row = dict[str, Any]
KEEP_ALL = {"GAUNTLET_TELEMETRY__ORDINARY_PER_S": "1000", "GAUNTLET_TELEMETRY__NOTABLE_PER_S": "1000"}
STAGES = ["cache", "rate_limit", "fallback", "retry", "breaker", "bulkhead"]


@pytest.fixture(scope="module")
def _own(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Stack]:
    """One that nobody else has filled with tenants, and that keeps every trace."""
    stack = Stack.start(tmp_path_factory.mktemp("told"), collector=collector, env=KEEP_ALL)
    yield stack
    stack.end()


@pytest.fixture
async def stack(_own: Stack) -> AsyncIterator[Stack]:
    async with _own as stack:
        await stack.reset()
        yield stack


async def trace(stack: Stack, answer: Answer, count: int) -> list[Row]:
    """The spans of a request, once there are so many, in order of their start; the server's first."""
    trace_id = answer.headers["traceparent"][3:35]
    return await stack.told(
        f"select * from spans where trace_id = '{trace_id}' order by start_time, span_id", rows=count
    )


async def record(stack: Stack, answer: Answer) -> Row:
    (row,) = await stack.told(f"select * from requests where request_id = '{answer.headers['x-request-id']}'")
    return row


async def counted(stack: Stack, name: str, at_least: float, **labels: object) -> None:
    """Wait until the workers' sums of this metric, with these labels, are at least so much."""
    where = "".join(f" and attributes->>'{key}' = '{value}'" for key, value in labels.items())
    query = (
        "select sum(v) as n from (select max(coalesce(value, count)) as v from metric_points "
        f"where name = '{name}'{where} group by instance, attributes)"
    )

    async def there() -> bool:
        return float((await stack.told(query))[0]["n"] or 0) >= at_least

    await eventually(there, f"{name} {labels} >= {at_least}")


def stage(spans: list[Row], name: str) -> list[Row]:
    return [span for span in spans if span["attributes"].get("gauntlet.stage") == name]


def decision(span: Row) -> str:
    return str(span["attributes"]["gauntlet.stage.decision"])


def inputs(span: Row) -> Row:
    prefix = "gauntlet.input."
    return {name.removeprefix(prefix): v for name, v in span["attributes"].items() if name.startswith(prefix)}


def calls(spans: list[Row]) -> list[Row]:
    return [span for span in spans if span["kind"] == "client"]


async def test_a_healthy_chat_is_one_trace_from_the_server_over_six_stages_to_the_provider(stack: Stack) -> None:
    alice = stack.caller()
    answer = await alice.chat()
    spans = await trace(stack, answer, 8)
    server, *stages, call = spans
    assert (server["name"], server["kind"], server["parent_span_id"]) == ("POST /chat", "server", None)
    assert server["span_id"] == answer.headers["traceparent"][36:52], "the client was told of this very span"
    assert [span["name"] for span in stages] == STAGES
    for outer, inner in itertools.pairwise(spans):
        assert inner["parent_span_id"] == outer["span_id"]
        assert inner["start_time"] >= outer["start_time"]
    said = server["attributes"]
    assert said["gauntlet.request.id"] == answer.headers["x-request-id"]
    assert (said["http.route"], said["http.response.status_code"], said["gauntlet.outcome"]) == (
        "/chat",
        200,
        "answered",
    )
    assert (said["gauntlet.source"], said["gauntlet.route"], said["gauntlet.deadline_s"]) == ("live", "default", 5)
    assert {name: decision(stage(spans, name)[0]) for name in STAGES} == {
        "cache": "miss",
        "rate_limit": "allowed",
        "fallback": "rung",
        "retry": "attempt",
        "breaker": "closed",
        "bulkhead": "held",
    }
    assert inputs(stages[1])["requests_left"] == 19
    assert inputs(stages[1])["tokens_left"] > 0
    assert inputs(stages[2]) == {
        "rung": 0,
        "provider": "anthropic",
        "model": "claude-opus-4-7",
        "last": False,
        "why": "first of the route",
    }
    assert (inputs(stages[3])["attempt"], inputs(stages[3])["of"]) == (1, 4)
    assert inputs(stages[4]) == {"provider": "anthropic", "state": "closed", "failures": 0, "short_circuited": False}
    assert all(0 < span["attributes"]["gauntlet.deadline.left_s"] <= 5 for span in stages)
    # The attempt, by the conventions for generative AI.
    (billed,) = await stack.sim.calls("anthropic")
    body, made = answer.json(), call["attributes"]
    assert (call["name"], call["kind"]) == ("chat claude-opus-4-7", "client")
    assert (made["gen_ai.operation.name"], made["gen_ai.provider.name"]) == ("chat", "anthropic")
    assert (made["gen_ai.request.model"], made["gen_ai.response.finish_reasons"]) == ("claude-opus-4-7", ["stop"])
    assert made["gen_ai.usage.input_tokens"] == billed["input_tokens"] == body["usage"]["input_tokens"]
    assert made["gen_ai.usage.output_tokens"] == billed["output_tokens"]
    assert made["gen_ai.usage.cost"] == billed["billed_nano_usd"] / 1e9 == body["cost_usd"]
    assert call["duration_ms"] <= stages[-1]["duration_ms"]
    # And counted.
    tenant = alice.key.split("-")[1]
    await counted(stack, "gauntlet.requests", 1, **{"gauntlet.tenant": tenant, "gauntlet.outcome": "answered"})
    await counted(
        stack, "gauntlet.cost", billed["billed_nano_usd"], **{"gauntlet.tenant": tenant, "gauntlet.purpose": "answer"}
    )
    await counted(
        stack, "gauntlet.tokens", billed["output_tokens"], **{"gauntlet.tenant": tenant, "gen_ai.token.type": "output"}
    )


async def test_a_callers_trace_is_continued(stack: Stack) -> None:
    given = "00-4bf92f3577b34da6a3ce929d0e0e4799-00f067aa0ba902b7-01"
    answer = await stack.caller().chat(headers={"traceparent": given})
    server = (await trace(stack, answer, 8))[0]
    assert (server["trace_id"], server["parent_span_id"]) == (given[3:35], given[36:52])


async def test_the_cache_says_hit_shared_bypass_and_what_it_saved(stack: Stack) -> None:
    await stack.sim.latency("anthropic", first_token_ms=300)
    alice = stack.caller()
    text = f"What is in the cache of {alice.key}?"
    first, second = await asyncio.gather(alice.chat(text), alice.chat(text))
    hit = await alice.chat(text)
    bypass = await alice.chat(temperature=0.7)
    assert {first.json()["source"], second.json()["source"]} == {"live", "shared"}
    shared = first if first.json()["source"] == "shared" else second
    live = second if shared is first else first
    price = round(live.json()["cost_usd"] * 1e9)
    # Whoever waits in another worker than the leader's finds the answer in the store.
    for answer, verdicts in ((shared, ("shared", "hit")), (hit, ("hit",))):
        spans = await trace(stack, answer, 2)
        assert [span["name"] for span in spans] == ["POST /chat", "cache"]
        assert decision(spans[1]) in verdicts
        told = await record(stack, answer)
        assert (told["saved_nano_usd"], told["cost_nano_usd"]) == (price, 0)
    spans = await trace(stack, bypass, 8)
    assert (decision(spans[1]), inputs(spans[1])) == ("bypass", {"why": "temperature without seed"})
    tenant = alice.key.split("-")[1]
    await counted(stack, "gauntlet.cost.saved", 2 * price, **{"gauntlet.tenant": tenant})


async def test_a_refused_request_says_which_bucket_was_empty(stack: Stack) -> None:
    alice = stack.caller()
    text = f"Who empties the bucket of {alice.key}?"
    answers = [await alice.chat(f"{text} {n}") for n in range(25)]
    refused = next(answer for answer in answers if answer.status == 429)
    spans = await trace(stack, refused, 3)
    (limit,) = stage(spans, "rate_limit")
    assert (decision(limit), inputs(limit)["short"], inputs(limit)["requests_left"]) == ("refused", "user_requests", 0)
    assert inputs(limit)["wait_s"] > 0
    assert (limit["status"], limit["attributes"]["error.type"]) == ("error", "rate_limited")
    told = await record(stack, refused)
    assert (told["outcome"], told["error"], told["status"]) == ("refused", "rate_limited", 429)


async def test_each_retry_has_a_span_of_its_own_and_back_off_is_nobodys_call(stack: Stack) -> None:
    await stack.sim.fault("anthropic", "status", status=503, times=2)
    answer = await stack.caller().chat()
    spans = await trace(stack, answer, 14)
    made, (retry,) = calls(spans), stage(spans, "retry")
    assert [call["attributes"]["gauntlet.attempt.status"] for call in made] == ["unavailable", "unavailable", "ok"]
    assert [call["attributes"]["gauntlet.attempt.number"] for call in made] == [1, 2, 3]
    assert [call["status"] for call in made] == ["error", "error", "unset"]
    assert len({call["parent_span_id"] for call in made}) == 3
    assert {span["parent_span_id"] for span in stage(spans, "breaker")} == {retry["span_id"]}
    assert [inputs(span)["failures"] for span in stage(spans, "breaker")] == [0, 1, 2]
    waits = [event for event in retry["events"] if event["name"] == "wait"]
    assert [event["attributes"]["after"] for event in waits] == ["unavailable", "unavailable"]
    assert all(event["attributes"]["jitter_of_s"] > 0 and event["attributes"]["budget_left"] > 0 for event in waits)
    # What was waited lies between the calls, in no call.
    waited_ms = sum(event["attributes"]["wait_s"] for event in waits) * 1000
    assert retry["duration_ms"] >= sum(call["duration_ms"] for call in made) + waited_ms * 0.9
    assert (inputs(retry)["attempt"], inputs(retry)["of"]) == (3, 4)
    assert (await record(stack, answer))["kept"] == "faulted"
    await counted(stack, "gauntlet.attempts", 2, **{"gauntlet.attempt.status": "unavailable"})
    await counted(stack, "gauntlet.retry.backoff", 2, **{"gen_ai.provider.name": "anthropic"})


async def test_fallback_names_its_rungs_and_an_open_breaker_calls_nobody(stack: Stack) -> None:
    await stack.sim.fault("anthropic", "status", status=503)
    alice = stack.caller()
    first = await alice.chat()
    spans = await trace(stack, first, 8)
    (fallback,) = stage(spans, "fallback")
    assert (decision(fallback), inputs(fallback)["rung"], inputs(fallback)["provider"]) == ("rung", 1, "openai")
    assert inputs(fallback)["why"] == "anthropic:unavailable"
    assert [event["name"] for event in fallback["events"]] == ["rung", "failed", "rung"]
    assert [span["parent_span_id"] for span in stage(spans, "retry")] == [fallback["span_id"]] * 2
    async with stack.at_each_worker(alice) as callers:

        async def opened() -> bool:
            await callers[0].chat()
            return (await stack.breakers())["anthropic"] == "open"

        await eventually(opened, "the breaker to open")
        short = await callers[0].chat()
    spans = await trace(stack, short, 8)
    breaker = stage(spans, "breaker")[0]
    assert (decision(breaker), inputs(breaker)["short_circuited"]) == ("open", True)
    assert inputs(breaker)["failures"] >= 5
    assert inputs(breaker)["probe_in_s"] > 0
    assert [call["attributes"]["gen_ai.provider.name"] for call in calls(spans)] == ["openai"]
    told = await record(stack, short)
    assert (told["outcome"], told["source"], told["kept"]) == ("degraded", "provider", "degraded")
    assert told["degraded"] == ["anthropic:circuit_open"]
    events = await stack.told("select * from breaker_events where state = 'open' and provider = 'anthropic'")
    assert all(event["before"] in ("closed", "half_open") for event in events)
    await counted(stack, "gauntlet.breaker.state", 2, **{"gen_ai.provider.name": "anthropic"})
    await counted(stack, "gauntlet.cost", 1, **{"gauntlet.purpose": "fallback"})


async def test_all_out_is_an_error_that_is_found(stack: Stack) -> None:
    for target in ("anthropic", "openai"):
        await stack.sim.fault(target, "status", status=503)
    answer = await stack.caller().chat()
    assert answer.status == 503
    spans = await trace(stack, answer, 8)
    assert (spans[0]["status"], spans[0]["attributes"]["gauntlet.source"]) == ("error", "message")
    (fallback,) = stage(spans, "fallback")
    assert decision(fallback) == "message"
    assert inputs(fallback)["retry_after_s"] >= 1
    told = await record(stack, answer)
    assert (told["outcome"], told["kept"]) == ("unavailable", "error")


async def test_a_429_shows_the_retry_after_that_was_seen(stack: Stack) -> None:
    await stack.sim.fault("anthropic", "status", status=429, retry_after="7", times=1)
    answer = await stack.caller().chat()
    spans = await trace(stack, answer, 8)
    retry = stage(spans, "retry")[0]
    assert (decision(retry), inputs(retry)["retry_after_s"]) == ("next_rung_instead", 7)
    assert calls(spans)[0]["attributes"]["http.response.status_code"] == 429
    paused = await stack.caller().chat()
    breaker = stage(await trace(stack, paused, 8), "breaker")[0]
    assert (decision(breaker), inputs(breaker)["short_circuited"]) == ("paused", True)


async def test_a_stream_is_traced_to_its_end_with_its_first_token(stack: Stack) -> None:
    await stack.sim.latency("anthropic", first_token_ms=50, per_token_ms=5)
    answer = await stack.caller().request("POST", "/chat/stream", {"text": "What do streams show?"})
    spans = await trace(stack, answer, 8)
    server, (call,) = spans[0], calls(spans)
    first_ms = call["attributes"]["gauntlet.attempt.first_token_ms"]
    assert first_ms >= 45
    assert call["duration_ms"] > first_ms + 50, "the call lasts until the stream's end"
    assert server["attributes"]["gauntlet.first_token_ms"] >= first_ms
    assert [event["name"] for event in call["events"]] == ["first_token"]
    for span in spans[1:-1]:
        assert span["duration_ms"] >= call["duration_ms"], "so do the stages around it"
    await counted(stack, "gauntlet.first_token.duration", 1, **{"http.route": "/chat/stream"})
    await counted(stack, "gen_ai.client.operation.time_to_first_chunk", 1, **{"gen_ai.provider.name": "anthropic"})


async def test_a_stream_that_restarts_shows_both_calls_under_one_ladder(stack: Stack) -> None:
    await stack.sim.latency("anthropic", first_token_ms=5, per_token_ms=2)
    await stack.sim.fault("anthropic", "cut", fraction=0.5, times=1)
    answer = await stack.caller().request("POST", "/chat/stream", {"text": "What breaks?", "route": "restart"})
    spans = await trace(stack, answer, 12)
    made, (fallback,) = calls(spans), stage(spans, "fallback")
    assert [call["attributes"]["gauntlet.attempt.status"] for call in made] == ["stream_broken", "ok"]
    assert [call["attributes"]["gauntlet.attempt.exact"] for call in made] == [False, True]
    assert {span["parent_span_id"] for span in stage(spans, "retry")} == {fallback["span_id"]}
    told = await record(stack, answer)
    assert (told["outcome"], told["source"]) == ("degraded", "provider")


async def test_a_broken_stream_is_an_error_with_status_200(stack: Stack) -> None:
    for target in ("anthropic", "openai"):
        await stack.sim.latency(target, first_token_ms=5, per_token_ms=2)
        await stack.sim.fault(target, "cut", fraction=0.5)
    answer = await stack.caller().request("POST", "/chat/stream", {"text": "What ends?", "route": "error"})
    told = await record(stack, answer)
    assert (told["status"], told["outcome"], told["error"], told["kept"]) == (200, "broken", "stream_broken", "error")


async def test_a_stream_that_nobody_could_go_on_with_is_unavailable_not_degraded(stack: Stack) -> None:
    await stack.sim.latency("anthropic", first_token_ms=5, per_token_ms=2)
    await stack.sim.fault("anthropic", "cut", fraction=0.5)
    await stack.sim.fault("openai", "status", status=503)
    answer = await stack.caller().request("POST", "/chat/stream", {"text": "Who goes on?", "route": "restart"})
    told = await record(stack, answer)
    assert (told["status"], told["source"], told["outcome"]) == (200, "message", "unavailable")
    assert told["kept"] == "error"


async def test_nothing_of_a_request_is_kept_by_an_open_connection(stack: Stack) -> None:
    """The record is made, then what was said is forgotten; the books of the next one on it are its own."""
    async with stack.at_each_worker(stack.caller()) as callers:
        first, second = await callers[0].chat(), await callers[0].chat()
        ids = [(await record(stack, answer))["request_id"] for answer in (first, second)]
    assert ids == [answer.headers["x-request-id"] for answer in (first, second)]


async def test_who_leaves_is_cancelled_and_pays_for_what_came(stack: Stack) -> None:
    await stack.sim.latency("anthropic", first_token_ms=5, per_token_ms=50)
    alice, session = stack.caller(), stack.session
    assert session is not None
    body = {"text": "What is paid for by those who leave?"}
    async with session.post(f"{stack.url}/chat/stream", json=body, headers=alice.headers) as response:
        await response.content.readuntil(b"event: delta")
        request_id = response.headers["x-request-id"]
    (told,) = await stack.told(f"select * from requests where request_id = '{request_id}'")
    assert (told["outcome"], told["kept"]) == ("cancelled", "cancelled")
    (attempt,) = await stack.told(f"select * from attempts where request_id = '{request_id}'")
    assert (attempt["status"], attempt["exact"]) == ("cancelled", False)
    assert attempt["cost_nano_usd"] > 0
    assert attempt["most_nano_usd"] >= attempt["cost_nano_usd"]
    await counted(stack, "gauntlet.cost", 1, **{"gauntlet.purpose": "abandoned"})


@pytest.mark.parametrize(
    ("method", "path", "status", "endpoint"),
    [
        ("GET", "/threads/t1", 404, "/threads/{thread_id}"),
        ("GET", "/nowhere/alice", 404, "other"),
        ("GET", "/threads", 200, "/threads"),
    ],
)
async def test_endpoints_are_told_by_their_template(
    stack: Stack, method: str, path: str, status: int, endpoint: str
) -> None:
    answer = await stack.caller().request(method, path)
    told = await record(stack, answer)
    assert (answer.status, told["status"], told["endpoint"]) == (status, status, endpoint)


async def test_a_refund_is_traced_and_names_the_key_of_its_charge(stack: Stack) -> None:
    alice = stack.caller()
    await stack.sim.fault("payments", "status", status=503, times=1)
    first, again = await alice.refund("order-1"), await alice.refund("order-1")
    (charge,) = await stack.sim.charges()
    told, replay = await record(stack, first), await record(stack, again)
    assert (told["charge_key"], told["replayed"]) == (charge["idempotency_key"], False)
    assert (replay["charge_key"], replay["replayed"]) == (None, True)
    spans = await trace(stack, first, 8)
    assert [call["name"] for call in calls(spans)] == ["refund", "refund"]
    assert [span["name"] for span in spans if span["kind"] == "internal"][:3] == ["retry", "breaker", "bulkhead"]


async def test_a_stage_that_is_off_is_said(stack: Stack) -> None:
    alice = stack.caller()
    await stack.switch(retry=False)
    try:
        answer = await alice.chat()
        spans = await trace(stack, answer, 7)
    finally:
        await stack.switch(retry=True)
    assert "retry" not in [span["name"] for span in spans]
    assert (await record(stack, answer))["off"] == ["retry"]


async def test_success_error_and_fallback_are_found_by_user_and_by_request_within_two_seconds(stack: Stack) -> None:
    collector = stack.collector
    assert collector is not None
    tenant = stack.caller().key.split("-")[1]
    user = f"searched{tenant}"
    alice = Caller(stack, f"demo-{tenant}-{user}")
    answers = [await alice.chat(), await alice.chat("x", route="nowhere")]
    await stack.sim.fault("anthropic", "status", status=503)
    answers.append(await alice.chat())
    wanted = {answer.headers["x-request-id"] for answer in answers}

    async def found() -> bool:
        (told,) = await stack.told(
            f"select user from requests where request_id = '{answers[0].headers['x-request-id']}'"
        )
        _, rows = await asyncio.to_thread(collector.get, f"/requests?user={told['user']}")
        by_id = [await asyncio.to_thread(collector.get, f"/traces/{request_id}") for request_id in wanted]
        return {row["request_id"] for row in rows["requests"]} == wanted and all(s == 200 for s, _ in by_id)

    await eventually(found, "three requests of one user", within_s=2)
    outcomes = await stack.told(f"select outcome from requests where tenant = '{tenant}' order by t")
    assert [row["outcome"] for row in outcomes] == ["answered", "refused", "degraded"]


async def test_exemplars_lead_from_a_histogram_to_a_trace_that_is_there(stack: Stack) -> None:
    answer = await stack.caller().chat()
    await trace(stack, answer, 8)
    rows = await stack.told(
        "select e->>'trace_id' as trace_id from metric_points, unnest(cast(exemplars as json[])) as t(e) "
        "where name = 'http.server.request.duration' order by time desc limit 20"
    )
    ids = ", ".join(f"'{row['trace_id']}'" for row in rows)
    await stack.told(
        f"select distinct trace_id from spans where trace_id in ({ids})", rows=len({row["trace_id"] for row in rows})
    )


async def test_users_and_requests_are_never_labels(stack: Stack) -> None:
    alice = stack.caller()
    answer = await alice.chat()
    await record(stack, answer)
    tenant = alice.key.split("-")[1]
    await counted(stack, "gauntlet.requests", 1, **{"gauntlet.tenant": tenant})
    found = await stack.told("select distinct unnest(json_keys(attributes)) as label from metric_points")
    labels = {row["label"] for row in found}
    assert not {label for label in labels if "user" in label or "request.id" in label or "path" in label}
