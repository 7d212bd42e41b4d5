"""Counting: counters, histograms and gauges that cost a dictionary look-up each.

The SDK's own instruments take 15 us for one measurement (measured, ``docs/adr/0009``) and a request makes some thirty;
these take well under one. What they collect is the SDK's data, which its OTLP exporter sends; exemplars come only from
traces that were kept, so that each leads somewhere. All of it belongs to the event loop's thread. Next: ``metrics.py``.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from . import names

Labels = tuple[Any, ...]
MOST_SERIES = 2000
"""Per instrument; what comes after shares one series (OpenTelemetry's cardinality limit)."""
ALL_EVERY_S = 15.0
"""Well within the five minutes after which Prometheus takes a series for gone."""
OVERFLOW = "otel.metric.overflow"
_OVERFLOW: Labels = (OVERFLOW,)


class Counter:
    """A sum that only grows."""

    def __init__(self, metric: names.Metric) -> None:
        self.metric = metric
        self.values: dict[Labels, int | float] = {}
        self.changed: set[Labels] = set()

    def add(self, amount: float, labels: Labels = ()) -> None:
        """Add ``amount`` to the series with these label values, in the order of the metric's labels."""
        values = self.values
        if labels not in values and len(values) >= MOST_SERIES:
            labels = _OVERFLOW
        values[labels] = values.get(labels, 0) + amount
        self.changed.add(labels)


@dataclass(slots=True)
class _Distribution:
    buckets: list[int]
    count: int = 0
    total: float = 0.0
    least: float = float("inf")
    most: float = float("-inf")
    exemplars: dict[int, Exemplar] = field(default_factory=dict)


class Distribution:
    """A histogram with the metric's bounds."""

    def __init__(self, metric: names.Metric) -> None:
        self.metric = metric
        self.series: dict[Labels, _Distribution] = {}
        self.changed: set[Labels] = set()

    def record(self, value: float, labels: Labels = (), exemplar: tuple[int, int] | None = None) -> None:
        """Count ``value``; ``exemplar`` is the trace id and the span id of a trace that is kept."""
        series = self.series.get(labels)
        if series is None:
            if len(self.series) >= MOST_SERIES:
                labels = _OVERFLOW
            series = self.series.setdefault(labels, _Distribution([0] * (len(self.metric.bounds) + 1)))
        self.changed.add(labels)
        place = bisect_left(self.metric.bounds, value)
        series.buckets[place] += 1
        series.count += 1
        series.total += value
        series.least, series.most = min(series.least, value), max(series.most, value)
        if exemplar is not None:
            series.exemplars[place] = Exemplar({}, value, time.time_ns(), exemplar[1], exemplar[0])


Reading = Iterable[tuple[Labels, float]]


class Meter:
    """All instruments of a worker. ``delta``: each collection starts anew, else sums run from the start.

    A sum or histogram that has not changed is collected again only every ``ALL_EVERY_S``: most series rest most of the
    time, and telling each of a few hundred every second took a twentieth of a core.
    """

    def __init__(self, *, delta: bool) -> None:
        self._delta = delta
        self._all_at_s = 0.0
        self._started_ns = self._since_ns = time.time_ns()
        self._counters: list[Counter] = []
        self._distributions: list[Distribution] = []
        self._totals: list[tuple[names.Metric, Callable[[], Mapping[Labels, int]]]] = []
        self._gauges: list[tuple[names.Metric, Callable[[], Reading]]] = []

    def counter(self, metric: names.Metric) -> Counter:
        """A new counter."""
        self._counters.append(Counter(metric))
        return self._counters[-1]

    def distribution(self, metric: names.Metric) -> Distribution:
        """A new histogram."""
        self._distributions.append(Distribution(metric))
        return self._distributions[-1]

    def total(self, metric: names.Metric, read: Callable[[], Mapping[Labels, int]]) -> None:
        """Ask ``read`` at each collection for the sums since the start."""
        self._totals.append((metric, read))

    def gauge(self, metric: names.Metric, read: Callable[[], Reading]) -> None:
        """Ask ``read`` for label values and number at each collection."""
        self._gauges.append((metric, read))

    def collect(self, resource: Resource, scope: InstrumentationScope) -> MetricsData:
        """What was counted until now, in the SDK's form."""
        now_ns = time.time_ns()
        every = time.monotonic() >= self._all_at_s
        if every:
            self._all_at_s = time.monotonic() + ALL_EVERY_S
        temporality = AggregationTemporality.DELTA if self._delta else AggregationTemporality.CUMULATIVE
        found: list[Metric] = []
        for counter in self._counters:
            if told := list(counter.values) if every else list(counter.changed):
                sums = [
                    NumberDataPoint(_attributes(counter.metric, labels), self._since_ns, now_ns, counter.values[labels])
                    for labels in told
                ]
                counter.changed.clear()
                found.append(_metric(counter.metric, Sum(sums, temporality, is_monotonic=True)))
        for distribution in self._distributions:
            if told := list(distribution.series) if every else list(distribution.changed):
                points = [
                    _histogram_point(distribution.metric, labels, distribution.series[labels], self._since_ns, now_ns)
                    for labels in told
                ]
                distribution.changed.clear()
                found.append(_metric(distribution.metric, Histogram(points, temporality)))
        for metric, total in self._totals:
            # Kept by others, from the start on, whatever the counters here do.
            totals = [
                NumberDataPoint(_attributes(metric, labels), self._started_ns, now_ns, value)
                for labels, value in total().items()
            ]
            if totals:
                found.append(_metric(metric, Sum(totals, AggregationTemporality.CUMULATIVE, is_monotonic=True)))
        for metric, read in self._gauges:
            levels = [NumberDataPoint(_attributes(metric, labels), 0, now_ns, value) for labels, value in read()]
            if levels:
                found.append(_metric(metric, Gauge(levels)))
        if self._delta:
            self._since_ns = now_ns
            for counter in self._counters:
                counter.values = {}
            for distribution in self._distributions:
                distribution.series = {}
        return MetricsData([ResourceMetrics(resource, [ScopeMetrics(scope, found, "")], "")])


def _metric(metric: names.Metric, data: Any) -> Metric:
    return Metric(name=metric.name, description=metric.description, unit=metric.unit, data=data)


def _attributes(metric: names.Metric, labels: Labels) -> dict[str, Any]:
    if labels == _OVERFLOW:
        return {OVERFLOW: True}
    return {name: value for name, value in zip(metric.labels, labels, strict=True) if value is not None}


def _histogram_point(
    metric: names.Metric, labels: Labels, series: _Distribution, since_ns: int, now_ns: int
) -> HistogramDataPoint:
    exemplars, series.exemplars = list(series.exemplars.values()), {}
    return HistogramDataPoint(
        attributes=_attributes(metric, labels),
        start_time_unix_nano=since_ns,
        time_unix_nano=now_ns,
        count=series.count,
        sum=series.total,
        bucket_counts=list(series.buckets),
        explicit_bounds=metric.bounds,
        min=series.least,
        max=series.most,
        exemplars=exemplars,
    )
