"""What is told of webhooks: a span per try, a record per message that ended, and how many of each there were.

A try is a trace of its own, which links to the span that caused the message; it is sampled like a request. The record
(``gauntlet.webhook``) never is: it is the service's book of what was delivered. Next: ``telemetry.py``.
"""

from dataclasses import dataclass
from typing import Any

from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, Tracer

from . import names
from .meter import Meter

ENDED_FIELDS = ("type", "outcome")


@dataclass(slots=True)
class Try:
    """One try: ``t`` in Unix seconds; ids as hex digits; ``cause`` is the traceparent of what caused the message."""

    message_id: str
    event: str
    tenant: str
    number: int
    status: int | None
    error: str | None
    t: float
    duration_s: float
    trace_id: str
    span_id: str
    cause: str | None
    weight: int = 0

    @property
    def reason(self) -> str:
        """Why its trace would be kept."""
        return "ordinary" if self.error is None else "faulted"


class WebhookMetrics:
    """The instruments."""

    def __init__(self, meter: Meter) -> None:
        self._ended = meter.counter(names.WEBHOOKS_ENDED)
        self._tries = meter.counter(names.WEBHOOK_TRIES)

    def tried(self, tried: Try) -> None:
        """Count a try."""
        self._tries.add(1, (tried.event, tried.error or "ok"))

    def ended(self, record: dict[str, Any]) -> None:
        """Count a message's end."""
        self._ended.add(1, tuple(record[name] for name in ENDED_FIELDS))


def start_and_end(tracer: Tracer, tried: Try) -> None:
    """The span of a try; whoever calls has given the tracer its ids."""
    given: dict[str, str | int | None] = {
        names.OPERATION: names.WEBHOOK_OPERATION,
        names.WEBHOOK_ID: tried.message_id,
        names.WEBHOOK_EVENT: tried.event,
        names.TENANT: tried.tenant,
        names.ATTEMPT: tried.number,
        names.STATUS: tried.status,
        names.ERROR: tried.error,
        names.WEIGHT: tried.weight,
        names.KEPT: tried.reason,
    }
    span = tracer.start_span(
        names.WEBHOOK_OPERATION,
        kind=SpanKind.CLIENT,
        attributes={name: value for name, value in given.items() if value is not None},
        links=[_link(tried.cause)] if tried.cause else None,
        start_time=int(tried.t * 1e9),
    )
    if tried.error is not None:
        span.set_status(Status(StatusCode.ERROR, tried.error))
    span.end(int((tried.t + tried.duration_s) * 1e9))


def _link(traceparent: str) -> Link:
    """To the span that a traceparent names."""
    return Link(
        SpanContext(
            int(traceparent[3:35], 16),
            int(traceparent[36:52], 16),
            is_remote=True,
            trace_flags=TraceFlags(TraceFlags.SAMPLED),
        )
    )
