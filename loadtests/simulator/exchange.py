"""The way of a call through the simulator: fault, validation, quota, work, answer, ledger (DESIGN section 5).

Plain ASGI, since this is the hot path. Faults are decided first, from the request id, the attempt, the model and
whether it is a stream, so that a plan does not depend on quotas. Read `whole.py` and `streamed.py` next.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from hashlib import blake2b
from typing import Any

import orjson

from .call import Call, ChatWork, Endpoint, Send
from .errors import KINDS, Headers, RefusalError, kind_of
from .faults import Params
from .state import State
from .streamed import send_streamed
from .whole import JSON, send_whole

MAX_BODY_BYTES = 32 * 2**20
"""Larger bodies are refused with 413, the limit of Anthropic's API."""

MAX_NAME = 200
"""Request ids, models and paths are cut to this length in the ledger, which keeps its memory bounded."""

_HTML = (
    b"<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"
)

Receive = Callable[[], Awaitable[dict[str, Any]]]


class Exchange:
    """The ASGI app of a provider's listener: `endpoints` by (method, path)."""

    def __init__(self, state: State, endpoints: dict[tuple[str, str], Endpoint]) -> None:
        self._state = state
        self._endpoints = endpoints
        self._fallback = next(iter(endpoints.values()))

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request and write its row."""
        started, t = time.monotonic(), time.time()
        body = await read_body(receive)
        if body is None:
            return
        endpoint = self.find(scope["method"], scope["path"])
        headers: dict[bytes, bytes] = dict(scope["headers"])
        request_id = headers.get(b"x-request-id", b"")[:MAX_NAME].decode("latin-1") or None
        attempt = _attempt(headers)
        served = endpoint or self._fallback
        row = self._state.ledger.open(t, served.target, scope["path"][:MAX_NAME], request_id, attempt)
        call = Call(scope["connection"], send, served, row, started)
        try:
            if endpoint is None:
                raise RefusalError("not_found", f"There is no {scope['method']} {scope['path']} here.")  # noqa: TRY301
            await self._run(call, headers, body)
        except RefusalError as refusal:
            row.input_tokens, row.fault = 0, None  # whatever fault was drawn, this is not its doing
            await call.refuse(refusal)
        except Exception:
            row.input_tokens, row.fault = 0, None
            if row.status is None:
                await call.refuse(RefusalError("api_error", "The simulator met an error of its own; see its log."))
            raise
        finally:
            if call.ask is not None and call.ask.model is not None:
                row.billed_nano_usd = call.ask.model.bill(row.input_tokens, row.output_tokens)
            self._state.ledger.close(row, time.monotonic() - started)
            self.ended(call)

    def find(self, method: str, path: str) -> Endpoint | None:
        """Return what is at a path, None where nothing is."""
        return self._endpoints.get((method, path))

    def arrived(self, call: Call, headers: Mapping[bytes, bytes], body: bytes, document: Any) -> None:
        """A call was read, and nothing was decided: for listeners that note more than the row."""

    def ended(self, call: Call) -> None:
        """A call's row is final."""

    async def _run(self, call: Call, headers: dict[bytes, bytes], body: bytes) -> None:
        state, row, endpoint = self._state, call.row, call.endpoint
        document = _decode(body)
        if isinstance(document, dict):
            model = document.get("model")
            row.model = model[:MAX_NAME] if isinstance(model, str) else None
            row.stream = document.get("stream") is True
        self.arrived(call, headers, body, document)
        timeline = state.timeline
        identity = row.request_id or blake2b(body, digest_size=16).hexdigest()
        fault = timeline.decide(endpoint.target, identity, row.attempt, row.model, row.stream)
        if fault is not None:
            call.fault, row.fault = fault, fault.fault
            if await self._before_work(call, fault.params):
                return
        if len(body) > MAX_BODY_BYTES:
            raise RefusalError("too_large", f"The body is larger than {MAX_BODY_BYTES} bytes.")
        if not isinstance(document, dict):
            raise RefusalError("invalid_request", "The body is not a JSON object.")
        call.ask = ask = endpoint.parse(headers, document)
        quota = state.quotas[endpoint.target]
        try:
            quota.admit(ask.input_tokens)
        except RefusalError:
            call.headers += endpoint.quota_headers(quota)
            raise
        call.work = work = endpoint.perform(ask, row.seq, timeline.seed)
        row.input_tokens = ask.input_tokens
        quota.spend(len(work.tokens))
        call.headers += endpoint.quota_headers(quota)
        if call.fault_name == "charge_then_drop":
            call.connection.reset()
            return
        self._set_pace(call, identity)
        if row.stream and isinstance(work, ChatWork):
            await send_streamed(call, work)
        else:
            await send_whole(call)

    async def _before_work(self, call: Call, params: Params) -> bool:
        """Act out the faults that strike before the model is asked; False for those that come later."""
        name = call.fault_name
        if name == "status" or (name == "stream_error" and not call.row.stream):
            refusal = _forced(call, params)
            if refusal.kind == "rate_limit":
                call.headers += call.endpoint.quota_headers(self._state.quotas[call.endpoint.target].exhausted())
            await call.refuse(refusal)
        elif name == "reset":
            call.connection.reset()
        elif name == "hang":
            await call.until_client_leaves()
        elif name == "bad_body" and params.kind == "html":
            await call.respond(200, _HTML, [], b"text/html; charset=utf-8")
        elif name == "bad_body" and params.kind == "empty":
            await call.respond(200, b"", [], b"text/event-stream" if call.row.stream else JSON)
        else:
            return False
        return True

    def _set_pace(self, call: Call, identity: str) -> None:
        timeline = self._state.timeline
        latency = self._state.latencies[call.endpoint.target]
        call.first_s, call.per_s = latency.draw(timeline.seed, identity, call.row.attempt)
        if call.fault is not None:
            params = call.fault.params
            if call.fault.fault == "slow_first_token":
                call.first_s += params.delay_ms / 1000
            elif call.fault.fault == "slow_tokens" and call.work.tokens:
                call.per_s = params.per_token_ms / 1000
            elif call.fault.fault == "slow_tokens":
                call.first_s += params.per_token_ms / 1000


