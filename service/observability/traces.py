"""A kept request as spans: the server's, one per passage through a stage, one per attempt at a provider.

They are made after the request has ended, from what the chain noted, through the SDK's tracer with the times of then;
so a trace that is not kept costs nothing. A stage's decisions are events on its span, the one that counts and what it
was made from are attributes. A back-off is time of the retry stage, never of a provider's span. Next: ``outbox.py``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from opentelemetry.context import Context as TraceContext
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

from ..gateway.context import Context
from ..settings import EMBEDDINGS, PAYMENTS, RERANK, SEARCHERS
from ..stages.ask import Attempt, Decision, Entered
from . import names
from .record import Record
from .webhooks import Try, start_and_end

AFTERTHOUGHTS = frozenset({"store", "not_stored", "wait", "waited", "failed"})
"""Decisions that say what came of another, which is the stage's."""


@dataclass(slots=True)
class Content:
    """What was said, masked: each message with its role, the system text, and the answer of each attempt."""

    messages: list[tuple[str, str]] = field(default_factory=list)
    system: str | None = None
    answers: list[str | None] = field(default_factory=list)


@dataclass(slots=True)
class Kept:
    """All that the spans of one request are made of."""

    record: Record
    span_id: str
    parent_span_id: str | None
    started_s: float
    ended_s: float
    thread_id: str | None
    link: str | None = None
    deadline_s: float | None = None
    entered: Sequence[Entered] = ()
    path: Sequence[Decision] = ()
    attempts: Sequence[Attempt] = ()
    content: Content | None = None

    @classmethod
    def of(cls, context: Context, record: Record) -> "Kept":
        """From a request that has ended; keeps nothing of what was said."""
        kept = cls(
            record,
            context.traceparent[36:52],
            context.parent_span_id,
            context.started_s,
            context.ended_s,
            context.thread_id,
            context.link,
        )
        ask = context.ask
        if ask is not None:
            kept.deadline_s = round(ask.allowed_s, 3)
            kept.entered, kept.path, kept.attempts = ask.entered, ask.path, ask.attempts
        return kept


class GivenIds(IdGenerator):
    """The SDK's ids, except where a span has one already: the client and the provider were told of it."""

    def __init__(self) -> None:
        self._random = RandomIdGenerator()
        self.span_id: int | None = None
        self.trace_id: int | None = None

    def generate_span_id(self) -> int:
        """The given id, once; else a new one."""
        given, self.span_id = self.span_id, None
        return given or self._random.generate_span_id()

    def generate_trace_id(self) -> int:
        """The given id, once; else a new one."""
        given, self.trace_id = self.trace_id, None
        return given or self._random.generate_trace_id()


