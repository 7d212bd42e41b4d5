"""The OTLP endpoints: from a request's bytes to rows in the writer (opentelemetry.io/docs/specs/otlp).

What comes back, refusals too, is in the encoding of the request. 503 with Retry-After tells senders to try again; every
other refusal tells them not to. Read `spans.py` next, the first of the three decoders.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from google.rpc.code_pb2 import Code  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs_service
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_service
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_service

from . import body, logs, metrics, otlp_json, spans, wire
from .answers import JSON, Answer, ProblemError
from .decoded import Decoded
from .settings import MIB, Settings
from .writer import Writer

PROTOBUF = "application/x-protobuf"
RETRY_AFTER_S = 1
LOOKS = 50
BETWEEN_LOOKS_S = 0.02
"""So long a sender is kept waiting while the buffer is full, a second in all; then it is refused."""


LARGE_BYTES = MIB // 2
"""A body from this size on is decoded in a thread, so that others need not wait for it."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One of the three. `request` is the `official` message as `wire.py` reads it; `rejected` the field that counts."""

    table: str
    official: Any
    request: Any
    response: Any
    decode: Callable[[Any], Decoded]
    rejected: str


SIGNALS = {
    "/v1/traces": Signal(
        "spans",
        trace_service.ExportTraceServiceRequest,
        wire.request_of(trace_service.ExportTraceServiceRequest),
        trace_service.ExportTraceServiceResponse,
        spans.decode,
        "rejected_spans",
    ),
    "/v1/metrics": Signal(
        "metric_points",
        metrics_service.ExportMetricsServiceRequest,
        wire.request_of(metrics_service.ExportMetricsServiceRequest),
        metrics_service.ExportMetricsServiceResponse,
        metrics.decode,
        "rejected_data_points",
    ),
    "/v1/logs": Signal(
        "log_records",
        logs_service.ExportLogsServiceRequest,
        wire.request_of(logs_service.ExportLogsServiceRequest),
        logs_service.ExportLogsServiceResponse,
        logs.decode,
        "rejected_log_records",
    ),
}

_CODES = {400: Code.INVALID_ARGUMENT, 413: Code.RESOURCE_EXHAUSTED, 415: Code.INVALID_ARGUMENT, 503: Code.UNAVAILABLE}


class Receiver:
    """Takes exports; the counters are for `GET /status`."""

    def __init__(self, writer: Writer, settings: Settings) -> None:
        self._writer = writer
        self._settings = settings
        self._reading_bytes = 0
        self.accepted: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.refused = 0

    async def take(self, path: str, headers: dict[bytes, bytes], receive: body.Receive) -> Answer:
        """Accept an export, or refuse it. Raises ClientLeftError."""
        encoding = headers.get(b"content-type", b"").split(b";")[0].strip().lower().decode("latin-1")
        if encoding not in (PROTOBUF, JSON):
            return _refusal(ProblemError(415, f"content-type is {encoding!r}; expected {PROTOBUF} or {JSON}"), JSON)
        try:
            return await self._take(SIGNALS[path], encoding, headers, receive)
        except ProblemError as problem:
            return _refusal(problem, encoding)

    async def _take(self, signal: Signal, encoding: str, headers: dict[bytes, bytes], receive: body.Receive) -> Answer:
        if not await self._has_room():
            self.refused += 1
            why = self._writer.failure or "more has come than the disk could take so far"
            raise ProblemError(503, f"not now: {why}", headers={"retry-after": str(RETRY_AFTER_S)})
        sent = await body.read(receive, headers, self._settings.body_bytes)
        packing = headers.get(b"content-encoding", b"").strip().lower().decode("latin-1")
        if len(sent) >= LARGE_BYTES:
            size, decoded = await asyncio.to_thread(self._decode, signal, encoding, packing, sent)
        else:
            size, decoded = self._decode(signal, encoding, packing, sent)
        if decoded.rows:
            self._writer.put(signal.table, decoded.rows, size)
        self.accepted[signal.table] += len(decoded.rows)
        self.rejected[signal.table] += decoded.rejected
        return _accepted(signal, decoded, encoding)

    async def _has_room(self) -> bool:
        """Whether there is room for more; waits a little for it, which slows an eager sender down without a refusal."""
        for _ in range(LOOKS):
            if not self._writer.is_full:
                break
            await asyncio.sleep(BETWEEN_LOOKS_S)
        return not self._writer.is_full

    def _decode(self, signal: Signal, encoding: str, packing: str, sent: bytes) -> tuple[int, Decoded]:
        inflated = body.inflate(sent, packing, self._settings.inflated_bytes)
        try:
            encoded = otlp_json.to_protobuf(inflated, signal.official()) if encoding == JSON else inflated
            return len(inflated), signal.decode(signal.request.FromString(encoded))
        except (DecodeError, ValueError, TypeError) as error:
            raise ProblemError(400, f"the body is no {signal.official.DESCRIPTOR.name}: {error}") from error


def _accepted(signal: Signal, decoded: Decoded, encoding: str) -> Answer:
    response = signal.response()
    if decoded.rejected:
        setattr(response.partial_success, signal.rejected, decoded.rejected)
        response.partial_success.error_message = decoded.why
    return Answer(200, _encode(response, encoding), encoding)


def _refusal(problem: ProblemError, encoding: str) -> Answer:
    status = Status(code=_CODES.get(problem.status, Code.UNKNOWN), message=problem.detail)
    return Answer(problem.status, _encode(status, encoding), encoding, problem.headers)


def _encode(message: Any, encoding: str) -> bytes:
    if encoding == JSON:
        text: str = json_format.MessageToJson(message, indent=None)
        return text.encode()
    encoded: bytes = message.SerializeToString()
    return encoded
