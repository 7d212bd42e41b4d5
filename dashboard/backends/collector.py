"""The collector: SQL, requests and traces (docs/telemetry.md, "The collector over HTTP"). Read `service.py` next."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pandas as pd  # type: ignore[import-untyped]
import pyarrow as pa  # type: ignore[import-untyped]

from .http import Backend, understood

ARROW = "application/vnd.apache.arrow.stream"
QUERY_S = 6.0
"""A little more than what the collector gives a query."""


class Collector(Backend):
    """What was told, by questions. All raise Away and Refused."""

    @understood
    def sql(self, query: str, *, read_s: float = QUERY_S, max_rows: int = 500_000) -> pd.DataFrame:
        """The result of one SELECT as a frame; times are UTC without a zone."""
        response = self.response(
            "POST", "/sql", {"sql": query, "max_rows": max_rows}, headers={"Accept": ARROW}, read_s=read_s
        )
        with pa.ipc.open_stream(response.data) as stream:
            return stream.read_pandas()

    @understood
    def requests(self, filters: Mapping[str, str]) -> list[dict[str, Any]]:
        """Rows of `GET /requests`, by its parameters."""
        found: list[dict[str, Any]] = self.ask("GET", "/requests", query=filters, read_s=QUERY_S)["requests"]
        return found

    @understood
    def trace(self, trace_or_request_id: str) -> dict[str, Any]:
        """`{"request", "attempts", "decisions", "spans", "logs"}`; Refused with 404 when it is not known."""
        found: dict[str, Any] = self.ask("GET", f"/traces/{quote(trace_or_request_id, safe='')}", read_s=QUERY_S)
        return found


def quoted(text: str) -> str:
    """A string as SQL has it."""
    return "'" + text.replace("'", "''") + "'"
