"""OpenAI's surface: any OpenAI client talks to the service, ``model`` names a route.

No threads: the client sends the conversation. OpenAI's clients know no restart, so a route with that policy ends a
broken stream with a clean error here. Next: ``refund.py``.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from ..clock import Clock
from ..errors import AllRungsFailed, BadRequest, GauntletError
from ..gateway import problems
from ..gateway.body import Strict, read
from ..gateway.context import Context, context_of
from ..gateway.document import json_response, takes
from ..gateway.events import ClientLeft, Connected, EventStream, sse
from ..llm.provider import Message
from ..llm.routes import Route, route_named
from ..stages.ask import Ask
from ..stages.chain import Next
from ..stages.reply import Delta, Reply
from ..stages.switches import Switches
from .answers import ask_of, facts
from .chat import CLIENT_LEFT

UNSUPPORTED = frozenset(
    [
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "metadata",
        "modalities",
        "parallel_tool_calls",
        "presence_penalty",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_retention",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "service_tier",
        "stop",
        "store",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "web_search_options",
    ]
)
"""Parameters of OpenAI's API that no stage uses: taken, and named in ``ignored``."""


class TextPart(BaseModel):
    """A part of a message; only text is read."""

    model_config = ConfigDict(strict=True)

    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    """One message as OpenAI's clients send it."""

    model_config = ConfigDict(strict=True)

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]

    def text(self) -> str:
        """The content as text."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class StreamOptions(Strict):
    """What a stream carries besides the answer."""

    include_usage: bool = False
    include_obfuscation: bool | None = None


class CompletionRequest(BaseModel):
    """The supported part of OpenAI's request; further known parameters are ignored by name, unknown ones refused."""

    model_config = ConfigDict(strict=True, extra="allow")

    model: str
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=1000)]
    temperature: float | None = Field(None, ge=0, le=2)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = None


class Completions:
    """``POST /v1/chat/completions`` and ``GET /v1/models``."""

    def __init__(
        self, chain: Next, *, routes: Mapping[str, Route], switches: Switches, clock: Clock, body_max_bytes: int
    ) -> None:
        self._chain = chain
        self._routes = {
            alias: replace(route, broken_stream="error") if route.broken_stream == "restart" else route
            for alias, route in routes.items()
        }
        self._switches = switches
        self._clock = clock
        self._body_max_bytes = body_max_bytes
        self._created_s = int(clock.time())
        self.router = APIRouter(prefix="/v1", tags=["openai"])
        self.router.add_api_route(
            "/chat/completions", self.complete, methods=["POST"], openapi_extra=takes(CompletionRequest)
        )
        self.router.add_api_route("/models", self.models, methods=["GET"])
        self.router.add_api_route("/models/{model}", self.model, methods=["GET"])

    async def models(self) -> Response:
        """The routes, as models."""
        return json_response({"object": "list", "data": [self._described(alias) for alias in self._routes]})

    async def model(self, model: str) -> Response:
        """One route, as a model."""
        return json_response(self._described(route_named(self._routes, model).alias))

    def _described(self, alias: str) -> dict[str, Any]:
        return {"id": alias, "object": "model", "created": self._created_s, "owned_by": "gauntlet"}

    async def complete(self, request: Request) -> Response:
        """One completion, whole or streamed."""
        asked = await read(request, CompletionRequest, most_bytes=self._body_max_bytes)
        context = context_of(request.scope)
        ask, ignored = self._ask(context, asked)
        context.ask = ask
        try:
            with Connected(request.receive):
                reply = context.reply = await self._chain(ask)
        except ClientLeft:
            return Response(status_code=CLIENT_LEFT)
        if reply.source == "message":
            reply.end("whole")
            raise AllRungsFailed(reply.text or "", retry_after_s=reply.retry_after_s)
        head = {
            "id": f"chatcmpl-{ask.request_id}",
            "created": int(self._clock.time()),
            "model": asked.model,
        }
        if asked.stream:
            with_usage = asked.stream_options is not None and asked.stream_options.include_usage
            events = _events(context, ask, reply, head, ignored, with_usage=with_usage)
            return EventStream(events, ask.limits)
        reply.end("whole")
        reply.ignored = (*reply.ignored, *ignored)
        body = {
            **head,
            "object": "chat.completion",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": reply.text, "refusal": None},
                    "finish_reason": reply.finish_reason or "stop",
                    "logprobs": None,
                }
            ],
            "usage": _usage(ask),
            "gauntlet": facts(ask, reply, reply.text or ""),
        }
        return json_response(body, headers=ask.limits)

    def _ask(self, context: Context, asked: CompletionRequest) -> tuple[Ask, tuple[str, ...]]:
        extra = asked.model_extra or {}
        unknown = sorted(set(extra) - UNSUPPORTED)
        if unknown:
            raise BadRequest(f"unknown parameter {unknown[0]!r}; leave it out", param=unknown[0])
        system = [m.text() for m in asked.messages if m.role in ("system", "developer")]
        messages: list[Message] = []
        for message in asked.messages:
            if message.role == "user":
                messages.append(Message("user", message.text()))
            elif message.role == "assistant":
                messages.append(Message("assistant", message.text()))
        if not messages or messages[-1].role != "user":
            raise BadRequest("the last message must be the user's", param="messages")
        ask = ask_of(
            context,
            route_named(self._routes, asked.model),
            tuple(messages),
            clock=self._clock,
            switches=self._switches,
            system="\n\n".join(system) or None,
            max_tokens=asked.max_completion_tokens or asked.max_tokens,
            temperature=asked.temperature,
            seed=asked.seed,
            stream=bool(asked.stream),
        )
        return ask, tuple(sorted(name for name, value in extra.items() if value is not None))


async def _events(
    context: Context, ask: Ask, reply: Reply, head: dict[str, Any], ignored: tuple[str, ...], *, with_usage: bool
) -> AsyncGenerator[bytes, None]:
    head = {**head, "object": "chat.completion.chunk"}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return sse(None, orjson.dumps({**head, "choices": [choice]}))

    try:
        yield chunk({"role": "assistant", "content": ""})
        parts: list[str] = []
        async for event in reply:
            if isinstance(event, Delta):
                parts.append(event.text)
                context.first_token_s = context.first_token_s or ask.clock.monotonic()
                yield chunk({"content": event.text})
        yield chunk({}, reply.finish_reason or "stop")
        if with_usage:
            reply.ignored = (*reply.ignored, *ignored)
            told = facts(ask, reply, "".join(parts))
            yield sse(None, orjson.dumps({**head, "choices": [], "usage": _usage(ask), "gauntlet": told}))
        yield b"data: [DONE]\n\n"
    except GauntletError as error:
        context.error = error.code
        yield sse(None, orjson.dumps(problems.openai_document(ask.request_id, error)))
    finally:
        await reply.aclose()


def _usage(ask: Ask) -> dict[str, int]:
    usage = ask.answer_usage
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
