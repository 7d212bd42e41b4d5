"""The control API: plan faults, set latency and quotas, read state, events and ledger (DESIGN section 5).

Errors are RFC 9457 `application/problem+json` that name the field; a refused request changes nothing. Read
`simulator.py` next: it puts the listeners together.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from .call import Send
from .exchange import Receive, read_body
from .faults import TARGETS, Fault, Target
from .latency import Latency, TargetLatency
from .quota import Quota, TargetQuota
from .state import State

M = TypeVar("M", bound=BaseModel)

_TAKES = {"/sim/events": "since", "/sim/ledger": "since", "/sim/faults": "target"}
"""The one query parameter of a path."""

_JSON = b"application/json"
_PROBLEM = b"application/problem+json"


class Plan(BaseModel):
    """The body of `PUT /sim/timeline`; `seed` null keeps the present one."""

    model_config = ConfigDict(extra="forbid", strict=True)

    seed: int | None = None
    faults: list[Fault]


class ProblemError(Exception):
    """A request that is refused, with its status and what is wrong."""

    def __init__(self, status: int, title: str, detail: str, errors: list[dict[str, str]] | None = None) -> None:
        self.status = status
        self.document = {"type": "about:blank", "title": title, "status": status, "detail": detail}
        if errors:
            self.document["errors"] = errors
        super().__init__(detail)


Handler = Callable[[bytes, dict[str, str]], Awaitable[Any]]


class Control:
    """The ASGI app of the control port. `settle` waits until the listeners are as the plan wants them."""

    def __init__(
        self, state: State, ports: Callable[[], dict[str, int]], settle: Callable[[], Awaitable[None]]
    ) -> None:
        self._state = state
        self._ports = ports
        self._settle = settle
        self._routes: dict[str, dict[str, Handler]] = {
            "/sim/health": {"GET": self._health},
            "/sim/state": {"GET": self._describe},
            "/sim/events": {"GET": self._events},
            "/sim/timeline": {"PUT": self._put_timeline},
            "/sim/faults": {"POST": self._post_fault, "DELETE": self._delete_faults},
            "/sim/latency": {"PUT": self._put_latency},
            "/sim/quota": {"PUT": self._put_quota},
            "/sim/ledger": {"GET": self._ledger, "DELETE": self._delete_ledger},
        }

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        content_type, headers, status = _JSON, [], 200
        try:
            body = await read_body(receive) or b""
            handler = self._route(scope["method"], scope["path"])
            result = await handler(body, _query(scope["query_string"], _TAKES.get(scope["path"])))
        except ProblemError as problem:
            content_type, status, result = _PROBLEM, problem.status, problem.document
            if status == 405:
                headers = [(b"allow", ", ".join(self._routes[scope["path"]]).encode())]
        data = result if isinstance(result, bytes) else orjson.dumps(result)
        headers += [(b"content-type", content_type), (b"content-length", b"%d" % len(data))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": data})

    def _route(self, method: str, path: str) -> Handler:
        methods = self._routes.get(path)
        if methods is None:
            raise ProblemError(404, "Not found", f"There is no {path}; there are {', '.join(self._routes)}.")
        if method not in methods:
            raise ProblemError(405, "Method not allowed", f"{path} takes {', '.join(methods)}, not {method}.")
        return methods[method]

    async def _health(self, body: bytes, query: dict[str, str]) -> Any:
        return {"status": "ok", "ports": self._ports()}

    async def _describe(self, body: bytes, query: dict[str, str]) -> Any:
        state = self._state
        return {
            "now": time.time(),
            **state.timeline.describe(),
            "quotas": {target: quota.describe() for target, quota in state.quotas.items()},
            "latency": {target: latency.model_dump() for target, latency in state.latencies.items()},
            "ports": self._ports(),
            "last_seq": state.ledger.last_seq,
        }

    async def _events(self, body: bytes, query: dict[str, str]) -> Any:
        timeline = self._state.timeline
        return {"events": timeline.events(_since(query)), "last_seq": timeline.last_event_seq}

    async def _put_timeline(self, body: bytes, query: dict[str, str]) -> Any:
        plan = _parse(Plan, body)
        self._state.timeline.replace(plan.seed, plan.faults)
        await self._settle()
        return self._state.timeline.describe()

    async def _post_fault(self, body: bytes, query: dict[str, str]) -> Any:
        planned = self._state.timeline.add(_parse(Fault, body))
        await self._settle()
        return planned.describe()

    async def _delete_faults(self, body: bytes, query: dict[str, str]) -> Any:
        target = query.get("target")
        if target is not None and target not in TARGETS:
            raise ProblemError(400, "Unknown target", f"target: got {target!r}; allowed are {', '.join(TARGETS)}.")
        known: Target | None = next((t for t in TARGETS if t == target), None)
        ended = self._state.timeline.end(known)
        await self._settle()
        return {"ended": ended}

    async def _put_latency(self, body: bytes, query: dict[str, str]) -> Any:
        given = _parse(TargetLatency, body)
        self._state.latencies[given.target] = Latency(**given.model_dump(exclude={"target"}))
        return given.model_dump()

    async def _put_quota(self, body: bytes, query: dict[str, str]) -> Any:
        given = _parse(TargetQuota, body)
        self._state.quotas[given.target] = quota = Quota(given.requests_per_min, given.tokens_per_min)
        return {"target": given.target, **quota.describe()}

    async def _ledger(self, body: bytes, query: dict[str, str]) -> Any:
        return self._state.ledger.encode(_since(query))

    async def _delete_ledger(self, body: bytes, query: dict[str, str]) -> Any:
        self._state.ledger.clear()
        return {"last_seq": self._state.ledger.last_seq}


def _query(given: bytes, takes: str | None) -> dict[str, str]:
    """The query by name; raises ProblemError for a name that the path does not take."""
    query = dict(parse_qsl(given.decode("latin-1"), keep_blank_values=True))
    for name in query:
        if name != takes:
            only = f"the only one here is {takes}" if takes else "there is none here"
            raise ProblemError(400, "Bad query", f"{name}: unknown parameter; {only}.")
    return query


def _since(query: dict[str, str]) -> int:
    text = query.get("since", "0")
    if not text.isdecimal() or len(text) > 18:
        raise ProblemError(
            400, "Bad query", f"since: got {text!r}; expected a whole number, the last seq you have seen."
        )
    return int(text)


def _parse(model: type[M], body: bytes) -> M:
    """Return the validated body. Raises ProblemError (400 no JSON, 422 with a line per field)."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ProblemError(400, "Not JSON", f"The body is not JSON: {error}.") from error
    try:
        return model.model_validate(document)
    except ValidationError as error:
        errors = [_line(found) for found in error.errors(include_url=False)]
        detail = "; ".join(
            f"{line['field']}: {line['message']}" if line["field"] else line["message"] for line in errors
        )
        raise ProblemError(422, "Invalid request", detail, errors) from error


def _line(found: Any) -> dict[str, str]:
    message = found["msg"].removeprefix("Value error, ")
    if found["type"] == "extra_forbidden":
        message = "unknown field"
    elif found["type"] not in ("missing", "value_error"):
        message = f"{message}; got {str(found['input'])[:100]!r}"
    return {"field": ".".join(map(str, found["loc"])), "message": message}
