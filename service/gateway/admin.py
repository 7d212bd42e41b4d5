"""What an operator may look at and turn: stage switches and breakers. Admin keys only. Next: ``health.py``."""

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from pydantic import create_model
from starlette.responses import Response

from ..errors import NotFound
from ..settings import SWITCHES
from ..stages.breaker import Breaker
from ..stages.switches import Switches
from .auth import require_admin
from .body import Strict, read
from .context import context_of
from .document import json_response, takes

if TYPE_CHECKING:
    from ..observability.telemetry import Telemetry

StagesBody: type[Strict] = create_model("StagesBody", __base__=Strict, **dict.fromkeys(SWITCHES, (bool | None, None)))  # type: ignore[call-overload]
"""Stages to switch: name to on (true) or off (false); those left out stay as they are."""


class ResetBody(Strict):
    """Which circuit to close; none named: all."""

    provider: str | None = None


class Admin:
    """The endpoints."""

    def __init__(self, switches: Switches, breaker: Breaker, telemetry: "Telemetry", *, body_max_bytes: int) -> None:
        self._switches = switches
        self._breaker = breaker
        self._telemetry = telemetry
        self._body_max_bytes = body_max_bytes
        self.router = APIRouter(prefix="/admin", tags=["admin"])
        self.router.add_api_route("/stages", self.read_stages, methods=["GET"])
        self.router.add_api_route("/stages", self.put_stages, methods=["PUT"], openapi_extra=takes(StagesBody))
        self.router.add_api_route("/breakers", self.read_breakers, methods=["GET"])
        self.router.add_api_route("/telemetry", self.read_telemetry, methods=["GET"])
        self.router.add_api_route(
            "/breakers/reset", self.reset_breakers, methods=["POST"], openapi_extra=takes(ResetBody)
        )

    async def read_stages(self, request: Request) -> Response:
        """Each stage and whether it is on."""
        require_admin(context_of(request.scope).caller)
        return json_response({"stages": self._switches.snapshot()})

    async def put_stages(self, request: Request) -> Response:
        """Switch stages for the fleet; says which live workers have not acknowledged within a second."""
        require_admin(context_of(request.scope).caller)
        body = await read(request, StagesBody, most_bytes=self._body_max_bytes)
        wanted = {name: on for name, on in body.model_dump().items() if on is not None}
        missing = await self._switches.put(wanted)
        return json_response({"stages": self._switches.snapshot(), "not_acknowledged": missing})

    async def read_breakers(self, request: Request) -> Response:
        """Each provider's circuit, as this worker knows it."""
        require_admin(context_of(request.scope).caller)
        return json_response({"breakers": self._breaker.snapshot()})

    async def read_telemetry(self, request: Request) -> Response:
        """What this worker's telemetry sent, and what of it was lost where."""
        require_admin(context_of(request.scope).caller)
        return json_response({"telemetry": self._telemetry.snapshot()})

    async def reset_breakers(self, request: Request) -> Response:
        """Close one circuit or all, and end their pauses."""
        require_admin(context_of(request.scope).caller)
        body = await read(request, ResetBody, most_bytes=self._body_max_bytes)
        known = self._breaker.circuits
        if body.provider is not None and body.provider not in known:
            raise NotFound(f"no provider is called {body.provider!r}; there are {', '.join(known)}")
        for provider in [body.provider] if body.provider else list(known):
            await self._breaker.reset(provider)
        return json_response({"breakers": self._breaker.snapshot()})
