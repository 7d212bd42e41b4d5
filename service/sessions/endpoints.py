"""Threads and preferences over HTTP; another user's are not found. Next: ``threads.py``."""

from collections.abc import Mapping

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from ..errors import Unprocessable
from ..gateway.body import Strict, read
from ..gateway.context import context_of
from ..gateway.document import json_response, takes
from ..llm.routes import Route
from ..observability.pii import suspected
from .preferences import Preferences
from .threads import Threads

PERSONAL_STYLE = (
    "style: this looks like personal data (an address, a long number), which is not kept for good and would go to a "
    "provider with each of your questions; leave it out, or say it in the thread that it is about"
)


class PreferencesBody(Strict):
    """Replaces the stored preferences; a field left out is unset."""

    route: str | None = Field(None, min_length=1, max_length=64)
    style: str | None = Field(None, min_length=1, max_length=500)


class Sessions:
    """The endpoints."""

    def __init__(self, threads: Threads, routes: Mapping[str, Route], *, body_max_bytes: int) -> None:
        self._threads = threads
        self._routes = routes
        self._body_max_bytes = body_max_bytes
        self.router = APIRouter(tags=["sessions"])
        self.router.add_api_route("/threads", self.list_threads, methods=["GET"])
        self.router.add_api_route("/threads/{thread_id}", self.read_thread, methods=["GET"])
        self.router.add_api_route("/threads/{thread_id}", self.delete_thread, methods=["DELETE"])
        self.router.add_api_route("/preferences", self.read_preferences, methods=["GET"])
        self.router.add_api_route(
            "/preferences", self.put_preferences, methods=["PUT"], openapi_extra=takes(PreferencesBody)
        )

    async def list_threads(self, request: Request) -> Response:
        """The caller's threads, newest first."""
        caller = context_of(request.scope).caller
        return json_response({"threads": await self._threads.overview(caller.tenant, caller.user)})

    async def read_thread(self, request: Request, thread_id: str) -> Response:
        """One thread's messages, oldest first."""
        caller = context_of(request.scope).caller
        messages = await self._threads.read(caller.tenant, caller.user, thread_id)
        return json_response({"thread_id": thread_id, "messages": [m._asdict() for m in messages]})

    async def delete_thread(self, request: Request, thread_id: str) -> Response:
        """Forget a thread."""
        caller = context_of(request.scope).caller
        await self._threads.delete(caller.tenant, caller.user, thread_id)
        return Response(status_code=204)

    async def read_preferences(self, request: Request) -> Response:
        """The caller's preferences."""
        caller = context_of(request.scope).caller
        return _preferences(await self._threads.preferences(caller.tenant, caller.user))

    async def put_preferences(self, request: Request) -> Response:
        """Replace the caller's preferences."""
        given = await read(request, PreferencesBody, most_bytes=self._body_max_bytes)
        if given.route is not None and given.route not in self._routes:
            raise Unprocessable(f"route: {given.route!r} is none of {', '.join(self._routes)}", param="route")
        if given.style is not None and suspected(given.style):
            raise Unprocessable(PERSONAL_STYLE, param="style")
        caller = context_of(request.scope).caller
        preferences = Preferences(given.route, given.style)
        await self._threads.set_preferences(caller.tenant, caller.user, preferences)
        return _preferences(preferences)


def _preferences(preferences: Preferences) -> Response:
    return json_response({"route": preferences.route, "style": preferences.style})
