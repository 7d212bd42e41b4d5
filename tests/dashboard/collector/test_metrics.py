"""Data points of every kind become rows of one shape."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard.collector import metrics as decoder
from tests.dashboard.collector.conftest import Written
from tests.dashboard.collector.making import as_read, metrics

AT_NS = 1_795_600_000_000_000_000


def point(data: Any, **fields: Any) -> Any:
    return data.data_points.add(time_unix_nano=AT_NS, start_time_unix_nano=AT_NS - 10**9, **fields)


def test_sums_and_gauges_have_a_value(written: Written) -> None:
    message, found = metrics()
    total = found.add(name="requests", unit="{request}")
    total.sum.aggregation_temporality, total.sum.is_monotonic = 2, True
    one = point(total.sum, as_int=2**40)
    one.attributes.add(key="endpoint").value.string_value = "/chat"
    level = found.add(name="level")
    point(level.gauge, as_double=0.25)
    point(level.gauge, as_double=9.0, flags=1)
    written.take(message)
    rows = written.sql("SELECT name, kind, unit, temporality, monotonic, value, attributes FROM metric_points")
    level_row: dict[str, Any] = {
        "name": "level",
        "kind": "gauge",
        "unit": None,
        "temporality": None,
        "monotonic": None,
        "attributes": {},
    }
    assert rows == [
        {
            "name": "requests",
            "kind": "sum",
            "unit": "{request}",
            "temporality": "cumulative",
            "monotonic": True,
            "value": 2.0**40,
            "attributes": {"endpoint": "/chat"},
        },
        {**level_row, "value": 0.25},
        {**level_row, "value": None},
    ]


def test_a_histogram_has_bounds_buckets_and_exemplars(written: Written) -> None:
    message, found = metrics()
    metric = found.add(name="duration", unit="s")
    metric.histogram.aggregation_temporality = 1
    one = point(
        metric.histogram, count=3, sum=6.0, min=1.0, max=3.0, explicit_bounds=[1.0, 2.0], bucket_counts=[1, 1, 1]
    )
    one.exemplars.add(
        trace_id=bytes(15) + b"\x01", span_id=bytes(7) + b"\x02", as_double=3.0, time_unix_nano=AT_NS + 1_500_000
    )
    written.take(message)
    (row,) = written.sql("SELECT * FROM metric_points")
    assert (row["kind"], row["temporality"], row["value"]) == ("histogram", "delta", None)
    assert (row["count"], row["sum"], row["min"], row["max"]) == (3, 6.0, 1.0, 3.0)
    assert (row["bounds"], row["buckets"]) == ([1.0, 2.0], [1, 1, 1])
    assert row["exemplars"] == [
        {
            "trace_id": "00000000000000000000000000000001",
            "span_id": "0000000000000002",
            "value": 3.0,
            "time": "2026-11-25T09:46:40.001500Z",
        }
    ]


@pytest.mark.parametrize(
    ("negative", "positive", "bounds", "buckets"),
    [
        ([], [2, 3], [1.0, 2.0, 4.0], [7, 2, 3, 0]),
        ([1], [], [-2.0, -1.0], [0, 1, 7]),
        ([1], [2, 3], [-2.0, -1.0, 1.0, 2.0, 4.0], [0, 1, 7, 2, 3, 0]),
        ([], [], [], [7]),
    ],
)
def test_an_exponential_histogram_gets_explicit_bounds(
    negative: list[int], positive: list[int], bounds: list[float], buckets: list[int]
) -> None:
    message, found = metrics()
    one = point(found.add(name="e").exponential_histogram, count=13, scale=0, zero_count=7)
    one.negative.bucket_counts.extend(negative)
    one.positive.bucket_counts.extend(positive)
    (row,) = decoder.decode(as_read(message)).rows
    assert (row[12], row[13]) == (bounds, buckets)


def test_a_summary_keeps_count_sum_and_ends() -> None:
    message, found = metrics()
    one = point(found.add(name="s").summary, count=2, sum=3.0)
    for quantile, value in ((0.0, 1.0), (0.5, 1.5), (1.0, 2.0)):
        one.quantile_values.add(quantile=quantile, value=value)
    (row,) = decoder.decode(as_read(message)).rows
    assert row[8:12] == (2, 3.0, 1.0, 2.0)


def test_points_that_make_no_sense_are_rejected_and_the_others_are_taken() -> None:
    message, found = metrics()
    point(found.add(name="good").gauge, as_int=1)
    found.add(name="empty")
    found.add(name="timeless").gauge.data_points.add(as_int=1)
    point(found.add(name="uneven").histogram, count=1, explicit_bounds=[1.0], bucket_counts=[1])
    far = point(found.add(name="far").exponential_histogram, count=1, scale=0)
    far.positive.offset = 2**30
    far.positive.bucket_counts.append(1)
    fine = point(found.add(name="fine").exponential_histogram, count=1, scale=200)
    fine.positive.bucket_counts.append(1)
    decoded = decoder.decode(as_read(message))
    assert [row[1] for row in decoded.rows] == ["good"]
    assert decoded.rejected == 5
    assert decoded.why == "metric 'empty' has no data"
