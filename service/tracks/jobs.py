"""The background track: ``POST /jobs`` takes a long document, a worker process summarises it, the user is told.

202 at once, with where to look; the same Idempotency-Key is the same job. The record is written before the queue's
entry, and a worker puts again what was lost in between. Too many waiting jobs are refused with the time that it takes
to work some off (back-pressure; chapter, section 3). A job belongs to its user, and to admins; to all others it is not
there. Next: ``job_record.py``, ``job_runs.py``.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from ..clock import Clock
from ..errors import BadRequest, BodyTooLarge, Conflict, NotFound, Overloaded, RateLimited, Unprocessable
from ..gateway.auth import Caller
from ..gateway.body import Strict, read
from ..gateway.context import context_of
from ..gateway.document import asked_by, from_one_to, json_response, takes
from ..gateway.query import whole
from ..llm.routes import Route, route_named
from ..sessions.idempotency import Idempotency, Outcome
from ..settings import JobSettings
from .job_ends import Ends
from .job_record import TASK, Job, Records, job_id_of
from .queue import Queue, lane_of
from .webhook import Webhooks

MOST_URL = 2048
PAGE = 20
MOST_PAGE = 100
LONGEST_WAIT_S = 600.0
UNMEASURED_WAIT_S = 30.0
"""What Retry-After says when no job ended in the last minute."""
ESCAPES = 2
"""A text grows when it is written as JSON."""


class JobRequest(Strict):
    """``text`` is the document; ``webhook_url`` is told when the job has ended."""

    text: str = Field(min_length=1)
    webhook_url: str | None = Field(None, min_length=1, max_length=MOST_URL)
    route: str | None = Field(None, min_length=1, max_length=64)


class Jobs:
    """The endpoints."""

    def __init__(
        self,
        settings: JobSettings,
        *,
        records: Records,
        ends: Ends,
        queue: Queue,
        webhooks: Webhooks,
        idempotency: Idempotency,
        routes: Mapping[str, Route],
        default_route: str,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._records = records
        self._ends = ends
        self._queue = queue
        self._webhooks = webhooks
        self._idempotency = idempotency
        self._routes = routes
        self._default_route = default_route
        self._clock = clock
        self.router = APIRouter(tags=["jobs"])
        extra = takes(JobRequest, "Idempotency-Key")
        self.router.add_api_route("/jobs", self.create, methods=["POST"], openapi_extra=extra, status_code=202)
        page = asked_by(limit=from_one_to(MOST_PAGE, PAGE), cursor={"type": "string", "pattern": r"^[0-9]{1,20}$"})
        self.router.add_api_route("/jobs", self.overview, methods=["GET"], openapi_extra=page)
        self.router.add_api_route("/jobs/{job_id}", self.show, methods=["GET"])
        self.router.add_api_route("/jobs/{job_id}", self.cancel, methods=["DELETE"])

    async def create(self, request: Request) -> Response:
        """Have a long document summarised; once, however often this is asked with one Idempotency-Key."""
        most_bytes = self._settings.text_max_bytes
        asked = await read(request, JobRequest, most_bytes=ESCAPES * most_bytes)
        if len(asked.text.encode()) > most_bytes:
            raise BodyTooLarge(f"the text is larger than {most_bytes} bytes; send less")
        if not asked.text.strip():
            raise Unprocessable("text: there is nothing in it but white space; send a document", param="text")
        route = asked.route or self._default_route
        route_named(self._routes, route)
        context = context_of(request.scope)
        caller = context.caller
        if asked.webhook_url is not None:
            await self._webhooks.check(asked.webhook_url)

        async def effect(key: str) -> Outcome:
            job = Job(
                job_id_of(key),
                caller.tenant,
                caller.user,
                "analysis",
                route,
                "queued",
                0,
                round(self._clock.time(), 3),
                context.traceparent,
                text=asked.text,
                webhook_url=asked.webhook_url,
            )
            await self.accept(job)
            told = {name: job.shown()[name] for name in ("job_id", "kind", "status", "route", "created_at")}
            return Outcome(202, orjson.dumps(told))

        key = one_key(request)
        body = orjson.dumps(asked.model_dump(), option=orjson.OPT_SORT_KEYS)
        outcome = await self._idempotency.once(caller.tenant, caller.user, key, body, effect)
        context.replayed = outcome.replayed
        headers = {"Location": location(orjson.loads(outcome.body)["job_id"])}
        if outcome.replayed:
            headers["Idempotency-Replayed"] = "true"
        return Response(outcome.body, status_code=202, media_type="application/json", headers=headers)

    async def accept(self, job: Job) -> None:
        """Keep the job and put it into the queue. Raises Overloaded, RateLimited and StoreUnavailable."""
        await self._check_depth()
        if not await self._records.create(job, self._clock.time()):
            raise RateLimited(
                f"{self._settings.per_user_max} of your jobs have not ended yet; wait for one, or cancel one",
                retry_after_s=await self._wait_s(1),
            )
        await self._queue.put(TASK, job.id, job.id)

    async def _check_depth(self) -> None:
        depth = await self._queue.depth(lane_of(TASK))
        waiting, most = depth.waiting + depth.delayed, self._settings.depth_max
        if waiting >= most:
            raise Overloaded(
                f"{waiting} jobs wait already, and at most {most} may; try again later",
                retry_after_s=await self._wait_s(waiting - most + 1),
            )

    async def _wait_s(self, jobs: int) -> float:
        """How long it takes until so many jobs have ended, as fast as they did in the last minute."""
        per_s = await self._records.ends_per_s(self._clock.time())
        return min(jobs / per_s, LONGEST_WAIT_S) if per_s else UNMEASURED_WAIT_S

    async def overview(self, request: Request) -> Response:
        """The caller's jobs, newest first, for admins everybody's; ``limit`` of them, from ``cursor`` on."""
        caller = context_of(request.scope).caller
        limit, cursor = _page(request)
        ids, following = await self._records.page(whose(caller), cursor, limit)
        rows = []
        for job in await asyncio.gather(*(self._records.read(job_id) for job_id in ids)):
            if job is None:
                continue
            row = job.shown()
            del row["result"]
            rows.append(row | owner(job, caller))
        return json_response({"jobs": rows, "cursor": following})

    async def show(self, request: Request, job_id: str) -> Response:
        """How far a job is, what it cost so far, and its result, which is kept for a day."""
        return json_response(await self._shown(await self._owned(request, job_id), context_of(request.scope).caller))

    async def cancel(self, request: Request, job_id: str) -> Response:
        """End a job; what it cost so far stays on the book. One that has ended otherwise is 409."""
        job = await self._owned(request, job_id)
        if await self._ends.cancel(job):
            await self._queue.cancel(TASK, job.id)
            await self._ends.tell(job.id)
        job = await self._owned(request, job_id)
        if job.status != "cancelled":
            raise Conflict(f"the job has {job.status} already; there is nothing left to cancel")
        return json_response(await self._shown(job, context_of(request.scope).caller))

    async def _owned(self, request: Request, job_id: str) -> Job:
        """The job of the path. Raises NotFound also for another user's."""
        caller = context_of(request.scope).caller
        job = await self._records.read(job_id)
        if job is None or not (caller.admin or (job.tenant, job.user) == (caller.tenant, caller.user)):
            raise NotFound("no job of yours has this id; results are kept for a day")
        return job

    async def _shown(self, job: Job, caller: Caller) -> dict[str, Any]:
        shown = job.shown() | owner(job, caller)
        shown["expires_at"] = None if job.ended_at is None else job.ended_at + self._settings.keep_s
        shown["webhook"] = None
        if job.webhook_url is not None:
            sent = None if job.webhook_id is None else await self._webhooks.peek(job.webhook_id)
            state = {name: sent[name] for name in ("state", "tries", "last_error")} if sent else {"state": "none"}
            shown["webhook"] = {"url": job.webhook_url, "message_id": job.webhook_id, **state}
        return shown


def whose(caller: Caller) -> str:
    """The list that a caller sees."""
    return "all" if caller.admin else f"{caller.tenant}:{caller.user}"


def owner(job: Job, caller: Caller) -> dict[str, Any]:
    """Whose it is, for admins: all others see none but their own."""
    return {"tenant": job.tenant, "user": job.user} if caller.admin else {}


def location(job_id: str) -> str:
    """Where a job is looked at."""
    return f"/jobs/{job_id}"


def one_key(request: Request) -> str | None:
    """The request's Idempotency-Key, if any. Raises BadRequest for several."""
    keys = set(request.headers.getlist("idempotency-key"))
    if len(keys) > 1:
        raise BadRequest("there are several Idempotency-Key headers; send the one of this operation")
    return keys.pop() if keys else None


def _page(request: Request) -> tuple[int, str | None]:
    limit, cursor = whole(request, "limit", usual=PAGE, most=MOST_PAGE), request.query_params.get("cursor")
    if cursor is not None and not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= 20):
        raise BadRequest("cursor: must be what the page before gave as its own; leave it out for the first page")
    return limit, cursor
