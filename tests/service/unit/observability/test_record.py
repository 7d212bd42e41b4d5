"""The record of a request: what it says of every way in which one can end."""

from typing import Any

import orjson
import pytest

from service.gateway.auth import Caller
from service.gateway.context import Context
from service.llm.provider import Usage
from service.observability.record import Record, record_of
from service.stages.reply import Reply

from ..fakes import FakeClock, ask

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def context(clock: FakeClock, **given: Any) -> Context:
    made = Context("5e1c", TRACEPARENT, None, clock.now, 1_700_000_000.5, "POST", caller=Caller("acme", "alice"))
    made.ended_s = clock.now + 0.25
    for name, value in given.items():
        setattr(made, name, value)
    return made


def told(made: Context) -> Record:
    return record_of(made, instance="7-abc", user="0123456789abcdef")


def test_a_request_that_asked_nobody_has_every_field_all_the_same(clock: FakeClock) -> None:
    bare = told(context(clock, status=404, error="not_found", endpoint="/threads/{thread_id}"))
    full = told(context(clock, status=200, ask=ask(clock), reply=reply()))
    assert list(bare) != []
    assert set(bare) == set(full)
    assert (bare["outcome"], bare["error"], bare["duration_ms"]) == ("refused", "not_found", 250)
    assert bare["trace_id"] == TRACEPARENT[3:35]
    orjson.dumps([bare, full])


def reply(outcome: str = "whole", **given: Any) -> Reply:
    made = Reply(source="live", provider="anthropic", model="m", text="x")
    for name, value in given.items():
        setattr(made, name, value)
    made.end(outcome)  # type: ignore[arg-type]
    return made


@pytest.mark.parametrize(
    ("given", "outcome", "error"),
    [
        ({"status": 200}, "answered", None),
        ({"status": 200, "reply": reply()}, "answered", None),
        ({"status": 200, "reply": reply(degraded=["session"])}, "degraded", None),
        ({"status": 200, "reply": reply("cancelled")}, "cancelled", None),
        ({"status": 200, "reply": reply("error")}, "broken", None),
        ({"status": 200, "error": "internal"}, "broken", "internal"),
        ({"status": 200, "reply": reply(), "error": "conflict"}, "broken", "conflict"),
        ({"status": 200, "reply": reply(source="message", degraded=["a:unavailable"])}, "unavailable", "message"),
        ({"status": 499}, "cancelled", None),
        ({"status": None}, "cancelled", None),
        ({"status": 401, "error": "unauthorized"}, "refused", "unauthorized"),
        ({"status": 500, "error": "internal"}, "failed", "internal"),
        ({"status": 503, "reply": reply(source="message")}, "unavailable", "message"),
        ({"status": 503, "error": "overloaded"}, "unavailable", "overloaded"),
        ({"status": 504, "error": "deadline_exceeded"}, "failed", "deadline_exceeded"),
    ],
)
def test_how_it_ended(clock: FakeClock, given: dict[str, Any], outcome: str, error: str | None) -> None:
    found = told(context(clock, **given))
    assert (found["outcome"], found["error"]) == (outcome, error)


def test_attempts_are_listed_with_what_they_cost_and_were_for(clock: FakeClock) -> None:
    asked = ask(clock)
    for status, usage, cost in (
        ("unavailable", Usage(), 0),
        ("ok", Usage(10, 5, 2, 1), 700),
        ("ok", Usage(1, 1), None),
    ):
        attempt = asked.attempt()
        attempt.status, attempt.usage, attempt.cost_nano_usd, attempt.duration_s = status, usage, cost, 0.1
    found = told(context(clock, status=200, ask=asked, reply=reply()))
    assert [(a["n"], a["status"], a["purpose"], a["cost_nano_usd"]) for a in found["attempts"]] == [
        (1, "unavailable", "retry", 0),
        (2, "ok", "answer", 700),
        (3, "ok", "answer", None),
    ]
    assert (found["attempts"][1]["cached_tokens"], found["attempts"][1]["cache_write_tokens"]) == (2, 1)
    assert (found["input_tokens"], found["cost_nano_usd"], found["unpriced"]) == (11, None, 1), "never as nothing"


def test_what_an_answer_from_elsewhere_had_cost_is_saved(clock: FakeClock) -> None:
    paid, shared = ask(clock), ask(clock)
    paid.attempt()
    for source, saved in (("cache", 700), ("shared", 700), ("stale", 700), ("live", 0), ("provider", 0)):
        found = told(context(clock, status=200, ask=paid, reply=reply(source=source, cost_nano_usd=700)))
        assert found["saved_nano_usd"] == saved
    # Whoever shares another's fail-over has its source, and paid nothing.
    found = told(context(clock, status=200, ask=shared, reply=reply(source="provider", cost_nano_usd=700)))
    assert found["saved_nano_usd"] == 700
