"""What OpenTelemetry's own SDK sends arrives: traces, every kind of metric, logs."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import Observation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode

from tests.collector import Collector
from tests.waiting import wait_for


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip, Compression.Deflate])
def test_traces(collector: Collector, compression: Compression) -> None:
    service = f"sdk-{compression.value}"
    provider = TracerProvider(resource=Resource({"service.name": service, "service.instance.id": "i-1"}))
    exporter = OTLPSpanExporter(endpoint=f"{collector.url}/v1/traces", compression=compression)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("tests")
    with (
        tracer.start_as_current_span("outer", kind=SpanKind.SERVER, attributes={"list": [1, 2]}),
        tracer.start_as_current_span("inner", kind=SpanKind.CLIENT) as inner,
    ):
        inner.add_event("retry", {"n": 1})
        inner.set_status(StatusCode.ERROR, "no")
    provider.shutdown()
    query = f"SELECT * FROM spans WHERE service = '{service}' ORDER BY start_time"
    wait_for(lambda: len(collector.sql(query)) == 2, "both spans", within_s=15)
    outer, inner_row = collector.sql(query)
    assert (outer["kind"], outer["attributes"], outer["instance"]) == ("server", {"list": [1, 2]}, "i-1")
    assert (inner_row["kind"], inner_row["parent_span_id"]) == ("client", outer["span_id"])
    assert (inner_row["status"], inner_row["status_message"]) == ("error", "no")
    assert inner_row["events"][0]["attributes"] == {"n": 1}


@pytest.mark.parametrize("temporality", [AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA])
def test_metrics(collector: Collector, temporality: AggregationTemporality) -> None:
    service = f"sdk-{uuid.uuid4().hex}"
    exporter = OTLPMetricExporter(
        endpoint=f"{collector.url}/v1/metrics",
        preferred_temporality={Counter: temporality, Histogram: temporality},
    )
    provider = MeterProvider(
        [PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)],
        resource=Resource({"service.name": service}),
        views=[View(instrument_name="exponential", aggregation=ExponentialBucketHistogramAggregation())],
    )
    tracing = TracerProvider()
    meter = provider.get_meter("tests")
    with tracing.get_tracer("tests").start_as_current_span("measured") as span:
        meter.create_counter("counter", "{request}").add(3, {"endpoint": "/chat"})
        meter.create_histogram("histogram", "s", explicit_bucket_boundaries_advisory=[0.1, 1.0]).record(0.5)
        meter.create_histogram("exponential", "s").record(0.5)
    meter.create_up_down_counter("level").add(-2)
    meter.create_observable_gauge("gauge", [lambda _: [Observation(0.25)]])
    provider.shutdown()
    query = f"SELECT * FROM metric_points WHERE service = '{service}'"
    wait_for(lambda: len(collector.sql(query)) == 5, "every instrument", within_s=15)
    rows = {row["name"]: row for row in collector.sql(query)}
    word = temporality.name.lower()
    assert (rows["counter"]["value"], rows["counter"]["temporality"], rows["counter"]["monotonic"]) == (3, word, True)
    assert (rows["counter"]["unit"], rows["counter"]["attributes"]) == ("{request}", {"endpoint": "/chat"})
    assert (rows["histogram"]["bounds"], rows["histogram"]["buckets"]) == ([0.1, 1.0], [0, 1, 0])
    (exemplar,) = rows["histogram"]["exemplars"]
    assert (exemplar["trace_id"], exemplar["value"]) == (f"{span.get_span_context().trace_id:032x}", 0.5)
    assert rows["exponential"]["kind"] == "exponential_histogram"
    assert sum(rows["exponential"]["buckets"]) == 1
    assert (rows["level"]["value"], rows["level"]["monotonic"]) == (-2, False)
    assert (rows["gauge"]["kind"], rows["gauge"]["value"], rows["gauge"]["temporality"]) == ("gauge", 0.25, None)


def test_logs(collector: Collector) -> None:
    now = datetime.now(UTC).replace(microsecond=250_000)  # of a fixed day the collector would forget it one day
    provider = LoggerProvider(resource=Resource({"service.name": "sdk-logs"}))
    provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(endpoint=f"{collector.url}/v1/logs")))
    provider.get_logger("tests").emit(
        LogRecord(
            timestamp=int(now.timestamp()) * 10**9 + 250_000_000,
            severity_number=SeverityNumber.ERROR,
            body={"why": ["no", 1]},
            event_name="sdk.event",
            attributes={"a": 1},
        )
    )
    provider.shutdown()
    query = "SELECT * FROM log_records WHERE event = 'sdk.event'"
    wait_for(lambda: bool(collector.sql(query)), "the record", within_s=15)
    (row,) = collector.sql(query)
    assert row["time"] == now.strftime("%Y-%m-%dT%H:%M:%S.250000Z")
    assert (row["severity"], row["body"], row["attributes"]) == ("ERROR", '{"why":["no",1]}', {"a": 1})
