"""Anthropic's Messages API behind the protocol. Section 2 of the chapter: switching providers is one rung.

The API of 2026-10-21 refuses temperature and has no seed: both are dropped and named. Next: ``openai.py``.
"""

from collections.abc import Sequence
from typing import Any

import anthropic

from ..clock import Clock
from ..settings import ProviderSettings
from .provider import Completion, LLMRequest, LLMStream, Message, Usage
from .sdk import Json, Wire, aiohttp_client
from .stream import JsonStream

_FINISH = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length"}


class AnthropicProvider:
    """``LLMProvider`` over AsyncAnthropic. ``model`` is what ``call`` uses."""

    lacks = frozenset({"temperature", "seed"})

    def __init__(
        self, name: str, settings: ProviderSettings, *, api_key: str, model: str, hint_max_s: float, clock: Clock
    ) -> None:
        self.name = name
        self._model = model
        client = anthropic.AsyncAnthropic(
            api_key=api_key,
            base_url=settings.base_url,
            max_retries=0,
            http_client=aiohttp_client(anthropic, settings),
            open_telemetry=False,  # the call stage records the attempt; twice would be counted twice
        )
        self._wire = Wire(name, anthropic, client, "/v1/messages", hint_max_s=hint_max_s, clock=clock)

    async def call(self, messages: Sequence[Message]) -> str:
        """The chapter's form: messages in, text out."""
        return (await self.complete(LLMRequest(self._model, messages, max_tokens=1024))).text

    async def complete(self, request: LLMRequest) -> Completion:
        """The whole answer at once."""
        answer = await self._wire.post(_body(request), request.headers)
        usage: Usage | None = None
        try:
            usage = _usage(answer["usage"])  # first: it is billed, whatever else is missing
            text = "".join(block["text"] for block in answer["content"] if block["type"] == "text")
            reason, model, response_id = str(answer["stop_reason"]), str(answer["model"]), str(answer["id"])
        except (KeyError, TypeError, AttributeError, ValueError):
            raise self._wire.bad_answer("200 without the fields of a message", usage) from None
        if reason == "refusal":
            raise self._wire.filtered(usage)
        if not text:
            raise self._wire.bad_answer("200 with empty content", usage)
        if answer["stop_reason"] is None:
            raise self._wire.bad_answer("200 with an answer that was not finished", usage)
        return Completion(text, model, _FINISH.get(reason, reason), usage, response_id)

    async def stream(self, request: LLMRequest) -> LLMStream:
        """Open a stream; returns when the headers are there."""
        return _Stream(self._wire, await self._wire.open({**_body(request), "stream": True}, request.headers))

    async def aclose(self) -> None:
        """End the connections."""
        await self._wire.aclose()


class _Stream(JsonStream):
    """message_start, deltas, message_delta (stop reason, cumulative usage), message_stop; pings are not yielded."""

    def __init__(self, wire: Wire, events: Any) -> None:
        super().__init__(wire, events)
        self._stated: Json = {}
        self._stopped = False

    @property
    def _whole(self) -> bool:
        return self._stopped and self.finish_reason is not None

    def _take(self, event: Json) -> str:
        kind = event["type"]
        if kind == "content_block_delta":
            return str(event["delta"].get("text", ""))
        if kind == "message_start":
            self._state(event["message"]["usage"])
        elif kind == "message_delta":
            self._state(event["usage"])
            reason = event["delta"].get("stop_reason")
            if reason == "refusal":
                raise self._wire.filtered(self.usage)
            self.finish_reason = _FINISH.get(reason, reason)
        elif kind == "message_stop":
            self._stopped = True
        return ""

    def _state(self, usage: Json) -> None:
        """Cumulative counts: a later event repeats those that grew and may leave out, or null, the others."""
        self._stated.update({name: count for name, count in usage.items() if count is not None})
        self.usage = _usage(self._stated)


def _usage(given: Json) -> Usage:
    cached = int(given.get("cache_read_input_tokens") or 0)
    written = int(given.get("cache_creation_input_tokens") or 0)
    return Usage.stated(int(given["input_tokens"]) + cached + written, given["output_tokens"], cached, written)


def _body(request: LLMRequest) -> Json:
    body: Json = {
        "model": request.model,
        "max_tokens": request.max_tokens,
        "messages": [{"role": m.role, "content": m.content} for m in request.messages],
    }
    if request.system:
        body["system"] = request.system
    return body
