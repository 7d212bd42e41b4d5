"""Spans to rows of `spans`, and what the service's stages say in them. Read `metrics.py` next.

A span of a stage carries `gauntlet.stage` and its decision; the columns for the view `stage_decisions` are taken out
here, once, rather than from JSON at each query.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orjson import dumps

from .attributes import Attribute, as_json, json_object, read
from .decoded import Decoded
from .values import NO_LIST, Source, text

KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUSES = ("unset", "ok", "error")

STAGE = "gauntlet.stage"
DECISION = "gauntlet.stage.decision"
REQUEST = "gauntlet.request.id"
WEIGHT = "gauntlet.sampling.weight"

_NO_STAGE = (None, None, None, None, None)
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)


def decode(request: Any) -> Decoded:
    """The rows of an ExportTraceServiceRequest of `wire.py`; a span without valid ids or a start is rejected.

    Raises DecodeError.
    """
    decoded = Decoded()
    take = decoded.rows.append
    for resource_spans in request.resource_spans:
        source = Source(resource_spans.resource)
        for scope_spans in resource_spans.scope_spans:
            scope = scope_spans.scope.name or None
            for span in scope_spans.spans:
                row = _row(span, source, scope)
                if row is None:
                    decoded.reject(_problem(span))
                else:
                    take(row)
    return decoded


def _row(span: Any, source: Source, scope: str | None) -> tuple[Any, ...] | None:
    """The row; None when an id or the start is missing."""
    trace_id, span_id, start_ns, end_ns = (
        span.trace_id, span.span_id, span.start_time_unix_nano, span.end_time_unix_nano
    )  # fmt: skip
    if len(trace_id) != 16 or len(span_id) != 8 or trace_id == _NO_TRACE or span_id == _NO_SPAN or not start_ns:
        return None
    told = read(span.attributes)
    events, links = span.events, span.links
    status = span.status if span.HasField("status") else None
    return (
        trace_id.hex(),
        span_id.hex(),
        span.parent_span_id.hex() or None,
        span.name,
        _name(KINDS, span.kind),
        start_ns // 1000,
        (end_ns - start_ns) / 1e6 if end_ns else None,
        STATUSES[0] if status is None else _name(STATUSES, status.code),
        None if status is None else status.message or None,
        source.service,
        source.instance,
        scope,
        json_object([attribute.member for attribute in told]),
        _list([_event(event, start_ns) for event in events]) if events else NO_LIST,
        _list([_link(link) for link in links]) if links else NO_LIST,
        *_stage(told),
    )


def _problem(span: Any) -> str:
    """What is wrong with a span that cannot be taken."""
    for name, size in (("trace_id", 16), ("span_id", 8)):
        given = getattr(span, name)
        if len(given) != size or given == bytes(size):
            return f"span {span.name!r}: {name} is {given.hex()!r}; expected {size} bytes that are not all zero"
    return f"span {span.name!r}: start_time_unix_nano is not set"


def _stage(told: Sequence[Attribute]) -> tuple[Any, ...]:
    values = {attribute.name: attribute.value for attribute in told}
    if STAGE not in values:
        return _NO_STAGE
    weight = values.get(WEIGHT)
    return (
        text(values[STAGE]),
        text(values.get(DECISION)),
        text(values.get(REQUEST)),
        float(weight) if isinstance(weight, int | float) else None,
        json_object([attribute.input for attribute in told if attribute.input is not None]),
    )


def _name(names: tuple[str, ...], number: int) -> str:
    """The name of an enum's number; a number that is newer than this file stands for itself."""
    return names[number] if 0 <= number < len(names) else str(number)


def _list(items: Sequence[bytes]) -> bytes:
    return b"[" + b",".join(items) + b"]"


def _event(event: Any, start_ns: int) -> bytes:
    at_ms = (event.time_unix_nano - start_ns) / 1e6 if event.time_unix_nano else None
    attributes = as_json(event.attributes)
    return b'{"name":' + dumps(event.name) + b',"t_ms":' + dumps(at_ms) + b',"attributes":' + attributes + b"}"


def _link(link: Any) -> bytes:
    return dumps({"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex()})
