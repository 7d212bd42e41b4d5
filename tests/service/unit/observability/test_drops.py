"""What the SDK's own parts report of their losses is counted, by signal and place."""

from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._shared_internal._processor_metrics import create_processor_metrics
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.semconv._incubating.attributes.otel_attributes import OtelComponentTypeValues

from service.observability.drops import Drops
from service.observability.outbox import Outbox


@pytest.fixture(autouse=True)
def _sdk_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")


def test_what_does_not_fit_the_sdks_queue_is_counted() -> None:
    class Hangs(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    drops = Drops()
    processor = BatchSpanProcessor(
        Hangs(), max_queue_size=4, max_export_batch_size=4, schedule_delay_millis=60_000, meter_provider=drops
    )
    metrics = create_processor_metrics(
        "traces", OtelComponentTypeValues.BATCHING_SPAN_PROCESSOR, drops, capacity=4, enabled=True
    )
    metrics.drop_items(3)
    processor.shutdown()  # type: ignore[no-untyped-call]
    assert drops.totals() == {("traces", "queue_full"): 3}


def test_what_cannot_be_sent_is_counted() -> None:
    drops = Drops()
    exporter = OTLPSpanExporter("http://127.0.0.1:9/v1/traces", timeout=0.3, meter_provider=drops)
    spans: list[ReadableSpan] = []

    class Collects(BatchSpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            spans.append(span)

    provider = TracerProvider(shutdown_on_exit=False)
    collects = Collects(exporter)
    provider.add_span_processor(collects)
    provider.get_tracer("t").start_span("a").end()
    exporter.export(spans)
    assert drops.totals() == {("traces", "not_sent"): 1}
    collects.shutdown()  # type: ignore[no-untyped-call]


def test_the_outboxs_own_losses_and_what_arrived_are_told_too() -> None:
    drops = Drops()
    outbox = Outbox(lambda _: None, lambda _: None, lambda _: None)
    drops.watch(outbox)
    outbox.dropped["logs"], outbox.failed["traces"] = 7, 1
    drops.lost("metrics", "not_sent")
    drops.sent("logs", 5)
    assert drops.totals() == {("metrics", "not_sent"): 1, ("logs", "outbox"): 7, ("traces", "failed"): 1}
    snapshot = drops.snapshot()
    assert snapshot["sent"] == {"logs": 5}
    assert {"signal": "logs", "where": "outbox", "count": 7} in snapshot["lost"]
    outbox.close(1)
