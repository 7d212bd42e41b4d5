"""From spans, or from a record alone, to steps: in order, nested, with words, and with the waits between calls."""

from __future__ import annotations

from typing import Any

from dashboard.story import steps as story
from tests.dashboard.story.making import SPANS, call, span
from tests.telling import USUAL, attempt


def test_spans_become_steps_in_the_order_of_time_within_their_nesting() -> None:
    steps = story.of_spans(SPANS)
    assert [(step.kind, step.name, round(step.t_ms), step.depth) for step in steps] == [
        ("server", "POST /chat", 0, 0),
        ("stage", "retry", 1, 1),
        ("failed call", "chat claude", 2, 2),
        ("wait", "", 102, 2),
        ("call", "chat gpt", 310, 2),
    ]
    assert steps[1].words == "attempt 1 of 4"
    assert steps[2].words == "attempt 1: unavailable, status 503"
    assert steps[3].words == "waited 200 ms: full jitter of 200 ms, Retry-After absent, budget 9 left"
    assert steps[3].duration_ms == 200
    assert steps[4].words == "attempt 2: answered; 5 tokens in, 0 out; $0.002000"


def test_spans_without_a_root_and_of_strangers_are_steps_too() -> None:
    assert story.of_spans([]) == []
    steps = story.of_spans([span("x", "gone", "work", 5, 1), span("y", "x", "more", 5.5, 0.1)])
    assert [(step.name, step.t_ms, step.depth) for step in steps] == [("work", 0, 0), ("more", 0.5, 1)]


def test_the_first_token_is_told_with_the_call() -> None:
    streamed = call(1, "ok", **{"gauntlet.attempt.first_token_ms": 210.4})
    streamed["events"] = [{"name": "first_token", "t_ms": 210.4, "attributes": {}}]
    (step,) = story.of_spans([span("a", None, "chat gpt", 0, 300, **streamed)])
    assert step.words == "attempt 1: answered; first token after 210 ms"


def decision(name: str, what: str, t_ms: float) -> dict[str, Any]:
    return {"stage": name, "decision": what, "t_ms": t_ms}


def test_a_record_alone_gives_decisions_calls_and_the_waits_between_them() -> None:
    request = {**USUAL, "duration_ms": 610.0}
    attempts = [
        attempt(1, "anthropic", "claude", status="connection_failed", upstream_status=None, t_ms=2, duration_ms=99),
        attempt(2, "openai", "gpt", t_ms=310, duration_ms=280, input_tokens=5, cost_nano_usd=None, exact=False),
    ]
    decisions = [
        decision("cache", "miss", 0.5),
        decision("retry", "attempt", 1),
        decision("call", "connection_failed", 101),
        decision("retry", "wait", 102),
        decision("retry", "attempt", 309),
        decision("retry", "wait", 600),
    ]
    steps = story.of_record(request, attempts, decisions)
    assert [(step.kind, step.name, step.words) for step in steps] == [
        ("server", "POST /chat", ""),
        ("decision", "cache", "no fresh answer is stored"),
        ("decision", "retry", "attempt"),
        ("failed call", "anthropic claude", "attempt 1: connection failed, no status"),
        ("wait", "retry", "waited 207 ms"),
        ("decision", "retry", "attempt"),
        ("call", "openai gpt", "attempt 2: answered; about 5 tokens in, 0 out; no known price"),
        ("decision", "retry", "waited"),
    ]
