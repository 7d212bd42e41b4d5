"""Liveness, which touches nothing, and readiness, which looks at what the service cannot do without.

``/health`` is answered before any other layer. ``/ready`` is 503 only for Redis; providers are shown by their breaker
and never called: their outage is not ours. A service that ends refuses connections instead (``../__main__.py``).
Chapter, section 6 (health check calls the LLM). Next: ``context.py``.
"""

from collections.abc import Callable
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ..errors import StoreUnavailable
from ..store.guard import Store
from .document import json_response

_OK = orjson.dumps({"status": "ok"})
_HEAD = [(b"content-type", b"application/json"), (b"content-length", str(len(_OK)).encode())]


class Health:
    """Outermost ASGI middleware: ``GET /health`` in microseconds."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer /health; pass everything else on."""
        if scope["type"] == "http" and scope["path"] == "/health" and scope["method"] in ("GET", "HEAD"):
            await send({"type": "http.response.start", "status": 200, "headers": _HEAD})
            await send({"type": "http.response.body", "body": _OK if scope["method"] == "GET" else b""})
            return
        await self._app(scope, receive, send)


class Readiness:
    """``GET /ready``; whoever makes load asks there whether it is the live profile's money."""

    def __init__(self, store: Store, providers: Callable[[], list[dict[str, Any]]], profile: str) -> None:
        self._store = store
        self._profile = profile
        self._providers = providers

    async def __call__(self) -> Response:
        """200 or 503, with what was looked at."""
        try:
            await self._store.execute("PING")
            redis = "ok"
        except StoreUnavailable as error:
            redis = error.message
        ready = redis == "ok"
        body = {
            "status": "ready" if ready else "not ready",
            "profile": self._profile,
            "redis": redis,
            "providers": self._providers(),
        }
        return json_response(body, status=200 if ready else 503)
