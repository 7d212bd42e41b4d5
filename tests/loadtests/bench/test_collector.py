"""What the collector's benchmark sends: realistic, and never the same twice."""

from __future__ import annotations

import gzip
import json

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from loadtests.bench.collector import BATCH, GZIPPED, RECORDS, SPANS, batches


def test_a_batch_has_512_spans_with_eight_attributes_and_an_event_each() -> None:
    source, ids = batches(SPANS), set()
    for _ in range(2):
        message = ExportTraceServiceRequest.FromString(next(source))
        spans = message.resource_spans[0].scope_spans[0].spans
        ids |= {span.trace_id + span.span_id for span in spans}
        assert {(len(span.attributes), len(span.events)) for span in spans} == {(8, 1)}
    assert len(ids) == 2 * BATCH


def test_packed_batches_are_the_same_packed() -> None:
    message = ExportTraceServiceRequest.FromString(gzip.decompress(next(batches(GZIPPED))))
    assert len(message.resource_spans[0].scope_spans[0].spans) == BATCH


def test_records_have_about_the_size_of_the_services_and_ids_of_their_own() -> None:
    message = ExportLogsServiceRequest.FromString(next(batches(RECORDS)))
    bodies = [record.body.string_value for record in message.resource_logs[0].scope_logs[0].log_records]
    assert {1_200 < len(body) < 1_900 for body in bodies} == {True}
    assert len({json.loads(body)["request_id"] for body in bodies}) == BATCH
