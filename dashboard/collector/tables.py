"""The columns in which rows are handed to the store, as Arrow types. Read `schema.sql` next, which makes the tables.

The order is that of the rows that the decoders make. A span has five more columns than a learner sees: what its stage
decided, for the view `stage_decisions`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]

TEXT = pa.string()
TIME = pa.timestamp("us")
NUMBER = pa.float64()
COUNT = pa.uint64()

SPANS = pa.schema(
    [
        ("trace_id", TEXT),
        ("span_id", TEXT),
        ("parent_span_id", TEXT),
        ("name", TEXT),
        ("kind", TEXT),
        ("start_time", TIME),
        ("duration_ms", NUMBER),
        ("status", TEXT),
        ("status_message", TEXT),
        ("service", TEXT),
        ("instance", TEXT),
        ("scope", TEXT),
        ("attributes", TEXT),
        ("events", TEXT),
        ("links", TEXT),
        ("stage", TEXT),
        ("decision", TEXT),
        ("request_id", TEXT),
        ("weight", NUMBER),
        ("inputs", TEXT),
    ]
)
METRIC_POINTS = pa.schema(
    [
        ("time", TIME),
        ("name", TEXT),
        ("kind", TEXT),
        ("unit", TEXT),
        ("temporality", TEXT),
        ("monotonic", pa.bool_()),
        ("start_time", TIME),
        ("value", NUMBER),
        ("count", COUNT),
        ("sum", NUMBER),
        ("min", NUMBER),
        ("max", NUMBER),
        ("bounds", pa.list_(NUMBER)),
        ("buckets", pa.list_(COUNT)),
        ("exemplars", TEXT),
        ("service", TEXT),
        ("instance", TEXT),
        ("attributes", TEXT),
    ]
)
LOG_RECORDS = pa.schema(
    [
        ("time", TIME),
        ("severity", TEXT),
        ("event", TEXT),
        ("body", TEXT),
        ("trace_id", TEXT),
        ("span_id", TEXT),
        ("service", TEXT),
        ("instance", TEXT),
        ("attributes", TEXT),
    ]
)
TIMES = {
    "spans": "start_time",
    "metric_points": "time",
    "log_records": "time",
    "requests": "time",
    "attempts": "time",
    "decisions": "time",
}
"""Every stored table, and its column of time."""

SCHEMAS = {"spans": SPANS, "metric_points": METRIC_POINTS, "log_records": LOG_RECORDS}


def arrow(name: str, rows: Iterable[tuple[Any, ...]]) -> pa.Table:
    """Rows as the columns of a table that DuckDB can read where they are."""
    schema = SCHEMAS[name]
    columns = zip(*rows, strict=True)
    return pa.table([pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)], schema=schema)
