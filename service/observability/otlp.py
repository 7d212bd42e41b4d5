"""OpenTelemetry's SDK in one worker: spans, log records and metrics over OTLP/HTTP.

Configured by the standard ``OTEL_*`` variables (endpoint, headers, time-outs, queue sizes, resource); only a few
defaults differ from the SDK's, so that what happened shows within a second and an end takes no longer than two. A
collector that is away or slow costs no request anything: queues are bounded, and what is lost is counted. Next:
``drops.py``.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.environment_variables import (
    OTEL_BLRP_MAX_QUEUE_SIZE,
    OTEL_BLRP_SCHEDULE_DELAY,
    OTEL_BSP_SCHEDULE_DELAY,
    OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE,
    OTEL_EXPORTER_OTLP_TIMEOUT,
    OTEL_METRIC_EXPORT_INTERVAL,
    OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED,
    OTEL_SDK_DISABLED,
)
from opentelemetry.sdk.metrics.export import MetricExportResult
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from .drops import Drops
from .kept import Kept
from .meter import Meter
from .traces import Assembler, GivenIds
from .webhooks import Try

DEFAULTS = {
    OTEL_BSP_SCHEDULE_DELAY: "500",
    OTEL_BLRP_SCHEDULE_DELAY: "500",
    OTEL_BLRP_MAX_QUEUE_SIZE: "16384",
    OTEL_METRIC_EXPORT_INTERVAL: "1000",
    OTEL_EXPORTER_OTLP_TIMEOUT: "2",
    OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED: "true",
}
"""Instead of the SDK's 5 s, 1 s, 2048, 60 s and 10 s (milliseconds; the time-out in seconds). The last one lets the SDK
count what it drops."""
SCOPE = "gauntlet"


def set_defaults() -> None:
    """For variables that nobody has set."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)


def is_on() -> bool:
    """Unless ``OTEL_SDK_DISABLED`` is true."""
    return os.environ.get(OTEL_SDK_DISABLED, "").strip().lower() != "true"


def wants_deltas() -> bool:
    """Whether metrics are to begin anew with each export."""
    return os.environ.get(OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE, "").strip().lower() == "delta"


class _OneResource(Resource):
    """The resource of this process, hashed once: the SDK's encoders hash it, as JSON, for each span and record."""

    _hash = 0

    @classmethod
    def like(cls, resource: Resource) -> "_OneResource":
        made = cls(dict(resource.attributes), resource.schema_url)
        made._hash = Resource.__hash__(resource)
        return made

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or super().__eq__(other)


class Otlp:
    """The providers of this process; made in the worker itself, since it starts threads."""

    def __init__(self, *, instance: str, meter: Meter, drops: Drops) -> None:
        own: dict[str, Any] = {
            "service.name": "gauntlet",
            "service.version": version("gauntlet"),
            "service.instance.id": instance,
            "process.pid": os.getpid(),
        }
        self._resource = _OneResource.like(Resource.create(own).merge(OTELResourceDetector().detect()))
        self._scope = InstrumentationScope(SCOPE)
        self._meter, self._drops = meter, drops
        ids = GivenIds()
        self._spans = BatchSpanProcessor(OTLPSpanExporter(meter_provider=drops), meter_provider=drops)
        tracers = TracerProvider(resource=self._resource, id_generator=ids, shutdown_on_exit=False)
        tracers.add_span_processor(self._spans)
        self._assembler = Assembler(tracers.get_tracer(SCOPE), ids)
        self._records = BatchLogRecordProcessor(OTLPLogExporter(meter_provider=drops), meter_provider=drops)
        loggers = LoggerProvider(resource=self._resource, shutdown_on_exit=False)
        loggers.add_log_record_processor(self._records)
        self._logger = loggers.get_logger(SCOPE)
        self._metrics = OTLPMetricExporter()

    def trace(self, kept: Kept) -> None:
        """A kept request, as spans."""
        self._assembler.assemble(kept)

    def webhook(self, tried: Try) -> None:
        """A try to deliver a message, as a span."""
        self._assembler.webhook(tried)

    def record(
        self,
        event: str,
        body: str,
        *,
        at_ns: int | None = None,
        trace_id: int | None = None,
        span_id: int | None = None,
        severity: str = "INFO",
        attributes: dict[str, Any] | None = None,
    ) -> None:
        """A log record, of now or of ``at_ns`` (Unix)."""
        self._logger.emit(
            LogRecord(
                timestamp=at_ns or time.time_ns(),
                context=None if trace_id is None or span_id is None else _about(trace_id, span_id),
                severity_number=SeverityNumber.__members__.get(severity, SeverityNumber.INFO),
                severity_text=severity,
                body=body,
                event_name=event,
                attributes=attributes,
            )
        )

    async def export_metrics_for_ever(self) -> None:
        """Every ``OTEL_METRIC_EXPORT_INTERVAL``."""
        every_s = float(os.environ[OTEL_METRIC_EXPORT_INTERVAL]) / 1000
        while True:
            await asyncio.sleep(every_s)
            await self._export_metrics()

    async def _export_metrics(self) -> None:
        """Collect on the event loop, where everything is counted; encode and send in a thread."""
        await in_threads([self._last_metrics()])

    def _last_metrics(self) -> Callable[[], None]:
        data = self._meter.collect(self._resource, self._scope)

        def send() -> None:
            if self._metrics.export(data) is not MetricExportResult.SUCCESS:
                self._drops.lost("metrics", "not_sent")

        return send

    def ends(self) -> list[Callable[[], None]]:
        """What sends the rest and ends each signal; each may hang, so each for a thread of its own."""
        return [self._last_metrics(), self._spans.shutdown, self._records.shutdown]


def _about(trace_id: int, span_id: int) -> Context:
    span = SpanContext(trace_id, span_id, is_remote=False, trace_flags=_SAMPLED)
    return set_span_in_context(NonRecordingSpan(span), _NOTHING)


_SAMPLED, _NOTHING = TraceFlags(TraceFlags.SAMPLED), Context()


def _done(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


async def in_threads(work: Sequence[Callable[[], object]]) -> None:
    """Do all of ``work`` at once, each in a daemon thread, so that one that hangs keeps no process alive."""
    loop = asyncio.get_running_loop()
    done: list[asyncio.Future[None]] = [loop.create_future() for _ in work]

    def run(task: Callable[[], object], future: "asyncio.Future[None]") -> None:
        try:
            task()
        finally:
            try:
                loop.call_soon_threadsafe(_done, future)
            except RuntimeError:  # the loop has ended: nobody waits any more
                return

    for task, future in zip(work, done, strict=True):
        threading.Thread(target=run, args=(task, future), name="otlp", daemon=True).start()
    await asyncio.gather(*done)
