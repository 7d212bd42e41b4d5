"""Request context: the outermost layer. Identity, deadline, and nothing but clear answers on the way out.

A client's ``X-Request-ID`` is accepted only when it is a UUID; ``traceparent`` is continued (W3C Trace Context).
Every response carries both, and the worker that gave it. What the layers inside learn of a request (its question, its
reply, its error) they note here, and ``observability/`` makes its books of that when the request has ended. Plain
ASGI, because it runs for every request. Next: ``admission.py``.
"""

import os
import re
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..clock import Clock
from ..errors import BadRequest, GauntletError
from ..stages.ask import Ask
from ..stages.reply import Reply
from . import problems
from .auth import Auth, Caller

log = structlog.get_logger(__name__)
KEY = "gauntlet"
PUBLIC = frozenset({"/ready", "/docs", "/openapi.json"})
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_NO_TRACE = "0" * 32


@dataclass(slots=True)
class Context:
    """One request: its identity, and what became of it.

    ``deadline_ms`` is what the caller asked for; headers set here go out with the answer. ``traceparent`` names our
    server span, ``parent_span_id`` the caller's (16 hex digits). ``t`` is its arrival in Unix seconds. ``status`` is
    None while nothing was sent; ``error`` the code of the error that the client saw; ``charge_key`` the key that went
    to the payments provider. ``captures``: whether what is said may be told, masked. ``link`` is the traceparent of the
    request that work of our own was begun for, ``step`` names which step of it this is (``own_work.py``).
    """

    request_id: str
    traceparent: str
    parent_span_id: str | None
    started_s: float
    t: float
    method: str
    caller: Caller = field(default=Caller("", ""))
    deadline_ms: float | None = None
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    endpoint: str | None = None
    status: int | None = None
    first_token_s: float | None = None
    ended_s: float = 0.0
    error: str | None = None
    ask: Ask | None = None
    reply: Reply | None = None
    thread_id: str | None = None
    charge_key: str | None = None
    replayed: bool = False
    captures: bool = False
    link: str | None = None
    step: str | None = None


current: ContextVar[Context | None] = ContextVar("current", default=None)
"""The request that this task serves, for whoever writes a line about it."""


def context_of(scope: Scope) -> Context:
    """The context that ``RequestContext`` made."""
    context: Context = scope[KEY]
    return context


class RequestContext:
    """ASGI middleware: makes the context, checks the key, turns whatever is raised into a clear answer."""

    def __init__(
        self, app: ASGIApp, *, auth: Auth, ended: Callable[[Context], None], captures: bool, clock: Clock
    ) -> None:
        self._app = app
        self._auth = auth
        self._ended = ended
        self._captures = captures
        self._clock = clock
        self._worker = str(os.getpid()).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; never raises what a client could cause."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        traceparent, parent_span_id = _traceparent(headers.get(b"traceparent"))
        context = scope[KEY] = Context(
            _request_id(headers.get(b"x-request-id")),
            traceparent,
            parent_span_id,
            self._clock.monotonic(),
            self._clock.time(),
            scope["method"],
            captures=self._captures,
        )
        current.set(context)
        started = ended = False

        async def send_with_identity(message: Message) -> None:
            nonlocal started, ended
            if message["type"] == "http.response.body":
                ended = not message.get("more_body", False)
            elif message["type"] == "http.response.start":
                started = True
                context.status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", context.request_id.encode()),
                    (b"traceparent", context.traceparent.encode()),
                    (b"x-worker", self._worker),
                    *context.headers,
                ]
            await send(message)

        try:
            if scope["path"] not in PUBLIC:
                context.caller = self._auth.caller(headers.get(b"authorization"))
            context.deadline_ms = _deadline_ms(headers.get(b"x-deadline-ms"))
            await self._app(scope, receive, send_with_identity)
        except GauntletError as error:
            context.error = error.code
            if started:
                raise
            await problems.response(scope["path"], context.request_id, error)(scope, receive, send_with_identity)
        except Exception:
            # The one place that may see anything: a defect of ours. The caller gets a request id, the log the rest.
            log.exception("unexpected")
            context.error = GauntletError.code
            if ended:
                return
            if started:  # uvicorn then cuts the connection, so that half an answer does not look whole
                raise
            defect = GauntletError("the service met an unexpected error; the request id finds it in the log")
            await problems.response(scope["path"], context.request_id, defect)(scope, receive, send_with_identity)
        finally:
            context.ended_s = self._clock.monotonic()
            route = scope.get("route")
            context.endpoint = context.endpoint or getattr(route, "path", None)
            self._ended(context)


def _request_id(given: str | None) -> str:
    if given is not None:
        try:
            return str(uuid.UUID(given))
        except ValueError:
            pass  # not a UUID: ours instead, so that nobody writes into our logs
    return str(uuid.uuid4())


def _traceparent(given: str | None) -> tuple[str, str | None]:
    """The caller's trace with a span of ours, and the caller's span; a new, sampled one where there is no header, or a
    wrong one."""
    match = _TRACEPARENT.fullmatch(given) if given else None
    span_id = os.urandom(8).hex()
    if match is None or match[1] == _NO_TRACE:
        return f"00-{os.urandom(16).hex()}-{span_id}-01", None
    return f"00-{match[1]}-{span_id}-{match[3]}", match[2]


def _deadline_ms(given: str | None) -> float | None:
    if given is None:
        return None
    if not given.isdecimal() or len(given) > 6 or not 1 <= int(given) <= 600_000:
        raise BadRequest(f"X-Deadline-Ms must be a whole number of milliseconds from 1 to 600000, given {given[:40]!r}")
    return float(given)
