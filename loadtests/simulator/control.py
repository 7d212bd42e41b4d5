"""The control API: plan faults, set latency and quotas, read state, events and ledger (DESIGN section 5).

Errors are RFC 9457 `application/problem+json` that name the field; a refused request changes nothing.

A fault with `"hidden": true` is a drill's: it acts like any other, but whoever watches must find it. `GET /sim/state`,
`GET /sim/events` and `DELETE /sim/faults` know of it only with `?hidden=1`; `PUT /sim/timeline` begins a new experiment
and ends it too. The answers of `POST /sim/faults` and `PUT /sim/timeline` show to whoever wrote it what was written;
the ledger, the book of what happened, names the fault that a call met. Read `simulator.py` next: it puts the listeners
together.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict

from .call import Send
from .control_input import ProblemError, hidden_of, parse, query_of, since_of, target_of
from .exchange import Receive, read_body
from .faults import Fault
from .latency import Latency, TargetLatency
from .quota import Quota, TargetQuota
from .state import State

_TAKES = {
    ("GET", "/sim/state"): ("hidden",),
    ("GET", "/sim/events"): ("since", "hidden"),
    ("GET", "/sim/ledger"): ("since",),
    ("DELETE", "/sim/faults"): ("target", "hidden"),
}
"""The query parameters that a request may have; all others may have none."""

_JSON = b"application/json"
_PROBLEM = b"application/problem+json"


class Plan(BaseModel):
    """The body of `PUT /sim/timeline`; `seed` null keeps the present one."""

    model_config = ConfigDict(extra="forbid", strict=True)

    seed: int | None = None
    faults: list[Fault]


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
            method, path = scope["method"], scope["path"]
            handler = self._route(method, path)
            result = await handler(body, query_of(scope["query_string"], _TAKES.get((method, path), ())))
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
            **state.timeline.describe(hidden=hidden_of(query)),
            "quotas": {target: quota.describe() for target, quota in state.quotas.items()},
            "latency": {target: latency.model_dump() for target, latency in state.latencies.items()},
            "ports": self._ports(),
            "last_seq": state.ledger.last_seq,
        }

    async def _events(self, body: bytes, query: dict[str, str]) -> Any:
        view = self._state.timeline.history.view(hidden=hidden_of(query))
        return {"events": view.after(since_of(query)), "last_seq": view.last_seq}

    async def _put_timeline(self, body: bytes, query: dict[str, str]) -> Any:
        plan = parse(Plan, body)
        self._state.timeline.replace(plan.seed, plan.faults)
        await self._settle()
        return self._state.timeline.describe(hidden=True)

    async def _post_fault(self, body: bytes, query: dict[str, str]) -> Any:
        planned = self._state.timeline.add(parse(Fault, body))
        await self._settle()
        return planned.describe()

    async def _delete_faults(self, body: bytes, query: dict[str, str]) -> Any:
        ended = self._state.timeline.end(target_of(query), hidden=hidden_of(query))
        await self._settle()
        return {"ended": ended}

    async def _put_latency(self, body: bytes, query: dict[str, str]) -> Any:
        given = parse(TargetLatency, body)
        self._state.latencies[given.target] = Latency(**given.model_dump(exclude={"target"}))
        return given.model_dump()

    async def _put_quota(self, body: bytes, query: dict[str, str]) -> Any:
        given = parse(TargetQuota, body)
        self._state.quotas[given.target] = quota = Quota(given.requests_per_min, given.tokens_per_min)
        return {"target": given.target, **quota.describe()}

    async def _ledger(self, body: bytes, query: dict[str, str]) -> Any:
        return self._state.ledger.encode(since_of(query))

    async def _delete_ledger(self, body: bytes, query: dict[str, str]) -> Any:
        self._state.ledger.clear()
        return {"last_seq": self._state.ledger.last_seq}
