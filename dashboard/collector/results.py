"""A query's result as JSON, as an Arrow stream, or as dictionaries. Read `lookups.py` next: questions with fixed SQL.

JSON keeps every digit: decimals and integers of any size are numbers as DuckDB writes them; times are ISO 8601 in UTC;
values of type JSON are embedded; NaN and infinities, which JSON lacks, are null.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import duckdb
import orjson
import pyarrow as pa  # type: ignore[import-untyped]

from .answers import Answer, ProblemError
from .settings import MIB

ARROW = "application/vnd.apache.arrow.stream"
ROWS_AT_ONCE = 2048
LARGEST_INT = 2**64 - 1
SMALLEST_INT = -(2**63)

Cursor = duckdb.DuckDBPyConnection
Statement = duckdb.Statement | str
Parameters = Mapping[str, Any] | None
Row = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of a result is sent; `began_s` is when the question came, on the monotonic clock."""

    rows: int
    size: int
    began_s: float


def as_json(cursor: Cursor, statement: Statement, parameters: Parameters, bounds: Bounds) -> Answer:
    """`{"columns", "rows", "truncated", "took_ms"}`. Raises ProblemError when not even the first rows fit."""
    cursor.execute(statement, parameters)
    described = [(name, str(kind)) for name, kind, *_ in cursor.description or ()]
    embedded = [place for place, (_, kind) in enumerate(described) if kind == "JSON"]
    parts: list[bytes] = []
    rows, size, truncated = 0, 0, False
    for chunk in _chunks(cursor):
        fitting = chunk[: bounds.rows - rows]
        truncated = len(fitting) < len(chunk)
        # Looked at first: the encoder takes many times of what it encodes, and dies where it does not get it.
        if size + _characters(fitting) <= bounds.size:
            part = dumps([_embed(row, embedded) for row in fitting] if embedded else fitting)[1:-1]
            size += len(part)
        else:
            size = bounds.size + 1
        if size > bounds.size:
            _refuse_first(parts, bounds)
            truncated = True
            break
        rows += len(fitting)
        if part:
            parts.append(part)
        if truncated:
            break
    columns = [{"name": name, "type": kind} for name, kind in described]
    rest = {"columns": columns, "truncated": truncated, "took_ms": _took_ms(bounds)}
    return Answer(200, dumps(rest)[:-1] + b',"rows":[' + b",".join(parts) + b"]}")


def as_arrow(cursor: Cursor, statement: Statement, parameters: Parameters, bounds: Bounds) -> Answer:
    """The Arrow IPC stream; the header `x-truncated` says whether there was more. Raises as `as_json` does."""
    reader: pa.RecordBatchReader = cursor.sql(statement, params=parameters).to_arrow_reader(ROWS_AT_ONCE)
    batches: list[pa.RecordBatch] = []
    rows, size, truncated = 0, 0, False
    for batch in reader:
        fitting = batch.slice(0, bounds.rows - rows)
        size += fitting.nbytes
        truncated = len(fitting) < len(batch)
        if size > bounds.size:
            _refuse_first(batches, bounds)
            truncated = True
            break
        rows += len(fitting)
        batches.append(fitting)
        if truncated:
            break
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, reader.schema) as stream:
        for batch in batches:
            stream.write_batch(batch)
    headers = {"x-truncated": "true" if truncated else "false", "x-took-ms": f"{_took_ms(bounds)}"}
    return Answer(200, sink.getvalue().to_pybytes(), ARROW, headers)


def as_records(cursor: Cursor, statement: Statement, parameters: Parameters = None) -> list[dict[str, Any]]:
    """All rows as dictionaries, of what `dumps` can write."""
    cursor.execute(statement, parameters)
    described = [(name, str(kind)) for name, kind, *_ in cursor.description or ()]
    embedded = [place for place, (_, kind) in enumerate(described) if kind == "JSON"]
    names = [name for name, _ in described]
    return [dict(zip(names, _embed(row, embedded), strict=True)) for row in cursor.fetchall()]


def dumps(value: Any) -> bytes:
    """JSON of any value that DuckDB gives."""
    try:
        return _dumps(value)
    except TypeError:  # an integer beyond 64 bits, which is rare: only then every value is looked at
        return _dumps(_with_wide_integers(value))


def _dumps(value: Any) -> bytes:
    options = orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
    return orjson.dumps(value, default=_other, option=options)


def _other(value: Any) -> Any:
    if isinstance(value, Decimal):
        return orjson.Fragment(f"{value:f}") if value.is_finite() else None
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def _with_wide_integers(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_with_wide_integers(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _with_wide_integers(item) for key, item in value.items()}
    if isinstance(value, int) and not SMALLEST_INT <= value <= LARGEST_INT:
        return orjson.Fragment(str(value))
    return value


def _characters(value: Any) -> int:
    """The length of all text in it."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, list | tuple):
        return sum(map(_characters, value))
    if isinstance(value, dict):
        return sum(map(_characters, value.values()))
    return 0


def _chunks(cursor: Cursor) -> Iterator[Sequence[Row]]:
    while chunk := cursor.fetchmany(ROWS_AT_ONCE):
        yield chunk


def _embed(row: Row, embedded: Sequence[int]) -> Row:
    values = list(row)
    for place in embedded:
        values[place] = _parsed(values[place])
    return values


def _parsed(value: str | None) -> Any:
    """The value of a JSON column; DuckDB takes NaN for JSON, and then it stays the text that it is."""
    try:
        return None if value is None else orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def _refuse_first(parts: Sequence[object], bounds: Bounds) -> None:
    if not parts:
        raise ProblemError(400, f"the first rows alone have more than {bounds.size / MIB:g} MiB; select less of them")


def _took_ms(bounds: Bounds) -> float:
    return round((time.monotonic() - bounds.began_s) * 1000, 3)
