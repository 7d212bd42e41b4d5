"""The questions with fixed SQL: the list of requests, one trace with all that belongs to it. Read `status.py` next."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from .answers import Answer, ProblemError
from .query import Queries
from .results import as_records, dumps

FILTERS = ("trace_id", "user", "tenant", "endpoint", "route", "source", "outcome")
ORDERS = {"recent": '"time" DESC', "slowest": "duration_ms DESC NULLS LAST"}
TAKES = ("request_id", *FILTERS, "since_s", "until_s", "order", "degraded", "polls", "limit")
DEFAULT_LIMIT = 100
MOST_LIMIT = 10_000

_BEGINNING = re.compile(r"[0-9a-f-]{6,36}", re.IGNORECASE)
"""What may be the beginning of a request id; anything else is one as a whole."""

_LISTS = "'/jobs', '/jobs/{job_id}', '/agent', '/agent/{run_id}'"
_NO_POLLS = (
    "NOT (endpoint IN ('/ready', '/health') OR starts_with(endpoint, '/admin/')"
    f" OR (method = 'GET' AND endpoint IN ({_LISTS})))"
)
"""Who watches the service asks these again and again, and would crowd out everybody else."""

_TRACE_ID = re.compile(r"[0-9a-f]{32}", re.IGNORECASE)

_SPANS = f"SELECT * FROM spans WHERE trace_id = $trace_id ORDER BY start_time LIMIT {MOST_LIMIT}"  # noqa: S608
_LOGS = f"""
SELECT * FROM log_records WHERE trace_id = $trace_id AND event IS DISTINCT FROM 'gauntlet.request'
ORDER BY time LIMIT {MOST_LIMIT}"""  # noqa: S608
"""All but the request's own record, which is told apart from the others."""


async def requests(queries: Queries, query: Mapping[str, str]) -> Answer:
    """`GET /requests`: rows of `requests`, by any of the filters. Raises ProblemError for a wrong parameter."""
    for name in query:
        if name not in TAKES:
            raise ProblemError(400, f"{name}: unknown parameter; there are {', '.join(TAKES)}")
    conditions = [f'"{name}" = ${name}' for name in FILTERS if name in query]
    parameters: dict[str, Any] = {name: query[name] for name in FILTERS if name in query}
    if "request_id" in query:
        is_beginning = _BEGINNING.fullmatch(query["request_id"])
        conditions.append("starts_with(request_id, lower($request_id))" if is_beginning else "request_id = $request_id")
        parameters["request_id"] = query["request_id"]
    for name, comparison in (("since_s", ">="), ("until_s", "<=")):
        if name in query:
            conditions.append(f'"time" {comparison} make_timestamp(${name})')
            parameters[name] = int((time.time() - _number(name, query[name])) * 1e6)
    if _choice("degraded", query.get("degraded", "0"), ("0", "1")) == "1":
        conditions.append("len(degraded) > 0")
    if _choice("polls", query.get("polls", "1"), ("0", "1")) == "0":
        conditions.append(_NO_POLLS)
    order = ORDERS[_choice("order", query.get("order", "recent"), ORDERS)]
    parameters["limit"] = _limit(query.get("limit", str(DEFAULT_LIMIT)))
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    sql = f"SELECT * FROM requests {where}ORDER BY {order} LIMIT $limit"  # noqa: S608 - names from the lists above
    return Answer(200, dumps({"requests": await queries.run(sql, as_records, parameters)}))


async def trace(queries: Queries, given: str) -> Answer:
    """`GET /traces/{id}`, by trace id or request id. Raises ProblemError, 404 when neither is known."""
    request = await _request(queries, given)
    trace_id = request["trace_id"] if request else given.lower()
    by_trace = {"trace_id": trace_id}
    spans = await queries.run(_SPANS, as_records, by_trace)
    logs = await queries.run(_LOGS, as_records, by_trace)
    if not (request or spans or logs):
        raise ProblemError(404, f"{given!r} is no trace id and no request id that is known here (any more)")
    found: dict[str, Any] = {"request": request, "attempts": [], "decisions": []}
    if request:
        by_request = {"request_id": request["request_id"], "time": request["time"]}
        for name, order in (("attempts", "n"), ("decisions", "place")):
            sql = f"SELECT * FROM {name} WHERE request_id = $request_id AND time = $time ORDER BY {order}"  # noqa: S608
            found[name] = await queries.run(sql, as_records, by_request)
    return Answer(200, dumps({**found, "spans": spans, "logs": logs}))


async def _request(queries: Queries, given: str) -> dict[str, Any] | None:
    """The latest request with this id or in this trace."""
    name, value = ("trace_id", given.lower()) if _TRACE_ID.fullmatch(given) else ("request_id", given)
    sql = f"SELECT * FROM requests WHERE {name} = $value ORDER BY time DESC LIMIT 1"  # noqa: S608 - one of two names
    rows = await queries.run(sql, as_records, {"value": value})
    return rows[0] if rows else None


def _choice(name: str, given: str, allowed: Any) -> str:
    if given not in allowed:
        raise ProblemError(400, f"{name}: got {given!r}; expected one of {', '.join(allowed)}")
    return given


def _number(name: str, given: str) -> float:
    try:
        number = float(given)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1e9:
        raise ProblemError(400, f"{name}: got {given!r}; expected seconds before now")
    return number


def _limit(given: str) -> int:
    if not (given.isascii() and given.isdigit() and 1 <= int(given) <= MOST_LIMIT):
        raise ProblemError(400, f"limit: got {given!r}; expected a number from 1 to {MOST_LIMIT}")
    return int(given)
