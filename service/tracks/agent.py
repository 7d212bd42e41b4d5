"""The agent track over HTTP: ask for a refund, see how it goes, decide on what waits. Of the track, read this first.

``POST /agent`` puts a run into the queue and answers 202; a worker process leads it through its steps
(``agent_track.py``), and a refund above the limit waits here until an admin decides. The owner may withdraw it, but not
approve it; an admin may approve what is not their own. A decision is taken once: the first one changes the run in one
step in Redis, every other gets 409. Next: ``agent_runs.py``.
"""

from collections.abc import Mapping
from typing import Any, Literal, get_args

import orjson
from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from ..errors import BadRequest, Conflict, Forbidden, NotFound, Unprocessable
from ..gateway.auth import Caller
from ..gateway.body import Strict, read
from ..gateway.context import Context, context_of
from ..gateway.document import asked_by, from_one_to, json_response, takes
from ..gateway.query import whole
from ..llm.routes import Route, route_named
from ..sessions.idempotency import Idempotency, Outcome
from ..settings import AgentSettings
from .agent_record import Run, Status
from .agent_runs import MOST_LISTED, RUN_ID, STEP, Runs
from .queue import Queue
from .webhook import Webhooks

STATUSES: tuple[str, ...] = get_args(Status)
NEVER_KNOWN = "there is no such run of yours; runs are kept for {days:g} days after their last change"


class AgentRequest(Strict):
    """``text`` is what the customer says."""

    text: str = Field(min_length=1, max_length=4_000)
    route: str | None = Field(None, min_length=1, max_length=64)
    webhook_url: str | None = Field(None, min_length=1, max_length=2_000)


class ResumeRequest(Strict):
    """The decision on what a run waits with."""

    decision: Literal["approve", "reject"]
    note: str | None = Field(None, min_length=1, max_length=500)


