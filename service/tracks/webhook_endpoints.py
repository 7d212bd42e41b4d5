"""Webhooks over HTTP: a tenant's signing secret, and for operators what waits, what is dead, and sending it off again.

Next: ``webhook.py``.
"""

from fastapi import APIRouter, Request
from starlette.responses import Response

from ..errors import BadRequest, NotFound
from ..gateway.auth import require_admin
from ..gateway.context import context_of
from ..gateway.document import asked_by, from_one_to, json_response
from ..gateway.query import whole
from .webhook import Webhooks
from .webhook_record import STATES, State

DEFAULT_LISTED = 50
MOST_LISTED = 1000
WHAT = asked_by(
    state={"type": "string", "enum": list(STATES), "default": "dead"}, limit=from_one_to(MOST_LISTED, DEFAULT_LISTED)
)


class WebhookEndpoints:
    """The endpoints."""

    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks
        self.router = APIRouter(tags=["webhooks"])
        self.router.add_api_route("/webhooks/secret", self.read_secret, methods=["GET"])
        self.router.add_api_route("/admin/webhooks", self.read_list, methods=["GET"], openapi_extra=WHAT)
        self.router.add_api_route("/admin/webhooks/{message_id}", self.read_one, methods=["GET"])
        redrive = "/admin/webhooks/{message_id}/redrive"
        self.router.add_api_route(redrive, self.redrive, methods=["POST"], status_code=202)

    async def read_secret(self, request: Request) -> Response:
        """What the caller's receivers verify signatures with; ``previous`` while the service's is being changed."""
        secret, *others = self._webhooks.signer.secrets(context_of(request.scope).caller.tenant)
        return json_response({"secret": secret, "previous": others[0] if others else None})

    async def read_list(self, request: Request) -> Response:
        """The newest messages of a state."""
        require_admin(context_of(request.scope).caller)
        limit = whole(request, "limit", usual=DEFAULT_LISTED, most=MOST_LISTED)
        found = await self._webhooks.listed(_state(request.query_params.get("state", "dead")), limit)
        return json_response({"webhooks": found})

    async def read_one(self, request: Request, message_id: str) -> Response:
        """One message's fate."""
        require_admin(context_of(request.scope).caller)
        found = await self._webhooks.peek(message_id)
        if found is None:
            raise NotFound(f"there is no message {message_id[:80]!r}, or it was forgotten")
        return json_response(found)

    async def redrive(self, request: Request, message_id: str) -> Response:
        """Send a dead message off again, or one that waits at once."""
        require_admin(context_of(request.scope).caller)
        await self._webhooks.redrive(message_id)
        return json_response({"id": message_id, "state": "pending"}, status=202)


def _state(given: str) -> State:
    for state in STATES:
        if state == given:
            return state
    raise BadRequest(f"state: must be one of {', '.join(STATES)}, given {given[:40]!r}")
