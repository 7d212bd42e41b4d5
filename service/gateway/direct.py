"""The short way to the hot endpoints: one table look-up instead of a framework's router and its layers.

FastAPI describes these endpoints and serves all others; of a cache hit's time its layers alone were half (measured,
``docs/adr/0005``). What they would do here is done by ``context.py`` (errors), ``body.py`` (validation) and
``events.py`` (streams). Next: a track.
"""

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from .context import context_of

Endpoint = Callable[[Request], Awaitable[Response]]


class Direct:
    """ASGI: ``endpoints`` by path, for POST; everything else goes to ``app``."""

    def __init__(self, app: ASGIApp, endpoints: Mapping[str, Endpoint]) -> None:
        self._app = app
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        endpoint = self._endpoints.get(scope["path"]) if scope["type"] == "http" else None
        if endpoint is None or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        context_of(scope).endpoint = scope["path"]
        response = await endpoint(Request(scope, receive))
        await response(scope, receive, send)
