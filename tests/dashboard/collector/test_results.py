"""Results as JSON: whatever DuckDB can select arrives whole; and cut where it is too much."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
import pytest

from dashboard.collector.answers import ProblemError
from dashboard.collector.results import Bounds, as_arrow, as_json


@pytest.fixture
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        yield database


def bounds(rows: int = 100, size: int = 10**6) -> Bounds:
    return Bounds(rows, size, time.monotonic())


VALUES: list[tuple[str, Any]] = [
    ("1.50::DECIMAL(10,2)", Decimal("1.50")),
    ("'12345678901234567890.123456789'::DECIMAL(38,9)", Decimal("12345678901234567890.123456789")),
    ("170141183460469231731687303715884105727::HUGEINT", 170141183460469231731687303715884105727),
    ("[170141183460469231731687303715884105727::HUGEINT, NULL]", [170141183460469231731687303715884105727, None]),
    ("18446744073709551615::UBIGINT", 18446744073709551615),
    ("sum(3::BIGINT)", 3),
    ("'nan'::DOUBLE", None),
    ("'-infinity'::FLOAT", None),
    ("TIMESTAMP '2026-11-25 09:46:40.25'", "2026-11-25T09:46:40.250000Z"),
    ("TIMESTAMPTZ '2026-11-25 09:46:40+02'", "2026-11-25T07:46:40Z"),
    ("DATE '2026-11-25'", "2026-11-25"),
    ("TIME '09:46:40'", "09:46:40"),
    ("INTERVAL 90 SECONDS", 90.0),
    ("'290000-01-01'::TIMESTAMP", "290000-01-01 00:00:00"),
    ("'00000000-0000-0000-0000-000000000001'::UUID", "00000000-0000-0000-0000-000000000001"),
    ("'\\xAB'::BLOB", "ab"),
    ("[[1, 2], []]", [[1, 2], []]),
    ("{'a': [1.5::DECIMAL(3,1)], 'b': NULL}", {"a": [Decimal("1.5")], "b": None}),
    ("MAP {7: 'x'}", {"7": "x"}),
    ("'{\"a\": [1, null]}'::JSON", {"a": [1, None]}),
    ("'NaN'::JSON", "NaN"),
    ("NULL::JSON", None),
    ("'a\"b\\ü'", 'a"b\\ü'),
    ("true", True),
]


@pytest.mark.parametrize(("sql", "value"), VALUES, ids=[sql for sql, _ in VALUES])
def test_a_value_survives(database: duckdb.DuckDBPyConnection, sql: str, value: Any) -> None:
    answer = as_json(database, f"SELECT {sql} AS v", None, bounds())
    document = json.loads(answer.body, parse_float=Decimal)
    assert document["rows"] == [[value]]


def test_columns_have_names_and_types_also_when_there_is_no_row(database: duckdb.DuckDBPyConnection) -> None:
    answer = as_json(database, "SELECT 1 AS a, [0.5::DOUBLE] AS b, 'x' AS a WHERE false", None, bounds())
    document = json.loads(answer.body)
    assert [column["name"] for column in document["columns"]] == ["a", "b", "a"]
    assert [column["type"] for column in document["columns"]] == ["INTEGER", "DOUBLE[]", "VARCHAR"]
    assert (document["rows"], document["truncated"]) == ([], False)


@pytest.mark.parametrize(
    ("rows", "most", "got", "truncated"), [(5000, 5000, 5000, False), (5000, 4999, 4999, True), (3, 2, 2, True)]
)
def test_more_rows_than_wanted_are_cut_and_it_is_said(
    database: duckdb.DuckDBPyConnection, rows: int, most: int, got: int, truncated: bool
) -> None:
    document = json.loads(as_json(database, f"FROM range({rows})", None, bounds(most)).body)
    assert document["rows"] == [[number] for number in range(got)]
    assert document["truncated"] is truncated
    streamed = as_arrow(database, f"FROM range({rows})", None, bounds(most))
    with pa.ipc.open_stream(streamed.body) as stream:
        assert stream.read_all().num_rows == got
    assert streamed.headers["x-truncated"] == ("true" if truncated else "false")


@pytest.mark.parametrize("encode", [as_json, as_arrow])
def test_a_large_result_is_cut_and_a_row_too_large_is_refused(database: duckdb.DuckDBPyConnection, encode: Any) -> None:
    cut = encode(database, "SELECT repeat('x', 100) FROM range(100000)", None, bounds(100_000, 1_000_000))
    assert len(cut.body) < 2_000_000
    assert b'"truncated":true' in cut.body or cut.headers["x-truncated"] == "true"
    with pytest.raises(ProblemError, match="the first rows alone"):
        encode(database, "SELECT repeat('x', 2000000)", None, bounds(10, 1_000_000))


def test_arrow_keeps_what_json_cannot(database: duckdb.DuckDBPyConnection) -> None:
    streamed = as_arrow(database, "SELECT 'nan'::DOUBLE AS v", None, bounds())
    with pa.ipc.open_stream(streamed.body) as stream:
        assert math.isnan(stream.read_all()["v"][0].as_py())
