"""Log records to rows of `log_records`. Read `arrived.sql` next, where those of requests are taken apart."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from .attributes import as_json, read
from .decoded import Decoded
from .values import Source, microseconds, plain, text

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
"""Severity numbers 1-4, 5-8, … (OpenTelemetry's log data model)."""

EVENT_ATTRIBUTE = "event.name"
"""Where senders put the event's name before log records had a field for it."""


def decode(request: Any) -> Decoded:
    """The rows of an ExportLogsServiceRequest of `wire.py`; nothing in a record is required, so none is rejected."""
    decoded = Decoded()
    now_us = time.time_ns() // 1000
    for resource_logs in request.resource_logs:
        source = Source(resource_logs.resource)
        for scope_logs in resource_logs.scope_logs:
            decoded.rows.extend(_row(record, source, now_us) for record in scope_logs.log_records)
    return decoded


def _row(record: Any, source: Source, now_us: int) -> tuple[Any, ...]:
    return (
        microseconds(record.time_unix_nano or record.observed_time_unix_nano) or now_us,
        record.severity_text or _level(record.severity_number),
        record.event_name or _event(record.attributes),
        text(plain(record.body)),
        record.trace_id.hex() or None,
        record.span_id.hex() or None,
        source.service,
        source.instance,
        as_json(record.attributes),
    )


def _event(raws: Iterable[bytes]) -> str | None:
    return next((text(attribute.value) for attribute in read(raws) if attribute.name == EVENT_ATTRIBUTE), None)


def _level(number: int) -> str | None:
    return LEVELS[(number - 1) // 4] if 1 <= number <= 24 else None