async def read_body(receive: Receive) -> bytes | None:
    """Return the body of a request, at most MAX_BODY_BYTES + 1 of it; None when the client left before its end."""
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message["body"][: MAX_BODY_BYTES + 1 - size]
        size += len(part)
        parts.append(part)
        more = message["more_body"]
    return b"".join(parts)


def _decode(body: bytes) -> Any:
    """Return the JSON of a body; {} for an empty one, None when it is no JSON."""
    if not body:
        return {}
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _attempt(headers: dict[bytes, bytes]) -> int:
    """Return the attempt that a client states, or that its SDK does; 1 when neither does, or nonsense."""
    for name, first in ((b"x-attempt", 0), (b"x-stainless-retry-count", 1)):
        stated = headers.get(name, b"")
        if stated.isdigit() and len(stated) < 7:
            return int(stated) + first
    return 1


def _forced(call: Call, params: Params) -> RefusalError:
    """Return the refusal of a fault: status and kind complete each other, headers are verbatim."""
    default = "overloaded" if call.fault_name == "stream_error" else kind_of(params.status or 503)
    kind = params.kind or default
    status = params.status
    if status is None:
        # Only Anthropic has a status of its own for overload.
        status = 503 if kind == "overloaded" and call.endpoint.target != "anthropic" else KINDS[kind].status
    headers: Headers = []
    for name, value in (
        (b"retry-after", params.retry_after),
        (b"retry-after-ms", params.retry_after_ms),
        (b"x-should-retry", params.should_retry),
    ):
        if value is not None:
            text = str(value).lower() if isinstance(value, bool) else str(value)
            headers.append((name, text.encode("latin-1")))
    return RefusalError(kind, params.message, status=status, headers=headers)