class Assembler:
    """Makes spans; one thread at a time."""

    def __init__(self, tracer: Tracer, ids: GivenIds) -> None:
        self._tracer = tracer
        self._ids = ids

    def assemble(self, kept: Kept) -> Span:
        """Start and end every span of the request; the server's is returned."""
        record = kept.record
        offset_s = record["t"] - kept.started_s
        self._ids.trace_id, self._ids.span_id = int(record["trace_id"], 16), int(kept.span_id, 16)
        root = self._tracer.start_span(
            f"{record['method']} {record['endpoint']}",
            context=_remote(record["trace_id"], kept.parent_span_id),
            kind=SpanKind.SERVER if kept.link is None else SpanKind.CONSUMER,
            attributes=_server_attributes(kept),
            links=None if kept.link is None else [Link(_span_context(kept.link[3:35], kept.link[36:52]))],
            start_time=ns(record["t"]),
        )
        self._ids.trace_id = None
        common = {names.REQUEST_ID: record["request_id"], names.WEIGHT: record["weight"]}
        ends = _ends(kept)
        spans: dict[Entered, Span] = {}
        for entered in kept.entered:
            parent = spans.get(entered.parent, root) if entered.parent is not None else root
            spans[entered] = self._tracer.start_span(
                entered.stage,
                context=set_span_in_context(parent),
                attributes={**common, names.STAGE: entered.stage, names.LEFT: round(entered.left_s, 3)},
                start_time=ns(entered.started_s + offset_s),
            )
        self._decide(kept, spans, root, offset_s)
        for number, attempt in enumerate(kept.attempts):
            parent = spans.get(attempt.parent, root) if attempt.parent is not None else root
            self._attempt(kept, number, attempt, parent, offset_s, common)
        for entered, span in spans.items():
            if entered.error is not None:
                span.set_attribute(names.ERROR, entered.error)
                span.set_status(Status(StatusCode.ERROR, entered.error))
            span.end(ns(ends[entered] + offset_s))
        if record["outcome"] in ("failed", "broken", "unavailable"):
            root.set_status(Status(StatusCode.ERROR, record["error"] or record["outcome"]))
        root.end(ns(kept.ended_s + offset_s))
        return root

    def webhook(self, tried: Try) -> None:
        """Start and end the span of a try to deliver a message."""
        self._ids.trace_id, self._ids.span_id = int(tried.trace_id, 16), int(tried.span_id, 16)
        start_and_end(self._tracer, tried)
        self._ids.trace_id = None

    def _decide(self, kept: Kept, spans: Mapping[Entered, Span], root: Span, offset_s: float) -> None:
        """Put every decision on the span of the passage in which it was taken."""
        last: dict[Entered, Decision] = {}
        for decision in kept.path:
            stage, what, at_s, inputs = decision
            entered = _passage(kept.entered, stage, kept.started_s + at_s)
            span = root if entered is None else spans[entered]
            span.add_event(what, _plain(inputs), timestamp=ns(kept.started_s + at_s + offset_s))
            if entered is not None and (what not in AFTERTHOUGHTS or entered not in last):
                last[entered] = decision
        for entered, (_, what, _, inputs) in last.items():
            spans[entered].set_attribute(names.DECISION, what)
            spans[entered].set_attributes({names.INPUT + name: value for name, value in _plain(inputs).items()})

    def _attempt(
        self, kept: Kept, number: int, attempt: Attempt, parent: Span, offset_s: float, common: dict[str, Any]
    ) -> None:
        operation = operation_of(attempt.provider)
        before = _before(kept.attempts, number)
        self._ids.span_id = int(attempt.span_id, 16)
        span = self._tracer.start_span(
            operation if operation == attempt.model else f"{operation} {attempt.model}",
            context=set_span_in_context(parent),
            kind=SpanKind.CLIENT,
            attributes={**common, names.OPERATION: operation, **_attempt_attributes(kept, attempt)},
            links=[_link(before, parent)] if before is not None else None,
            start_time=ns(attempt.started_s + offset_s),
        )
        if kept.content is not None and operation == names.CHAT_OPERATION:
            answer = kept.content.answers[number]
            span.set_attributes(content_attributes(kept.content, answer, attempt.finish_reason))
        if attempt.first_token_s is not None:
            span.add_event("first_token", timestamp=ns(attempt.started_s + attempt.first_token_s + offset_s))
        if attempt.status != "ok":
            span.set_attribute(names.ERROR, attempt.status)
            span.set_status(Status(StatusCode.ERROR, attempt.status))
        span.end(ns(attempt.started_s + (attempt.duration_s or 0) + offset_s))


def operation_of(provider: str) -> str:
    """What a call to this provider is, in the conventions' words where they have one."""
    others = {
        PAYMENTS: names.PAYMENT_OPERATION,
        EMBEDDINGS: names.EMBEDDINGS_OPERATION,
        RERANK: names.RERANK_OPERATION,
    }
    return others.get(provider, names.CHAT_OPERATION)


def _before(attempts: Sequence[Attempt], number: int) -> Attempt | None:
    """The attempt before this one that was made for the same end: an answer, a vector, an order."""
    end = attempts[number].provider if attempts[number].provider in SEARCHERS else ""
    for attempt in reversed(attempts[:number]):
        if (attempt.provider if attempt.provider in SEARCHERS else "") == end:
            return attempt
    return None


def _link(before: Attempt, parent: Span) -> Link:
    """To the attempt before in the same trace: what this one is a retry of, or was asked instead of."""
    here = parent.get_span_context()
    return Link(SpanContext(here.trace_id, int(before.span_id, 16), is_remote=False, trace_flags=here.trace_flags))


