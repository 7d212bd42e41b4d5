"""The rows of a span of time: asked of the collector in parts that it sends whole, written as Parquet.

The collector bounds what it sends at once, so rows come in spans of time, each small enough to be whole. Read
`keeping.py` next: what else is kept with them.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from ..backends.collector import ARROW, QUERY_S, Collector
from ..backends.http import Refused, shaped

PAGE_ROWS = 100_000
TOOK_TOO_LONG = 408


class NotKept(Exception):
    """Nothing was kept; the words say why."""


def write(path: Path, tables: Iterator[pa.Table]) -> None:
    """Write them into one Parquet file; at least one table."""
    first = next(tables)
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        writer.write_table(first)
        for table in tables:
            if len(table):
                writer.write_table(table)


def pages(collector: Collector, view: str, since: int, until: int, page_rows: int) -> Iterator[pa.Table]:
    """All rows of a view with a time in `[since, until)` (Unix microseconds), in order of time, at least one table.

    A span with more rows than the collector sends, or finds in time, is halved until each part is whole.
    Raises Away, Refused, NotKept.
    """
    width = until - since
    while since < until:
        end = min(since + width, until)
        table = _page(collector, view, since, end, page_rows)
        if table is not None:
            yield table.sort_by("time")
            since, width = end, width * 2
        elif end - since > 1:
            width = (end - since) // 2
        else:
            raise NotKept(f"more than {page_rows:,} {view} of the same microsecond")


def _page(collector: Collector, view: str, since: int, until: int, page_rows: int) -> pa.Table | None:
    """The rows of a span; None when they are not all there."""
    span = f'"time" >= make_timestamp({since}) AND "time" < make_timestamp({until})'
    question = {"sql": f"SELECT * FROM {view} WHERE {span}", "max_rows": page_rows}  # noqa: S608 - our names, numbers
    try:
        response = collector.response("POST", "/sql", question, headers={"Accept": ARROW}, read_s=QUERY_S)
    except Refused as error:
        if error.status == TOOK_TOO_LONG:
            return None
        raise
    if response.headers.get("x-truncated") == "true":
        return None

    def read() -> pa.Table:
        with pa.ipc.open_stream(response.data) as stream:
            return stream.read_all()

    return shaped(collector, read)
