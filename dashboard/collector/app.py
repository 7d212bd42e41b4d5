"""The collector's ASGI app: which path takes what, from whom, and how it is answered. Read `otlp.py` next.

A page of another site must not ask: there is no CORS, a body must say that it is JSON (which a foreign page may not say
without being allowed), and the Host must be ours, or a name that its owner points at 127.0.0.1 would be the same site.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson

from . import body, lookups, otlp, results
from .answers import JSON, Answer, ProblemError, json_answer
from .query import Queries
from .settings import MIB, Settings
from .status import Status

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = dict[bytes, bytes]

TRACES = "/traces/"
METHODS = {
    **dict.fromkeys(otlp.SIGNALS, "POST"),
    "/sql": "POST",
    "/requests": "GET",
    TRACES + "{id}": "GET",
    "/status": "GET",
    "/health": "GET",
}

DEFAULT_ROWS = 10_000
MOST_ROWS = 1_000_000
SQL_BYTES = MIB


class App:
    """Answers every request; `host` is the address that the collector is bound to."""

    def __init__(
        self, receiver: otlp.Receiver, queries: Queries, status: Status, settings: Settings, host: str
    ) -> None:
        self._receiver = receiver
        self._queries = queries
        self._status = status
        self._settings = settings
        self._host = host

    async def __call__(self, scope: Scope, receive: body.Receive, send: Send) -> None:
        """Serve one HTTP request."""
        headers: Headers = dict(scope["headers"])
        try:
            answer = await self._answer(scope, headers, receive)
        except ProblemError as problem:
            answer = problem.answer()
        except body.ClientLeftError:
            return
        fixed = [
            (b"content-type", answer.content_type.encode()),
            (b"content-length", b"%d" % len(answer.body)),
            *((name.encode(), value.encode()) for name, value in answer.headers.items()),
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": fixed})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Scope, headers: Headers, receive: body.Receive) -> Answer:
        self._refuse_strangers(headers)
        path, method = scope["path"], scope["method"]
        known = TRACES + "{id}" if path.startswith(TRACES) else path
        if known not in METHODS:
            raise ProblemError(404, f"there is no {path}; there are {', '.join(METHODS)}")
        if method != METHODS[known]:
            raise ProblemError(405, f"{known} takes {METHODS[known]}", headers={"allow": METHODS[known]})
        if known in otlp.SIGNALS:
            return await self._receiver.take(known, headers, receive)
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        if known == "/sql":
            return await self._sql(headers, receive)
        if known == "/requests":
            return await lookups.requests(self._queries, query)
        if known == "/status":
            return await self._status.answer()
        if known == "/health":
            return json_answer({"status": "ok"})
        return await lookups.trace(self._queries, unquote(path.removeprefix(TRACES)))

    async def _sql(self, headers: Headers, receive: body.Receive) -> Answer:
        began_s = time.monotonic()
        kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower().decode("latin-1")
        if kind != JSON:
            raise ProblemError(415, f"content-type is {kind!r}; expected {JSON} (curl: -H 'content-type: {JSON}')")
        sql, max_rows = _question(await body.read(receive, headers, SQL_BYTES))
        encode = results.as_arrow if results.ARROW.encode() in headers.get(b"accept", b"") else results.as_json
        bounds = results.Bounds(max_rows, self._settings.result_bytes, began_s)
        return await self._queries.run(sql, partial(encode, bounds=bounds))

    def _refuse_strangers(self, headers: Headers) -> None:
        given = headers.get(b"host", b"").decode("latin-1")
        host = urlsplit(f"//{given}").hostname or ""
        if not _is_ours(host, self._host):
            raise ProblemError(403, f"host is {given!r}; expected localhost, a loopback address or {self._host}")
        origin = headers.get(b"origin")
        if origin is not None and urlsplit(origin.decode("latin-1")).netloc != given:
            raise ProblemError(403, "pages of other sites may not ask here")


def _is_ours(name: str, bound: str) -> bool:
    """Whether a Host can only mean us: a foreign site can point its own domain at us, but no address or bare name."""
    if name in (bound, "localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return _is_any(bound) and "." not in name and bool(name)  # a container's name, such as `collector`
    return address.is_loopback or _is_any(bound)


def _is_any(bound: str) -> bool:
    return bound in ("0.0.0.0", "::")  # noqa: S104 - compared, not bound


def _question(sent: bytes) -> tuple[str, int]:
    """The SQL and the most rows of `{"sql", "max_rows"}`. Raises ProblemError."""
    try:
        question = orjson.loads(sent)
    except orjson.JSONDecodeError as error:
        raise ProblemError(400, f"the body is not JSON: {error}") from error
    if not isinstance(question, Mapping) or not isinstance(question.get("sql"), str):
        raise ProblemError(400, 'expected {"sql": "select …", "max_rows": 10000}')
    unknown = [name for name in question if name not in ("sql", "max_rows")]
    if unknown:
        raise ProblemError(400, f"{unknown[0]}: unknown member; there are sql and max_rows")
    max_rows = question.get("max_rows", DEFAULT_ROWS)
    if isinstance(max_rows, bool) or not isinstance(max_rows, int) or not 1 <= max_rows <= MOST_ROWS:
        raise ProblemError(400, f"max_rows: got {max_rows!r}; expected a number from 1 to {MOST_ROWS}")
    return question["sql"], max_rows
