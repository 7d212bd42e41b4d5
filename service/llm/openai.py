"""OpenAI's chat completions behind the protocol, and any server that speaks them.

vLLM and Ollama are one more entry of the configuration. Next: ``prices.py``.
"""

from collections.abc import Sequence

import openai

from ..clock import Clock
from ..settings import ProviderSettings
from .provider import Completion, LLMRequest, LLMStream, Message, Usage
from .sdk import Json, Wire, aiohttp_client
from .stream import JsonStream


class OpenAIProvider:
    """``LLMProvider`` over AsyncOpenAI. ``model`` is what ``call`` uses."""

    lacks: frozenset[str] = frozenset()

    def __init__(
        self, name: str, settings: ProviderSettings, *, api_key: str, model: str, hint_max_s: float, clock: Clock
    ) -> None:
        self.name = name
        self._model = model
        client = openai.AsyncOpenAI(
            api_key=api_key, base_url=settings.base_url, max_retries=0, http_client=aiohttp_client(openai, settings)
        )
        self._wire = Wire(name, openai, client, "/chat/completions", hint_max_s=hint_max_s, clock=clock)

    async def call(self, messages: Sequence[Message]) -> str:
        """The chapter's form: messages in, text out."""
        return (await self.complete(LLMRequest(self._model, messages, max_tokens=1024))).text

    async def complete(self, request: LLMRequest) -> Completion:
        """The whole answer at once."""
        answer = await self._wire.post(_body(request), request.headers)
        usage: Usage | None = None
        try:
            usage = _usage(answer["usage"])  # first: it is billed, whatever else is missing
            choices = answer["choices"]
            if not choices:
                raise self._wire.bad_answer("200 with no choices", usage)
            text, reason = choices[0]["message"]["content"], choices[0]["finish_reason"]
            model, response_id = str(answer["model"]), str(answer["id"])
        except (KeyError, TypeError, AttributeError, ValueError, IndexError):
            raise self._wire.bad_answer("200 without the fields of a completion", usage) from None
        if reason == "content_filter":
            raise self._wire.filtered(usage)
        if not text:
            raise self._wire.bad_answer("200 with empty content", usage)
        if reason is None:
            raise self._wire.bad_answer("200 with an answer that was not finished", usage)
        return Completion(str(text), model, str(reason), usage, response_id)

    async def stream(self, request: LLMRequest) -> LLMStream:
        """Open a stream; returns when the headers are there."""
        body = {**_body(request), "stream": True, "stream_options": {"include_usage": True}}
        return _Stream(self._wire, await self._wire.open(body, request.headers))

    async def aclose(self) -> None:
        """End the connections."""
        await self._wire.aclose()


class _Stream(JsonStream):
    """Content deltas, one delta with the finish reason, one chunk with the usage, ``[DONE]`` (eaten by the SDK)."""

    @property
    def _whole(self) -> bool:
        return self.finish_reason is not None

    def _take(self, event: Json) -> str:
        if event.get("usage"):
            self.usage = _usage(event["usage"])
        if not event["choices"]:
            return ""
        choice = event["choices"][0]
        if choice.get("finish_reason") == "content_filter":
            self._filtered = True  # its usage is in the next chunk
        if choice.get("finish_reason"):
            self.finish_reason = str(choice["finish_reason"])
        return str(choice["delta"].get("content") or "")


def _usage(given: Json) -> Usage:
    details = given.get("prompt_tokens_details") or {}
    return Usage.stated(
        given["prompt_tokens"],
        given["completion_tokens"],
        details.get("cached_tokens"),
        details.get("cache_write_tokens"),
    )


def _body(request: LLMRequest) -> Json:
    messages = [{"role": m.role, "content": m.content} for m in request.messages]
    if request.system:
        messages.insert(0, {"role": "system", "content": request.system})
    body: Json = {"model": request.model, "max_completion_tokens": request.max_tokens, "messages": messages}
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.seed is not None:
        body["seed"] = request.seed
    return body
