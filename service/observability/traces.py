"""A kept request as spans: the server's, one per passage through a stage, one per attempt at a provider.

They are made after the request has ended, from what the chain noted, through the SDK's tracer with the times of then;
so a trace that is not kept costs nothing. A stage's decisions are events on its span, the one that counts and what it
was made from are attributes. A back-off is time of the retry stage, never of a provider's span. Next: ``outbox.py``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

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

from ..settings import SEARCHERS
from ..stages.ask import Attempt, Decision, Entered
from . import names
from .attributes import attempt_attributes, content_attributes, operation_of, plain, server_attributes
from .kept import Kept
from .webhooks import Try, start_and_end

AFTERTHOUGHTS = frozenset({"store", "not_stored", "wait", "waited", "failed"})
"""Decisions that say what came of another, which is the stage's."""


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
            attributes=server_attributes(kept),
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
            span.add_event(what, plain(inputs), timestamp=ns(kept.started_s + at_s + offset_s))
            if entered is not None and (what not in AFTERTHOUGHTS or entered not in last):
                last[entered] = decision
        for entered, (_, what, _, inputs) in last.items():
            spans[entered].set_attribute(names.DECISION, what)
            spans[entered].set_attributes({names.INPUT + name: value for name, value in plain(inputs).items()})

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
            attributes={**common, names.OPERATION: operation, **attempt_attributes(kept, attempt)},
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
