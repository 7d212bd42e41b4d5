"""Counters, histograms and gauges, and what is collected of them."""

from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import AggregationTemporality
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from service.observability import meter
from service.observability.meter import Meter
from service.observability.names import Metric

CALLS = Metric("calls", "counter", "{call}", ("provider", "status"), "Calls")
TOOK = Metric("took", "histogram", "s", ("provider",), "Took", (0.1, 1.0))
LEVEL = Metric("level", "gauge", "1", ("provider",), "Level")
LOST = Metric("lost", "counter", "1", ("where",), "Lost")


def collected(meter: Meter) -> dict[str, Any]:
    data = meter.collect(Resource({}), InstrumentationScope("test"))
    (scope,) = data.resource_metrics[0].scope_metrics
    return {metric.name: metric for metric in scope.metrics}


def values(metric: Any) -> dict[tuple[Any, ...], float]:
    return {tuple(point.attributes.values()): point.value for point in metric.data.data_points}


def test_a_counter_adds_up_by_its_labels() -> None:
    meter = Meter(delta=False)
    calls = meter.counter(CALLS)
    for labels, amount in ((("a", "ok"), 1), (("a", "ok"), 2), (("b", None), 5)):
        calls.add(amount, labels)
    found = collected(meter)["calls"]
    assert values(found) == {("a", "ok"): 3, ("b",): 5}, "a label without a value is left out"
    assert (found.unit, found.data.is_monotonic) == ("{call}", True)
    assert found.data.aggregation_temporality is AggregationTemporality.CUMULATIVE
    calls.add(1, ("a", "ok"))
    assert values(collected(meter)["calls"])["a", "ok"] == 4


def test_what_has_not_changed_is_told_now_and_then_only(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Meter(delta=False)
    calls, took = made.counter(CALLS), made.distribution(TOOK)
    for provider in ("a", "b"):
        calls.add(1, (provider, "ok"))
        took.record(0.5, (provider,))
    assert len(values(collected(made)["calls"])) == 2
    assert collected(made) == {}
    calls.add(1, ("b", "ok"))
    took.record(0.5, ("a",))
    found = collected(made)
    assert values(found["calls"]) == {("b", "ok"): 2}
    assert [(dict(p.attributes), p.count) for p in found["took"].data.data_points] == [({"provider": "a"}, 2)]
    monkeypatch.setattr(made, "_all_at_s", 0)
    found = collected(made)
    assert values(found["calls"]) == {("a", "ok"): 1, ("b", "ok"): 2}
    assert len(found["took"].data.data_points) == 2


def test_deltas_begin_anew_with_each_collection() -> None:
    meter = Meter(delta=True)
    calls, took = meter.counter(CALLS), meter.distribution(TOOK)
    calls.add(3, ("a", "ok"))
    took.record(0.5, ("a",))
    first = collected(meter)
    assert first["calls"].data.aggregation_temporality is AggregationTemporality.DELTA
    assert collected(meter) == {}
    calls.add(1, ("a", "ok"))
    second = collected(meter)
    assert values(second["calls"]) == {("a", "ok"): 1}
    ended = first["calls"].data.data_points[0].time_unix_nano
    assert second["calls"].data.data_points[0].start_time_unix_nano >= ended


def test_a_histogram_counts_into_its_buckets_upper_bounds_included() -> None:
    meter = Meter(delta=False)
    took = meter.distribution(TOOK)
    for value in (0.05, 0.1, 0.5, 3.0):
        took.record(value, ("a",))
    (point,) = collected(meter)["took"].data.data_points
    assert (point.bucket_counts, point.explicit_bounds) == ([2, 1, 1], (0.1, 1.0))
    assert (point.count, point.sum, point.min, point.max) == (4, pytest.approx(3.65), 0.05, 3.0)


def test_an_exemplar_is_the_last_kept_trace_of_its_bucket_and_told_once() -> None:
    meter = Meter(delta=False)
    took = meter.distribution(TOOK)
    took.record(0.01, ("a",))
    took.record(0.02, ("a",), (1, 2))
    took.record(0.03, ("a",), (3, 4))
    took.record(5.0, ("a",), (5, 6))
    (point,) = collected(meter)["took"].data.data_points
    assert [(e.trace_id, e.span_id, e.value) for e in point.exemplars] == [(3, 4, 0.03), (5, 6, 5.0)]
    took.record(0.01, ("a",))
    assert collected(meter)["took"].data.data_points[0].exemplars == []


def test_series_beyond_the_limit_share_one_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "MOST_SERIES", 3)
    made = Meter(delta=False)
    calls, took = made.counter(CALLS), made.distribution(TOOK)
    for number in range(10):
        calls.add(1, (f"p{number}", "ok"))
        took.record(0.5, (f"p{number}",))
    calls.add(1, ("p0", "ok"))
    found = collected(made)
    assert values(found["calls"]) == {("p0", "ok"): 2, ("p1", "ok"): 1, ("p2", "ok"): 1, (True,): 7}
    assert [dict(p.attributes) for p in found["calls"].data.data_points][-1] == {"otel.metric.overflow": True}
    assert sum(point.count for point in found["took"].data.data_points) == 10
    assert len(found["took"].data.data_points) == 4


def test_gauges_and_totals_are_read_at_collection() -> None:
    meter = Meter(delta=True)
    level, lost = {"a": 1.0}, {("queue",): 2}
    meter.gauge(LEVEL, lambda: [((name,), value) for name, value in level.items()])
    meter.total(LOST, lambda: lost)
    assert values(collected(meter)["level"]) == {("a",): 1.0}
    level.clear()
    found = collected(meter)
    assert "level" not in found
    assert values(found["lost"]) == {("queue",): 2}, "a total is never a delta"
    assert found["lost"].data.aggregation_temporality is AggregationTemporality.CUMULATIVE
