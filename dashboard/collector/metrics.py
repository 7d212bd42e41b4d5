"""Metric data points to rows of `metric_points`, one shape for every kind. Read `logs.py` next.

Exponential histograms become histograms with explicit bounds: bucket i of scale s holds (2^(i/2^s), 2^((i+1)/2^s)].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orjson import dumps

from .attributes import as_json
from .decoded import Decoded
from .values import NO_LIST, Source, iso, microseconds

TEMPORALITIES = (None, "delta", "cumulative")
NO_RECORDED_VALUE = 1
"""DataPointFlags: the series has ended, and the point's value means nothing."""

Measured = tuple[Any, ...]
"""value, count, sum, min, max, bounds, buckets."""


def decode(request: Any) -> Decoded:
    """The rows of an ExportMetricsServiceRequest of `wire.py`.

    A point without a time, or with an impossible shape, is rejected. Raises DecodeError.
    """
    decoded = Decoded()
    for resource_metrics in request.resource_metrics:
        source = Source(resource_metrics.resource)
        for scope_metrics in resource_metrics.scope_metrics:
            for metric in scope_metrics.metrics:
                _metric(metric, source, decoded)
    return decoded


def _metric(metric: Any, source: Source, decoded: Decoded) -> None:
    kind = metric.WhichOneof("data")
    if kind is None:
        decoded.reject(f"metric {metric.name!r} has no data")
        return
    data, measure = getattr(metric, kind), _MEASURES[kind]
    number = getattr(data, "aggregation_temporality", 0)
    temporality = TEMPORALITIES[number] if number < len(TEMPORALITIES) else None
    monotonic = data.is_monotonic if kind == "sum" else None
    for point in data.data_points:
        at = microseconds(point.time_unix_nano)
        if at is None:
            decoded.reject(f"metric {metric.name!r}: a point has no time_unix_nano")
            continue
        try:
            measured = _NOTHING if point.flags & NO_RECORDED_VALUE else measure(point)
        except ValueError as error:
            decoded.reject(f"metric {metric.name!r}: {error}")
            continue
        start = microseconds(point.start_time_unix_nano)
        exemplars = [_exemplar(exemplar) for exemplar in getattr(point, "exemplars", ())]
        decoded.rows.append(
            (
                at, metric.name, kind, metric.unit or None, temporality, monotonic, start, *measured,
                dumps(exemplars) if exemplars else NO_LIST, source.service, source.instance,
                as_json(point.attributes),
            )
        )  # fmt: skip


_NOTHING: Measured = (None,) * 7


def _number(point: Any) -> float | None:
    kind = point.WhichOneof("value")
    return None if kind is None else float(getattr(point, kind))


def _optional(point: Any, name: str) -> float | None:
    return getattr(point, name) if point.HasField(name) else None


def _plain_number(point: Any) -> Measured:
    return (_number(point), *_NOTHING[1:])


def _histogram(point: Any) -> Measured:
    bounds, buckets = list(point.explicit_bounds), list(point.bucket_counts)
    if buckets and len(buckets) != len(bounds) + 1:
        raise ValueError(f"{len(buckets)} buckets for {len(bounds)} bounds; expected one more bucket than bounds")
    return (None, point.count, *_spread(point), bounds, buckets)


def _spread(point: Any) -> tuple[float | None, ...]:
    return _optional(point, "sum"), _optional(point, "min"), _optional(point, "max")


def _exponential(point: Any) -> Measured:
    """Explicit bounds and buckets, from the most negative to the most positive; the zero bucket is in the middle."""
    negative, positive = _edges(point.negative, point.scale), _edges(point.positive, point.scale)
    bounds = [*(-edge for edge in reversed(negative)), *positive]
    buckets = [0, *reversed(point.negative.bucket_counts)] if negative else []
    buckets.append(point.zero_count)
    if positive:
        buckets += [*point.positive.bucket_counts, 0]
    return (None, point.count, *_spread(point), bounds, buckets)


def _edges(side: Any, scale: int) -> list[float]:
    """The edges of one side's buckets, one more than there are buckets; none without buckets."""
    if not side.bucket_counts:
        return []
    if not -10 <= scale <= 20:
        raise ValueError(f"an exponential histogram has scale {scale}; expected -10 to 20")
    try:
        return [2.0 ** ((side.offset + place) * 2.0**-scale) for place in range(len(side.bucket_counts) + 1)]
    except OverflowError:
        raise ValueError(f"an exponential histogram's offset {side.offset} is beyond any number") from None


def _summary(point: Any) -> Measured:
    """Count and sum; its lowest and highest quantile where they are minimum and maximum."""
    quantiles = {pair.quantile: pair.value for pair in point.quantile_values}
    return (None, point.count, point.sum, quantiles.get(0.0), quantiles.get(1.0), None, None)


_MEASURES: dict[str, Callable[[Any], Measured]] = {
    "gauge": _plain_number,
    "sum": _plain_number,
    "histogram": _histogram,
    "exponential_histogram": _exponential,
    "summary": _summary,
}


def _exemplar(exemplar: Any) -> dict[str, Any]:
    return {
        "trace_id": exemplar.trace_id.hex() or None,
        "span_id": exemplar.span_id.hex() or None,
        "value": _number(exemplar),
        "time": iso(exemplar.time_unix_nano),
    }
