"""The synchronous track: ``POST /chat`` and ``POST /chat/stream``.

A turn in a thread, through the stages, answered within five seconds or honestly not. Chapter, section 3.
Next: ``completions.py``.
"""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import orjson
from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from ..clock import Clock
from ..errors import GauntletError, StoreUnavailable, Unprocessable
from ..gateway import problems
from ..gateway.body import Strict, read
from ..gateway.context import Context, context_of
from ..gateway.document import json_response, takes
from ..gateway.events import ClientLeft, Connected, EventStream, sse
from ..llm.provider import Message
from ..llm.routes import Route, route_named
from ..sessions.threads import THREAD_ID, Threads, Turn
from ..stages.ask import Ask
from ..stages.chain import Next
from ..stages.reply import Delta, Reply
from ..stages.switches import Switches
from ..store.settle import Settle
from .answers import ask_of, facts, path
from .jobs import MOST_URL, location
from .later import PROMISE, Promises
from .webhook import Webhooks

CLIENT_LEFT = 499
"""The status that is logged for a client who left; nobody reads it."""


class ChatRequest(Strict):
    """``text`` is what the user says; all else is optional.

    ``later``: when nobody can answer now, keep the question and answer it later; ``webhook_url`` is told of it then.
    """

    text: str = Field(min_length=1, max_length=100_000)
    thread_id: str | None = Field(None, pattern=THREAD_ID.pattern)
    route: str | None = Field(None, min_length=1, max_length=64)
    temperature: float | None = Field(None, ge=0, le=2)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    max_tokens: int | None = Field(None, ge=1, le=1_000_000)
    later: bool = False
    webhook_url: str | None = Field(None, min_length=1, max_length=MOST_URL)


