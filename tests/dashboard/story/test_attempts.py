"""What links a call to the one before it, and why it was made: from a trace, and from a record alone."""

from __future__ import annotations

from typing import Any

from dashboard.story import attempts
from dashboard.story.attempts import Link
from tests.dashboard.story.making import SPANS, call, span, stage
from tests.telling import attempt

CLAUDE, GPT = ("anthropic", "claude"), ("openai", "gpt")
WAIT = {"wait_s": 0.2, "jitter_of_s": 0.5, "budget_left": 17, "after": "connection_failed"}
RUNG = {"rung": 1, "provider": "openai", "model": "gpt", "why": "anthropic:unavailable", "last": True}
LADDER = [
    span("a", None, "POST /chat", 0, 900, kind="server"),
    span("f", "a", "fallback", 1, 890, **stage("fallback", ("rung", 0, {"rung": 0}), ("rung", 500, RUNG))),
    span(
        "r",
        "f",
        "retry",
        2,
        490,
        **stage("retry", ("attempt", 0, {}), ("wait", 100, WAIT), ("attempts_used", 490, {"of": 2})),
    ),
    span("b", "f", "breaker", 495, 400, **stage("breaker", ("closed", 0, {"provider": "openai"}))),
]
CALLS = [
    attempt(1, *CLAUDE, t_ms=5, duration_ms=90, status="connection_failed"),
    attempt(2, *CLAUDE, t_ms=310, duration_ms=180, status="unavailable"),
    attempt(3, *GPT, t_ms=505, duration_ms=380),
]


def test_a_retry_says_what_was_waited_and_a_fail_over_why_nobody_tried_again() -> None:
    first, retry, over = attempts.links(CALLS, LADDER, [])
    assert first == Link("first call", None, "tries rung 0:")
    assert retry == Link(
        "retry",
        1,
        "waited 200 ms: full jitter of 500 ms, Retry-After absent, budget 17 left, after connection failed",
    )
    assert over == Link(
        "fail-over",
        2,
        "no retry: all 2 attempts are used; tries rung 1: openai gpt (anthropic:unavailable), the last rung",
    )


def test_a_first_call_says_whom_it_was_made_instead_of() -> None:
    opened = {"provider": "anthropic", "failures": 5, "probe_in_s": 12.0}
    spans = [
        span("a", None, "POST /chat", 0, 400, kind="server"),
        span("f", "a", "fallback", 1, 390, **stage("fallback", ("rung", 0, {"rung": 0}), ("rung", 3, RUNG))),
        span("b", "f", "breaker", 2, 1, **stage("breaker", ("open", 0.1, opened))),
    ]
    (link,) = attempts.links([attempt(1, *GPT, t_ms=6)], spans, [])
    assert link.kind == "first call"
    assert "open for anthropic after 5 failures: not called, probe in 12 s; tries rung 1: openai gpt" in link.why


def test_a_record_alone_knows_who_followed_whom_and_how_long_it_was_waited() -> None:
    told = [("retry", "attempt", 4), ("retry", "wait", 96), ("retry", "attempts_used", 491), ("fallback", "rung", 501)]
    decisions = [{"stage": stage, "decision": what, "t_ms": t_ms} for stage, what, t_ms in told]
    first, retry, over = attempts.links(CALLS, [], decisions)
    assert first == Link("first call", None, "")
    assert retry == Link("retry", 1, "waited 214 ms")
    assert over == Link("fail-over", 2, "no retry: all attempts are used")


def test_a_span_link_says_which_call_was_followed() -> None:
    def made(n: int, span_id: str, at_ms: float, *to: str) -> dict[str, Any]:
        pointed = [{"trace_id": "t", "span_id": other} for other in to]
        return {**span(span_id, None, "chat", at_ms, 10, **call(n, "ok")), "links": pointed}

    spans = [made(1, "c1", 0), made(2, "c2", 20), made(3, "c3", 40, "c1")]
    calls = [attempt(1, *CLAUDE), attempt(2, *GPT), attempt(3, *CLAUDE)]
    assert [(link.kind, link.of) for link in attempts.links(calls, spans, [])] == [
        ("first call", None),
        ("fail-over", 1),
        ("retry", 1),
    ]


def test_links_to_other_traces_are_listed_once() -> None:
    pointed = [{"trace_id": trace_id, "span_id": "x"} for trace_id in ("t", "other", "other")]
    assert attempts.linked_traces([{**SPANS[0], "links": pointed}, {**SPANS[1], "links": None}]) == ["other"]


def test_a_trace_without_a_record_has_the_calls_of_its_spans() -> None:
    first, second = attempts.of_spans(SPANS)
    assert (first["n"], first["status"], first["upstream_status"], first["t_ms"]) == (1, "unavailable", 503, 2)
    assert (second["n"], second["cost_nano_usd"], second["purpose"]) == (2, 2_000_000, None)
    assert attempts.of_spans([]) == []
