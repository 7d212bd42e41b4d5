"""A service that tells what a test wants told: records, lives of workers and traces, by the stock OTLP exporters.

`collector.py` starts what listens. Everything is sent at once, and `Teller.told` waits until it can be read.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from loadtests.books.service import Record

from .collector import Collector

USUAL: dict[str, Any] = {
    "method": "POST",
    "endpoint": "/chat",
    "status": 200,
    "outcome": "answered",
    "error": None,
    "tenant": "acme",
    "user": None,
    "route": "default",
    "stream": False,
    "source": "live",
    "degraded": [],
    "provider": None,
    "model": None,
    "finish_reason": None,
    "first_token_ms": None,
    "input_tokens": 0,
    "output_tokens": 0,
    "cached_tokens": 0,
    "cost_nano_usd": 0,
    "unpriced": 0,
    "saved_nano_usd": 0,
    "max_tokens": 1024,
    "charge_key": None,
    "replayed": False,
    "off": [],
    "kept": None,
    "weight": 0,
    "duration_ms": 12.5,
    "path": [],
    "attempts": [],
}
"""A record of a request at which nothing happened (docs/telemetry.md)."""


def attempt(n: int, target: str, model: str, **given: Any) -> dict[str, Any]:
    """An attempt of a record, well unless said otherwise."""
    usual: dict[str, Any] = {
        "status": "ok",
        "upstream_status": 200,
        "t_ms": 1.0,
        "duration_ms": 10.0,
        "first_token_ms": None,
        "input_tokens": 0,
        "output_tokens": 0,
        "cached_tokens": 0,
        "cache_write_tokens": 0,
        "cost_nano_usd": 0,
        "exact": True,
        "most_nano_usd": None,
    }
    return {"n": n, "target": target, "model": model, **usual, **given}


def ns(t: float) -> int:
    """Unix seconds as nanoseconds."""
    return int(t * 1e9)


class Teller:
    """One worker process, as the collector sees it."""

    def __init__(self, collector: Collector, instance: str = "4711-ab") -> None:
        self._collector = collector
        self.instance = instance
        self._resource = resource = Resource({"service.name": "gauntlet", "service.instance.id": instance})
        self._logs = LoggerProvider(resource=resource, shutdown_on_exit=False)
        self._logs.add_log_record_processor(
            BatchLogRecordProcessor(OTLPLogExporter(endpoint=f"{collector.url}/v1/logs"))
        )
        self._spans = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{collector.url}/v1/traces")))
        self._logger, self._tracer = self._logs.get_logger("test"), self._spans.get_tracer("test")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._logs.shutdown()
        self._spans.shutdown()

    def event(self, event: str, body: str = "", *, t: float | None = None, span: SpanContext | None = None) -> None:
        """A log record of any kind."""
        context = Context() if span is None else set_span_in_context(NonRecordingSpan(span), Context())
        self._logger.emit(
            LogRecord(
                timestamp=ns(time.time() if t is None else t),
                context=context,
                severity_number=SeverityNumber.INFO,
                severity_text="INFO",
                body=body or event,
                event_name=event,
            )
        )

    def started(self, t: float | None = None) -> None:
        """The worker lives."""
        self.event("gauntlet.worker.started", t=t)

    def dropped(self, count: int) -> None:
        """So many log records could not be delivered, it says."""
        exporter = OTLPMetricExporter(endpoint=f"{self._collector.url}/v1/metrics")
        reader = PeriodicExportingMetricReader(exporter, export_interval_millis=60_000)
        meters = MeterProvider([reader], self._resource, shutdown_on_exit=False)
        counter = meters.get_meter("test").create_counter("gauntlet.telemetry.dropped")
        counter.add(count, {"gauntlet.signal": "logs", "gauntlet.state": "not_sent"})
        counter.add(99, {"gauntlet.signal": "traces", "gauntlet.state": "not_sent"})
        meters.shutdown()

    def works(self) -> None:
        """It works through the queue, and tells how long that is."""
        exporter = OTLPMetricExporter(endpoint=f"{self._collector.url}/v1/metrics")
        reader = PeriodicExportingMetricReader(exporter, export_interval_millis=60_000)
        meters = MeterProvider([reader], self._resource, shutdown_on_exit=False)
        meters.get_meter("test").create_gauge("gauntlet.queue.waiting").set(0, {"gauntlet.queue.lane": "jobs"})
        meters.shutdown()

    def stopped(self, t: float | None = None) -> None:
        """It was ended in order."""
        self.event("gauntlet.worker.stopped", t=t)

    def record(self, request_id: str = "", *, t: float | None = None, span_id: int = 0, **given: Any) -> dict[str, Any]:
        """A request; returned as it was told."""
        told = {
            "request_id": request_id or str(uuid.uuid4()),
            "trace_id": uuid.uuid4().hex,
            "instance": self.instance,
            "t": time.time() if t is None else t,
            **USUAL,
            **given,
        }
        span = SpanContext(int(told["trace_id"], 16), span_id or uuid.uuid4().int >> 64, False, TraceFlags(1))
        self.event("gauntlet.request", json.dumps(told), t=told["t"], span=span)
        return told

    def again(self, record: Record) -> dict[str, Any]:
        """A record of the books, told by this worker."""
        own = asdict(record)
        return self.record(**{**own, "instance": self.instance})

    def trace(self, record: Mapping[str, Any], tree: Sequence[Any]) -> None:
        """The spans of a record: each is (name, at ms, for ms, attributes, events, spans within)."""
        begun = SpanContext(int(record["trace_id"], 16), 1, is_remote=True, trace_flags=TraceFlags(1))
        self._grow(record["t"], tree, set_span_in_context(NonRecordingSpan(begun), Context()))

    def _grow(self, t: float, tree: Sequence[Any], parent: Context) -> None:
        for name, at_ms, for_ms, attributes, events, within in tree:
            kind = {"POST": SpanKind.SERVER, "chat": SpanKind.CLIENT}.get(name.split()[0], SpanKind.INTERNAL)
            began = t + at_ms / 1000
            span: Span = self._tracer.start_span(name, parent, kind, attributes, start_time=ns(began))
            for what, event_ms, inputs in events:
                span.add_event(what, inputs, timestamp=ns(t + event_ms / 1000))
            if attributes.get("gauntlet.attempt.status", "ok") != "ok":
                span.set_status(Status(StatusCode.ERROR))
            self._grow(t, within, set_span_in_context(span))
            span.end(ns(began + for_ms / 1000))

    def told(self) -> None:
        """Send all, and wait until it can be read."""
        mark = f"mark-{uuid.uuid4().hex}"
        self.event(mark)
        self._logs.force_flush()
        self._spans.force_flush()
        deadline = time.monotonic() + 20
        while not self._collector.sql(f"select 1 from log_records where event = '{mark}'"):
            assert time.monotonic() < deadline, "what was told cannot be read"
            time.sleep(0.02)