class Chat:
    """The two endpoints."""

    def __init__(
        self,
        chain: Next,
        *,
        threads: Threads,
        routes: Mapping[str, Route],
        default_route: str,
        switches: Switches,
        settle: Settle,
        promises: Promises | None,
        webhooks: Webhooks,
        clock: Clock,
        body_max_bytes: int,
    ) -> None:
        self._chain = chain
        self._threads = threads
        self._routes = routes
        self._default_route = default_route
        self._switches = switches
        self._settle = settle
        self._promises = promises
        self._webhooks = webhooks
        self._clock = clock
        self._body_max_bytes = body_max_bytes
        self.router = APIRouter(tags=["chat"])
        self.router.add_api_route("/chat", self.chat, methods=["POST"], openapi_extra=takes(ChatRequest))
        self.router.add_api_route("/chat/stream", self.stream, methods=["POST"], openapi_extra=takes(ChatRequest))

    async def chat(self, request: Request) -> Response:
        """Answer as one JSON document."""
        asked = await self._read(request)
        begun = await self._begin(request, asked, stream=False)
        if begun is None:
            return Response(status_code=CLIENT_LEFT)
        turn, ask, reply = begun
        reply.end("whole")
        return await self._whole(request, ask, turn, asked, reply)

    async def stream(self, request: Request) -> Response:
        """Answer as server-sent events: stage (with ``?explain=1``), delta, restart, done, error."""
        asked = await self._read(request)
        begun = await self._begin(request, asked, stream=True)
        if begun is None:
            return Response(status_code=CLIENT_LEFT)
        turn, ask, reply = begun
        if reply.source == "message":  # nothing was sent yet, so the status can still be honest
            reply.end("whole")
            return await self._whole(request, ask, turn, asked, reply)
        return EventStream(self._events(request, ask, turn, asked, reply), ask.limits)

    async def _read(self, request: Request) -> ChatRequest:
        """The question. Raises what ``read`` does, and what is wrong with a wish for a later answer."""
        asked = await read(request, ChatRequest, most_bytes=self._body_max_bytes)
        if asked.webhook_url is not None and not asked.later:
            raise Unprocessable("webhook_url: only a later answer is told of; send later = true", param="webhook_url")
        if asked.later and self._promises is None:
            raise Unprocessable("later: this service has no queue, so it answers now or not at all", param="later")
        if asked.webhook_url is not None:
            await self._webhooks.check(asked.webhook_url)
        return asked

    async def _begin(self, request: Request, asked: ChatRequest, *, stream: bool) -> tuple[Turn, Ask, Reply] | None:
        """The turn and the chain's committed reply; None when the client left before, wherever it waited then."""
        try:
            with Connected(request.receive):
                context = context_of(request.scope)
                turn, ask = await self._turn(context, asked, stream=stream)
                context.ask, context.thread_id = ask, turn.thread_id
                try:
                    context.reply = await self._chain(ask)
                except BaseException:
                    self._abandon(turn)
                    raise
                return turn, ask, context.reply
        except ClientLeft:
            return None

    async def _turn(self, context: Context, asked: ChatRequest, *, stream: bool) -> tuple[Turn, Ask]:
        """The caller's turn in the thread, and the question that goes through the chain."""
        caller = context.caller
        if asked.route is not None:
            route_named(self._routes, asked.route)
        wait_s = self._routes[asked.route or self._default_route].deadline_s
        if context.deadline_ms is not None:
            wait_s = min(wait_s, context.deadline_ms / 1000)
        turn = await self._threads.begin(
            caller.tenant, caller.user, asked.thread_id, until_s=context.started_s + wait_s
        )
        preferred = turn.preferences.route
        alias = asked.route or (preferred if preferred in self._routes else None) or self._default_route
        ask = ask_of(
            context,
            self._routes[alias],
            (*turn.history, Message("user", asked.text)),
            clock=self._clock,
            switches=self._switches,
            system=turn.preferences.system(),
            max_tokens=asked.max_tokens,
            temperature=asked.temperature,
            seed=asked.seed,
            stream=stream,
        )
        return turn, ask

    def _abandon(self, turn: Turn) -> None:
        self._settle.post(self._threads.abandon(turn), "thread")

    async def _commit(self, turn: Turn, said: str, reply: Reply, answer: str) -> None:
        """Store the turn; a store that is away costs the memory of it, not the answer."""
        if reply.source == "message":
            self._abandon(turn)
            return
        if turn.stored:
            try:
                await self._threads.commit(turn, said, answer)
            except StoreUnavailable:
                turn.stored = False
        if not turn.stored:
            self._abandon(turn)
            reply.degraded.append("session")

    async def _whole(self, request: Request, ask: Ask, turn: Turn, asked: ChatRequest, reply: Reply) -> Response:
        answer = reply.text or ""
        await self._commit(turn, asked.text, reply, answer)
        job_id = await self._promise(ask, turn, asked, reply)
        if job_id is not None:
            answer = PROMISE.format(where=location(job_id))
        body = {"answer": answer, "thread_id": turn.known_id, **facts(ask, reply, answer)}
        if _explains(request):
            body["path"] = path(ask)
        headers = dict(ask.limits)
        if job_id is not None:
            return json_response(
                body | {"job_id": job_id}, status=202, headers=headers | {"Location": location(job_id)}
            )
        if reply.retry_after_s is not None:
            headers["Retry-After"] = problems.retry_after(reply.retry_after_s)
        status = 503 if reply.source == "message" else 200
        return json_response(body, status=status, headers=headers)

    async def _promise(self, ask: Ask, turn: Turn, asked: ChatRequest, reply: Reply) -> str | None:
        """The job that answers later, where that was wished for and nobody could answer; None otherwise."""
        if reply.source != "message" or not asked.later or self._promises is None or not turn.stored:
            return None
        job_id = await self._promises.make(ask, turn, asked.text, asked.webhook_url)
        if job_id is not None:
            reply.source = "later"
        return job_id

    async def _events(
        self, request: Request, ask: Ask, turn: Turn, asked: ChatRequest, reply: Reply
    ) -> AsyncGenerator[bytes, None]:
        context, explain = context_of(request.scope), _explains(request)
        parts: list[str] = []
        told, stored = 0, False
        try:
            try:
                async for event in reply:
                    if explain:
                        for row in path(ask, told):
                            yield sse("stage", orjson.dumps(row))
                        told = len(ask.path)
                    if isinstance(event, Delta):
                        context.first_token_s = context.first_token_s or self._clock.monotonic()
                        parts.append(event.text)
                        yield sse("delta", orjson.dumps({"text": event.text}))
                    else:
                        parts.clear()
                        yield sse("restart", orjson.dumps({"reason": event.reason}))
                answer = "".join(parts)
                await self._commit(turn, asked.text, reply, answer)
                stored = True
            except GauntletError as error:
                context.error = error.code
                yield sse("error", orjson.dumps(problems.document(ask.request_id, error)))
                return
            if explain:
                for row in path(ask, told):
                    yield sse("stage", orjson.dumps(row))
            done: dict[str, Any] = {"answer": answer, "thread_id": turn.known_id, **facts(ask, reply, answer)}
            yield sse("done", orjson.dumps(done))
        finally:
            try:
                await reply.aclose()
            finally:
                if not stored:
                    self._abandon(turn)


def _explains(request: Request) -> bool:
    return b"explain=1" in request.scope["query_string"].split(b"&")