def _server_attributes(kept: Kept) -> dict[str, Any]:
    record = kept.record
    given = {
        names.METHOD: record["method"],
        names.ENDPOINT: record["endpoint"],
        names.STATUS: record["status"],
        names.ERROR: record["error"],
        names.USER: record["user"],
        names.REQUEST_ID: record["request_id"],
        names.TENANT: record["tenant"],
        names.ROUTE: record["route"],
        names.STREAM: record["stream"] if record["route"] else None,
        names.OUTCOME: record["outcome"],
        names.SOURCE: record["source"],
        names.DEGRADED: record["degraded"] or None,
        names.DEADLINE: kept.deadline_s,
        names.FIRST_TOKEN: record["first_token_ms"],
        names.COST: record["cost_nano_usd"],
        names.CONVERSATION: kept.thread_id,
        names.KEPT: record["kept"],
        names.WEIGHT: record["weight"],
    }
    return {name: value for name, value in given.items() if value is not None}


def _attempt_attributes(kept: Kept, attempt: Attempt) -> dict[str, Any]:
    usage, cost = attempt.usage, attempt.cost_nano_usd
    given = {
        names.PROVIDER: attempt.provider,
        names.MODEL: attempt.model,
        names.ATTEMPT: attempt.number,
        names.ATTEMPT_STATUS: attempt.status,
        names.STATUS: attempt.upstream_status,
        names.EXACT: attempt.exact,
    }
    if attempt.provider != PAYMENTS:
        given |= {
            names.RESPONSE_MODEL: attempt.response_model,
            names.RESPONSE_ID: attempt.response_id,
            names.FINISH_REASONS: [attempt.finish_reason] if attempt.finish_reason else None,
            names.INPUT_TOKENS: usage.input_tokens,
            names.CACHED_TOKENS: usage.cached_tokens or None,
            names.CACHE_WRITE_TOKENS: usage.cache_write_tokens or None,
            names.ATTEMPT_FIRST_TOKEN: None if attempt.first_token_s is None else round(attempt.first_token_s * 1e3, 3),
            names.COST_USD: None if cost is None else cost / 1e9,
            names.UNPRICED: True if cost is None else None,
        }
        if attempt.provider not in SEARCHERS:
            given |= {
                names.OUTPUT_TOKENS: usage.output_tokens,
                names.STREAMED: kept.record["stream"],
                names.MAX_TOKENS: kept.record["max_tokens"],
            }
    return {name: value for name, value in given.items() if value is not None}


def content_attributes(content: Content, answer: str | None, finish_reason: str | None) -> dict[str, Any]:
    """Question and answer in the form of the conventions for generative AI, as JSON."""
    asked = [{"role": role, "parts": [{"type": "text", "content": text}]} for role, text in content.messages]
    given = {names.INPUT_MESSAGES: as_json(asked)}
    if content.system:
        given[names.SYSTEM] = as_json([{"type": "text", "content": content.system}])
    if answer is not None:
        said = {"role": "assistant", "parts": [{"type": "text", "content": answer}], "finish_reason": finish_reason}
        given[names.OUTPUT_MESSAGES] = as_json([said])
    return given


def as_json(value: object) -> str:
    """As a string of JSON, which is how attributes hold what is nested."""
    return orjson.dumps(value).decode()


def _passage(entered: Sequence[Entered], stage: str, at_s: float) -> Entered | None:
    """The latest passage through ``stage`` that had begun by then."""
    for passage in reversed(entered):
        if passage.stage == stage and passage.started_s <= at_s:
            return passage
    return None


def _ends(kept: Kept) -> dict[Entered, float]:
    """When each passage ended: a stream goes on after its stage returned, and its stages last as long as it."""
    ends = {entered: entered.ended_s for entered in kept.entered}
    for attempt in kept.attempts:
        above, until_s = attempt.parent, attempt.started_s + (attempt.duration_s or 0)
        while above is not None:
            ends[above] = max(ends[above], until_s)
            above = above.parent
    return ends


def _plain(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs as attribute values: numbers, strings, lists of them."""
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in inputs.items() if value is not None
    }


def _remote(trace_id: str, span_id: str | None) -> TraceContext:
    """The caller's span as the parent; no parent where there was none."""
    if span_id is None:
        return TraceContext()
    return set_span_in_context(NonRecordingSpan(_span_context(trace_id, span_id)), TraceContext())


def _span_context(trace_id: str, span_id: str) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def ns(seconds: float) -> int:
    """Unix seconds as Unix nanoseconds."""
    return int(seconds * 1e9)
