"""The composition root of a worker that serves HTTP: its endpoints around the parts. The file to read first.

A request meets, from outside to inside: health, request context (identity, key, deadline, clear errors), admission,
its track, and for a chat the chain of stages around the call, which ``parts.py`` joins. From here read
``gateway/__init__.py`` for the first half of that way and ``stages/__init__.py`` for the second.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp
from uvicorn.config import STARTUP_FAILURE

from .clock import Clock, SystemClock
from .errors import BadRequest, GauntletError, MethodNotAllowed, NotFound
from .gateway import problems
from .gateway.admin import Admin
from .gateway.admission import Admission
from .gateway.auth import Auth
from .gateway.context import RequestContext, context_of
from .gateway.direct import Direct
from .gateway.health import Health
from .observability import logs
from .orphan import end_with_parents
from .parts import Service
from .sessions.endpoints import Sessions
from .settings import Settings, load
from .stages.chain import compose
from .tracks.agent import Agent
from .tracks.chat import Chat
from .tracks.completions import Completions
from .tracks.refund import Refund
from .tracks.webhook_endpoints import WebhookEndpoints


def create_app(settings: Settings, clock: Clock | None = None) -> ASGIApp:
    """The ASGI application of one worker."""
    clock = clock or SystemClock()
    service = Service(settings, clock)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        yield
        await service.stop()

    # FastAPI's own telemetry would double what the stages report.
    app = FastAPI(
        title="Gauntlet",
        version="0.1.0",
        lifespan=lifespan,
        telemetry={"tracing": False, "metrics": False},
        redirect_slashes=False,  # a redirect would be built from the client's own Host header
    )
    most_bytes, switches = settings.body_max_bytes, service.switches
    chat = Chat(
        service.chain,
        threads=service.threads,
        routes=service.routes,
        default_route=settings.default_route,
        promises=service.background.promises,
        webhooks=service.webhooks,
        settle=service.settle,
        switches=switches,
        clock=clock,
        body_max_bytes=most_bytes,
    )
    completions = Completions(
        service.chain, routes=service.routes, switches=switches, clock=clock, body_max_bytes=most_bytes
    )
    sessions = Sessions(service.threads, service.routes, body_max_bytes=most_bytes)
    admin = Admin(switches, service.breaker, service.telemetry, body_max_bytes=most_bytes)
    for part in (chat, completions, sessions, admin):
        app.include_router(part.router)
    if service.payments is not None:
        refund = Refund(
            compose([service.retry, service.breaker, service.bulkhead], service.payments),
            idempotency=service.idempotency,
            deadline_s=settings.payments.deadline_s,
            switches=switches,
            clock=clock,
            body_max_bytes=most_bytes,
        )
        app.include_router(refund.router)
    if settings.queue.enabled:
        app.include_router(WebhookEndpoints(service.webhooks).router)
        app.include_router(service.background.jobs.router)
    if service.runs is not None:
        agent = Agent(
            settings.agent,
            runs=service.runs,
            queue=service.queue,
            webhooks=service.webhooks,
            idempotency=service.idempotency,
            routes=service.routes,
            default_route=settings.default_route,
            body_max_bytes=most_bytes,
        )
        app.include_router(agent.router)
    if service.retrieval is not None:
        app.include_router(service.retrieval.router(switches=switches, body_max_bytes=most_bytes))
    app.add_api_route("/ready", service.ready, methods=["GET"], tags=["health"])
    app.add_exception_handler(GauntletError, _explain)
    app.add_exception_handler(HTTPException, _explain_http)
    app.add_exception_handler(Exception, _explain)
    app.state.service = service
    hot = {"/chat": chat.chat, "/chat/stream": chat.stream, "/v1/chat/completions": completions.complete}
    admitted = Admission(Direct(app, hot), limit=settings.admission, lag=service.lag)
    telemetry = service.telemetry
    service.in_flight = lambda: admitted.in_flight
    telemetry.watch(service, service.in_flight)
    return Health(
        RequestContext(
            admitted,
            auth=Auth(settings),
            ended=telemetry.ended,
            captures=settings.capture_content,
            clock=clock,
        )
    )


async def _explain(request: Request, error: Exception) -> Response:
    """Any error to a response; what is not ours is a defect, whose details stay in the log."""
    if not isinstance(error, GauntletError):
        error = GauntletError("the service met an unexpected error; the request id finds it in the log")
    context = context_of(request.scope)
    context.error = error.code
    return problems.response(request.scope["path"], context.request_id, error)


async def _explain_http(request: Request, error: Exception) -> Response:
    """The router's own 404 and 405, in our form."""
    path, method = request.scope["path"], request.scope["method"]
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 404:
        return await _explain(
            request, NotFound(f"nothing is at {path[:200]}; the endpoints are listed at /openapi.json")
        )
    if status == 405:
        response = await _explain(request, MethodNotAllowed(f"{method} is not allowed at {path[:200]}"))
        if isinstance(error, HTTPException) and error.headers:
            response.headers.update(error.headers)
        return response
    return await _explain(request, BadRequest(str(error)))


def worker_app() -> ASGIApp:
    """What uvicorn calls in each worker process. A worker that cannot be built ends the service, not only itself."""
    end_with_parents()
    logs.set_up()
    try:
        return create_app(load())
    except Exception:  # noqa: BLE001 - whatever it is, the supervisor must not start this worker for ever
        structlog.get_logger(__name__).exception("worker_not_built")
        sys.exit(STARTUP_FAILURE)
