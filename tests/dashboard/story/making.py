"""Spans as the collector gives them, made by hand."""

from __future__ import annotations

from typing import Any


def span(span_id: str, parent: str | None, name: str, at_ms: float, for_ms: float, **more: Any) -> dict[str, Any]:
    start = f"2026-11-25T10:00:00.{round(at_ms * 1000):06d}Z"
    usual: dict[str, Any] = {
        "trace_id": "t",
        "kind": "internal",
        "status": "unset",
        "status_message": "",
        "attributes": {},
        "events": [],
        "links": [],
    }
    return {
        "span_id": span_id,
        "parent_span_id": parent,
        "name": name,
        "start_time": start,
        "duration_ms": for_ms,
        **usual,
        **more,
    }


def stage(name: str, *events: tuple[str, float, dict[str, Any]]) -> dict[str, Any]:
    listed = [{"name": what, "t_ms": at, "attributes": inputs} for what, at, inputs in events]
    return {"attributes": {"gauntlet.stage": name}, "events": listed}


def call(n: int, status: str, **more: Any) -> dict[str, Any]:
    attributes = {"gauntlet.attempt.number": n, "gauntlet.attempt.status": status, **more}
    return {"kind": "client", "status": "ok" if status == "ok" else "error", "attributes": attributes}


ENDED = {"name": "unavailable", "t_ms": 101, "attributes": {"attempt": 1, "provider": "anthropic"}}
WAIT = {"wait_s": 0.2, "jitter_of_s": 0.2, "budget_left": 9}
SPANS = [
    span("b", "a", "retry", 1, 600, **stage("retry", ("attempt", 0.1, {"attempt": 1, "of": 4}), ("wait", 101, WAIT))),
    span(
        "d", "b", "chat gpt", 310, 280, **call(2, "ok", **{"gen_ai.usage.input_tokens": 5, "gen_ai.usage.cost": 0.002})
    ),
    span("a", "caller", "POST /chat", 0, 610, kind="server", events=[ENDED]),
    span("c", "b", "chat claude", 2, 99, **call(1, "unavailable", **{"http.response.status_code": 503})),
]
