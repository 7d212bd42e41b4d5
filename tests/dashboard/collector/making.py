"""Makes OTLP by hand: spans, records and their exports, as protobuf messages and as bytes."""

from __future__ import annotations

import json
import os
import time
import uuid
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from dashboard.collector import wire

T = 1_795_600_000.25
"""Unix seconds of what happens in tests that look at times."""

INSTANCE = "4711-abcd"


def value(target: Any, given: Any) -> None:
    """Set an AnyValue."""
    if isinstance(given, bool):
        target.bool_value = given
    elif isinstance(given, int):
        target.int_value = given
    elif isinstance(given, float):
        target.double_value = given
    elif isinstance(given, bytes):
        target.bytes_value = given
    elif isinstance(given, list):
        target.array_value.SetInParent()
        for item in given:
            value(target.array_value.values.add(), item)
    elif isinstance(given, dict):
        target.kvlist_value.SetInParent()
        attributes(target.kvlist_value.values, given)
    elif given is not None:
        target.string_value = given


def attributes(target: Any, given: dict[str, Any]) -> None:
    """Add KeyValues."""
    for name, item in given.items():
        value(target.add(key=name).value, item)


def resource(target: Any) -> None:
    """The service and the instance that every export here is from."""
    attributes(target.attributes, {"service.name": "gauntlet", "service.instance.id": INSTANCE})


def traces(*spans: dict[str, Any]) -> ExportTraceServiceRequest:
    """An export; each span a dictionary of its fields, `attributes` and `events` as dictionaries."""
    message = ExportTraceServiceRequest()
    resource_spans = message.resource_spans.add()
    resource(resource_spans.resource)
    scope = resource_spans.scope_spans.add()
    scope.scope.name = "tests"
    for given in spans:
        fields: dict[str, Any] = {
            "trace_id": os.urandom(16),
            "span_id": os.urandom(8),
            "name": "work",
            "start_time_unix_nano": time.time_ns(),
        } | given
        told = fields.pop("attributes", {})
        span = scope.spans.add(**fields)
        attributes(span.attributes, told)
    return message


def logs(*records: dict[str, Any]) -> ExportLogsServiceRequest:
    """An export of log records; `body` and `attributes` as plain values."""
    message = ExportLogsServiceRequest()
    resource_logs = message.resource_logs.add()
    resource(resource_logs.resource)
    scope = resource_logs.scope_logs.add()
    for given in records:
        fields: dict[str, Any] = {"time_unix_nano": time.time_ns()} | given
        told, body = fields.pop("attributes", {}), fields.pop("body", None)
        record = scope.log_records.add(**fields)
        value(record.body, body)
        attributes(record.attributes, told)
    return message


def metrics() -> tuple[ExportMetricsServiceRequest, Any]:
    """An empty export of metrics, and the list that takes them."""
    message = ExportMetricsServiceRequest()
    resource_metrics = message.resource_metrics.add()
    resource(resource_metrics.resource)
    return message, resource_metrics.scope_metrics.add().metrics


def record(**fields: Any) -> dict[str, Any]:
    """The JSON of a request's record (docs/telemetry.md)."""
    return {
        "request_id": str(uuid.uuid4()), "trace_id": uuid.uuid4().hex, "instance": INSTANCE, "t": time.time(),
        "duration_ms": 12.5, "method": "POST", "endpoint": "/chat", "status": 200, "outcome": "answered", "error": None,
        "tenant": "acme", "user": "0123456789abcdef", "route": "default", "stream": False, "source": "live",
        "degraded": [], "provider": "anthropic", "model": "claude", "finish_reason": "stop", "first_token_ms": None,
        "input_tokens": 10, "output_tokens": 20, "cached_tokens": 0, "cost_nano_usd": 1_500, "unpriced": 0,
        "saved_nano_usd": 0, "max_tokens": 100, "charge_key": None, "replayed": False, "off": [],
        "retrieval": {"passages": 5, "mode": "hybrid", "cached": True, "duration_ms": 12.5}, "kept": "ordinary",
        "weight": 20, "path": [["cache", "miss", 0.5], ["call", "ok", 2.0]], "attempts": [attempt()],
    } | fields  # fmt: skip


def attempt(**fields: Any) -> dict[str, Any]:
    """An attempt of a record; without `purpose`, which the collector then tells itself."""
    return {
        "n": 1, "target": "anthropic", "model": "claude", "status": "ok", "upstream_status": 200, "t_ms": 2.0,
        "duration_ms": 9.5, "first_token_ms": None, "input_tokens": 10, "output_tokens": 20, "cached_tokens": 0,
        "cache_write_tokens": 0, "cost_nano_usd": 1_500, "exact": True, "most_nano_usd": None,
    } | fields  # fmt: skip


def told(*records: Any) -> ExportLogsServiceRequest:
    """The export of records of requests; what is no dictionary is the body as it is."""
    bodies = (json.dumps(given) if isinstance(given, dict) else given for given in records)
    return logs(*({"event_name": "gauntlet.request", "severity_number": 9, "body": body} for body in bodies))


def as_read(message: Any) -> Any:
    """The message as the collector reads it from the wire."""
    return wire.request_of(type(message)).FromString(message.SerializeToString())
