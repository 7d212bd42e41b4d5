"""Sends exports to a collector process, as senders do."""

from __future__ import annotations

import http.client
from typing import Any

from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from tests.collector import Collector

PROTOBUF = "application/x-protobuf"
_PATHS = {
    "ExportTraceServiceRequest": "/v1/traces",
    "ExportMetricsServiceRequest": "/v1/metrics",
    "ExportLogsServiceRequest": "/v1/logs",
}


def path_of(message: Any) -> str:
    """Where an export goes."""
    return _PATHS[type(message).__name__]


def send(collector: Collector, message: Any) -> int:
    """Send an export as protobuf; the status."""
    return post(collector, path_of(message), message.SerializeToString())[0]


def post(
    collector: Collector, path: str, body: bytes, content_type: str = PROTOBUF, **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers (lower case) of a POST; `content_encoding="gzip"` is a header."""
    connection = http.client.HTTPConnection(collector.url.removeprefix("http://"), timeout=30)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("POST", path, body, {"content-type": content_type, **named})
        response = connection.getresponse()
        return response.status, response.read(), {name.lower(): value for name, value in response.headers.items()}
    finally:
        connection.close()


def status_in(body: bytes) -> dict[str, Any]:
    """A google.rpc.Status."""
    told: dict[str, Any] = MessageToDict(Status.FromString(body), preserving_proto_field_name=True)
    return told
