"""`from gauntlet import telemetry`: SQL over what the service told, as pandas frames, for notebooks.

    telemetry.sql("select outcome, count(*) as n from requests group by outcome")

The tables and views are those of docs/telemetry.md. Read `sql.py` next: the same at the terminal.
"""

import warnings

import pandas as pd  # type: ignore[import-untyped]
import pyarrow as pa  # type: ignore[import-untyped]

from door import collector

MOST_ROWS = 1_000_000


def sql(query: str, url: str | None = None) -> pd.DataFrame:
    """The result of one SELECT; `url` is the collector's, that of the running `gauntlet up` when it is None.

    Raises DoorError when no collector answers, or with DuckDB's own words for what it does not take. A result that is
    too large is cut, and a warning says so.
    """
    response = collector.arrow(url, query, MOST_ROWS)
    with pa.ipc.open_stream(response.body) as stream:
        frame = stream.read_pandas()
    if response.headers.get("x-truncated") == "true":
        warnings.warn(f"the result was cut after {len(frame):,} rows; select less", stacklevel=2)
    return frame
