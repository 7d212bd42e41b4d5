"""A kept request as spans: who is whose child, when each began and ended, and what it says."""

import json
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from service.gateway.auth import Caller
from service.gateway.context import Context
from service.llm.provider import Usage
from service.observability import names
from service.observability.kept import Content, Kept
from service.observability.record import record_of
from service.observability.traces import Assembler, GivenIds
from service.stages.ask import Ask
from service.stages.reply import Reply

from ..fakes import FakeClock, ask

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
T = 1_700_000_000.0


def ended(clock: FakeClock, asked: Ask, *, parent: str | None = None, **given: Any) -> Kept:
    """The request, with its books made."""
    made = Context("5e1c", TRACEPARENT, parent, asked.started_s, T, "POST", caller=Caller("acme", "alice"))
    made.ask, made.endpoint, made.status, made.ended_s = asked, "/chat", 200, clock.now
    made.reply = Reply(source="live", provider="anthropic", model="m", text="x")
    made.reply.end("whole")
    record = record_of(made, instance="7-abc", user="0123456789abcdef")
    return Kept.of(made, record | {"kept": "ordinary", "weight": 3, **given})


def spans_of(kept: Kept) -> dict[str, ReadableSpan]:
    exporter, ids = InMemorySpanExporter(), GivenIds()
    provider = TracerProvider(id_generator=ids, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    Assembler(provider.get_tracer("t"), ids).assemble(kept)
    return {span.name: span for span in exporter.get_finished_spans()}


def seconds(span: ReadableSpan) -> tuple[float, float]:
    """Begin and end, from the request's arrival."""
    assert span.start_time is not None
    assert span.end_time is not None
    return round(span.start_time / 1e9 - T, 3), round(span.end_time / 1e9 - T, 3)


def through(clock: FakeClock, *stages: str, **call: Any) -> Ask:
    """A question that went through these stages, a tenth of a second before each, to a call of one second."""
    asked = ask(clock)
    entered = []
    for stage in stages:
        clock.now += 0.1
        entered.append(asked.enter(stage))
        asked.report(stage, "done", number=len(entered), nothing=None, several=("a", "b"))
    attempt = asked.attempt()
    clock.now += 1
    attempt.status, attempt.duration_s, attempt.usage, attempt.cost_nano_usd = "ok", 1.0, Usage(10, 5, 4, 2), 700
    for name, value in call.items():
        setattr(attempt, name, value)
    for passage in reversed(entered):
        asked.leave(passage)
    return asked


def test_each_stage_is_the_child_of_the_one_around_it_and_the_call_of_the_innermost(clock: FakeClock) -> None:
    kept = ended(clock, through(clock, "cache", "retry"))
    spans = spans_of(kept)
    root, cache, retry, call = (
        spans[name] for name in ("POST /chat", "cache", "retry", f"chat {kept.attempts[0].model}")
    )
    assert [span.kind for span in (root, cache, call)] == [SpanKind.SERVER, SpanKind.INTERNAL, SpanKind.CLIENT]
    assert root.parent is None
    for inner, outer in ((cache, root), (retry, cache), (call, retry)):
        assert inner.parent is not None
        assert outer.context is not None
        assert inner.parent.span_id == outer.context.span_id
        assert inner.context.trace_id == int(TRACEPARENT[3:35], 16)
    assert root.context.span_id == int(TRACEPARENT[36:52], 16)
    assert call.context.span_id == int(kept.attempts[0].span_id, 16), "as the provider was told"
    assert [seconds(span) for span in (root, cache, retry, call)] == [(0, 1.2), (0.1, 1.2), (0.2, 1.2), (0.2, 1.2)]


def test_the_callers_span_is_the_parent(clock: FakeClock) -> None:
    root = spans_of(ended(clock, through(clock), parent="00f067aa0ba902b8"))["POST /chat"]
    assert root.parent is not None
    assert (root.parent.span_id, root.parent.is_remote) == (0x00F067AA0BA902B8, True)


def test_inputs_are_attributes_and_decisions_events(clock: FakeClock) -> None:
    span = spans_of(ended(clock, through(clock, "cache")))["cache"]
    assert dict(span.attributes or {}) == {
        names.REQUEST_ID: "5e1c",
        names.WEIGHT: 3,
        names.STAGE: "cache",
        names.LEFT: 4.9,
        names.DECISION: "done",
        "gauntlet.input.number": 1,
        "gauntlet.input.several": ("a", "b"),
    }
    assert [event.name for event in span.events] == ["done"]


def test_what_came_of_a_decision_does_not_hide_it(clock: FakeClock) -> None:
    asked = through(clock, "cache")
    asked.path[0] = ("cache", "miss", asked.path[0][2], {})
    asked.report("cache", "store", source="live")
    span = spans_of(ended(clock, asked))["cache"]
    assert (span.attributes or {})[names.DECISION] == "miss"
    assert [event.name for event in span.events] == ["miss", "store"]


def test_a_stream_outlives_the_stages_that_let_it_through(clock: FakeClock) -> None:
    asked = through(clock, "cache", "retry")
    asked.attempts[0].duration_s, asked.attempts[0].first_token_s = 5.0, 0.3
    clock.now += 4
    spans = spans_of(ended(clock, asked))
    assert [seconds(spans[name])[1] for name in ("POST /chat", "cache", "retry")] == [5.2, 5.2, 5.2]
    (call,) = [span for name, span in spans.items() if name.startswith("chat")]
    assert [(event.name, round(event.timestamp / 1e9 - T, 3)) for event in call.events] == [("first_token", 0.5)]


def test_errors_are_codes_never_words(clock: FakeClock) -> None:
    asked = through(clock, "breaker", status="unavailable", upstream_status=503)
    asked.entered[0].error = "unavailable"
    spans = spans_of(ended(clock, asked, outcome="unavailable", error="message"))
    for name in ("breaker", "POST /chat"):
        assert spans[name].status.status_code is StatusCode.ERROR
    (call,) = [span for name, span in spans.items() if name.startswith("chat")]
    assert (call.attributes or {})[names.ERROR] == call.status.description == "unavailable"
    assert (call.attributes or {})[names.STATUS] == 503


def test_tokens_are_told_as_they_are_priced(clock: FakeClock) -> None:
    (call,) = [s for n, s in spans_of(ended(clock, through(clock, "retry"))).items() if n.startswith("chat")]
    told = call.attributes or {}
    assert [
        told[name]
        for name in (
            names.INPUT_TOKENS,
            names.OUTPUT_TOKENS,
            names.CACHED_TOKENS,
            names.CACHE_WRITE_TOKENS,
            names.COST_USD,
        )
    ] == [10, 5, 4, 2, 700e-9]
    (free,) = [s for n, s in spans_of(ended(clock, through(clock, cost_nano_usd=None))).items() if n.startswith("chat")]
    assert names.COST_USD not in (free.attributes or {})
    assert (free.attributes or {})[names.UNPRICED] is True


def test_content_is_there_only_where_it_was_captured(clock: FakeClock) -> None:
    kept = ended(clock, through(clock, "retry"))
    said = {names.INPUT_MESSAGES, names.OUTPUT_MESSAGES, names.SYSTEM}
    assert not said & set(_call(spans_of(kept).values()))
    kept.content = Content([("user", "what?")], "be brief", ["that"])
    told = _call(spans_of(kept).values())
    assert json.loads(told[names.INPUT_MESSAGES]) == [{"role": "user", "parts": [{"type": "text", "content": "what?"}]}]
    assert json.loads(told[names.OUTPUT_MESSAGES])[0]["parts"][0]["content"] == "that"
    assert json.loads(told[names.SYSTEM]) == [{"type": "text", "content": "be brief"}]


def _call(spans: Any) -> dict[str, Any]:
    (call,) = [span for span in spans if span.kind is SpanKind.CLIENT]
    return dict(call.attributes or {})