class Agent:
    """The endpoints."""

    def __init__(
        self,
        settings: AgentSettings,
        *,
        runs: Runs,
        queue: Queue,
        webhooks: Webhooks,
        idempotency: Idempotency,
        routes: Mapping[str, Route],
        default_route: str,
        body_max_bytes: int,
    ) -> None:
        self._settings = settings
        self._runs, self._queue, self._webhooks = runs, queue, webhooks
        self._idempotency = idempotency
        self._routes, self._default_route = routes, default_route
        self._body_max_bytes = body_max_bytes
        self.router = APIRouter(tags=["agent"])
        add = self.router.add_api_route
        begins, decides = (takes(body, "Idempotency-Key") for body in (AgentRequest, ResumeRequest))
        which = asked_by(status={"type": "string", "enum": list(STATUSES)}, limit=from_one_to(MOST_LISTED, MOST_LISTED))
        add("/agent", self.begin, methods=["POST"], openapi_extra=begins, status_code=202)
        add("/agent", self.listed, methods=["GET"], openapi_extra=which)
        add("/agent/{run_id}", self.seen, methods=["GET"])
        add("/agent/{run_id}/resume", self.resume, methods=["POST"], openapi_extra=decides, status_code=202)

    async def begin(self, request: Request) -> Response:
        """Begin a run; 202 with its id, at once."""
        asked = await read(request, AgentRequest, most_bytes=self._body_max_bytes)
        if not asked.text.strip():
            raise Unprocessable("text: there is nothing in it but white space; say what you want", param="text")
        route = asked.route or self._default_route
        route_named(self._routes, route)
        if asked.webhook_url is not None:
            await self._webhooks.check(asked.webhook_url)
        context = context_of(request.scope)
        body = orjson.dumps(asked.model_dump(), option=orjson.OPT_SORT_KEYS)

        async def effect(key: str) -> Outcome:
            run_id = f"run_{key[:32]}"
            await self._runs.create(
                run_id,
                context.caller,
                text=asked.text,
                route=route,
                webhook_url=asked.webhook_url,
                traceparent=context.traceparent,
            )
            await self._queue.put(STEP, run_id, run_id)
            return Outcome(202, orjson.dumps({"run_id": run_id, "status": "queued"}))

        outcome = await self._once(request, body, effect)
        location = f"/agent/{orjson.loads(outcome.body)['run_id']}"
        return _response(outcome, {"Location": location})

    async def listed(self, request: Request) -> Response:
        """The caller's runs, an admin's everybody's, newest first; ``?status=waiting``, ``?limit=``.

        To an admin those that wait come by how long they do, longest first.
        """
        status = request.query_params.get("status")
        if status is not None and status not in STATUSES:
            raise BadRequest(f"status: must be one of {', '.join(STATUSES)}, given {status[:40]!r}")
        limit = whole(request, "limit", usual=MOST_LISTED, most=MOST_LISTED)
        caller = context_of(request.scope).caller
        runs = await self._runs.listed(caller, status=status, most=limit)
        return json_response({"runs": [self._shown(run, caller) for run in runs]})

    async def seen(self, request: Request, run_id: str) -> Response:
        """One run: where it stands, what it proposes, each step so far."""
        caller = context_of(request.scope).caller
        return json_response(self._shown(await self._own(caller, run_id), caller))

    async def resume(self, request: Request, run_id: str) -> Response:
        """Approve or reject what a run waits with, once."""
        asked = await read(request, ResumeRequest, most_bytes=self._body_max_bytes)
        context = context_of(request.scope)
        body = orjson.dumps([run_id, asked.decision, asked.note])

        async def effect(key: str) -> Outcome:
            run = await self._own(context.caller, run_id)
            decision = _decision(asked.decision, context.caller, run)
            approver = {"tenant": context.caller.tenant, "user": context.caller.user}
            fields = {"approver": orjson.dumps(approver).decode(), "note": asked.note or ""}
            verdict = await self._runs.decide(run_id, decision, key, **fields)
            if verdict.what not in ("ok", "again"):
                await self._refuse(run_id, verdict.what, verdict.status)
            await self._queue.put(STEP, f"{run_id}:resume", run_id)
            return Outcome(202, orjson.dumps({"run_id": run_id, "status": "resuming", "decision": decision}))

        outcome = await self._once(request, body, effect)
        return _response(outcome, {"Location": f"/agent/{run_id}"})

    async def _refuse(self, run_id: str, why: str, status: str | None) -> None:
        """Raises what a decision that came to nothing is answered with: why, and what is pending now."""
        run = await self._runs.find(run_id)
        if run is None:
            raise NotFound(self._never_known())
        pending = run.proposal if run.status == "waiting" else None
        message = f"this run waits for no decision: it is {run.status}"
        if why == "late":
            message = "nobody decided in time, and the refund is rejected; ask for it again"
        elif run.decision is not None:
            message += f", and {run.decision!r} was decided before"
        raise Conflict(
            message, run_status=run.status, decision=run.decision, pending=None if why == "late" else pending
        )

    async def _own(self, caller: Caller, run_id: str) -> Run:
        """The run, for its owner and for admins; to anybody else there is none. Raises NotFound."""
        run = await self._runs.find(run_id) if RUN_ID.fullmatch(run_id) else None
        if run is None or not (caller.admin or _owns(caller, run)):
            raise NotFound(self._never_known())
        return run

    def _never_known(self) -> str:
        return NEVER_KNOWN.format(days=self._settings.keep_s / 86_400)

    def _shown(self, run: Run, caller: Caller) -> dict[str, Any]:
        return run.shown(approval_within_s=self._settings.approval_within_s, to_admin=caller.admin)

    async def _once(self, request: Request, body: bytes, effect: Any) -> Outcome:
        context: Context = context_of(request.scope)
        keys = set(request.headers.getlist("idempotency-key"))
        if len(keys) > 1:
            raise BadRequest("there are several Idempotency-Key headers; send the one of this operation")
        caller = context.caller
        outcome = await self._idempotency.once(caller.tenant, caller.user, next(iter(keys), None), body, effect)
        context.replayed = outcome.replayed
        return outcome


def _owns(caller: Caller, run: Run) -> bool:
    return (caller.tenant, caller.user) == (run.tenant, run.user)


def _decision(asked: str, caller: Caller, run: Run) -> str:
    """The decision as it is kept. Raises Forbidden: nobody approves their own refund."""
    if asked == "approve" and _owns(caller, run):
        raise Forbidden("a refund of your own can be approved by another admin only; you may withdraw it with 'reject'")
    return "withdraw" if asked == "reject" and _owns(caller, run) else asked


def _response(outcome: Outcome, headers: dict[str, str]) -> Response:
    replayed = {"Idempotency-Replayed": "true"} if outcome.replayed else {}
    return Response(
        outcome.body, status_code=outcome.status, media_type="application/json", headers={**headers, **replayed}
    )
