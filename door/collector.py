"""How the collector is asked (docs/telemetry.md, "The collector over HTTP"): that of the running `up` unless another is
named. Read `sql.py` next.
"""

import http.client
import json
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from door import running, wire
from door.console import command_name
from door.errors import DoorError

TIMEOUT_S = 60.0
ARROW = "application/vnd.apache.arrow.stream"


class Refused(DoorError):
    """The collector answered, with an error: the message is its own words."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


def get(url: str | None, path: str, query: Mapping[str, str] | None = None) -> Any:
    """The JSON that a GET gives. Raises DoorError when the collector is away, Refused when it refuses."""
    asked = f"{path}?{urlencode(query)}" if query else path
    return json.loads(_asked(url, "GET", asked).body)


def sql(url: str | None, query: str, max_rows: int) -> Any:
    """`{"columns", "rows", "truncated", "took_ms"}` for one SELECT. Raises DoorError and Refused."""
    return json.loads(_asked(url, "POST", "/sql", {"sql": query, "max_rows": max_rows}).body)


def arrow(url: str | None, query: str, max_rows: int) -> wire.Response:
    """The same as an Arrow stream. Raises DoorError and Refused."""
    return _asked(url, "POST", "/sql", {"sql": query, "max_rows": max_rows}, ARROW)


def _asked(
    url: str | None, method: str, path: str, body: Any = None, accept: str = "application/json"
) -> wire.Response:
    url = url or running.url("collector", os.environ)
    headers = {"Accept": accept, "Content-Type": "application/json"}
    text = None if body is None else json.dumps(body)
    try:
        response = wire.exchange(url, method, path, text, headers, timeout_s=TIMEOUT_S)
    except (OSError, http.client.HTTPException) as error:
        advice = f"start it with `make up`, or see `{command_name()} doctor`"
        raise DoorError(f"no collector answers at {url} ({error}); {advice}") from error
    if response.status != http.client.OK:
        raise Refused(response.status, _words(response))
    return response


def _words(response: wire.Response) -> str:
    """The `detail` of a problem document, else what came."""
    try:
        return str(json.loads(response.body)["detail"])
    except (ValueError, TypeError, KeyError):
        return f"status {response.status}: {response.body[:200]!r}"
