"""OpenAI's wire format: `POST /v1/chat/completions`, streamed and not, and `GET /v1/models` (DESIGN section 5).

Shapes as the public API reference gives them and as the installed SDK reads them. Read `retrieval.py` next.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import orjson

from .asking import boolean, check_context, integer, known_model, messages, number, require_key
from .call import Ask, ChatWork, Work
from .errors import Headers, RefusalError, encode, openai_shape
from .generation import generate, prompt_tokens
from .models import ModelList
from .prices import Models
from .quota import Quota, openai_headers

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_SYSTEM_ROLES = ("system", "developer", "tool", "function")


class OpenAIProvider:
    """What all endpoints of the provider share."""

    target = "openai"
    shape = staticmethod(openai_shape)
    request_id_header = b"x-request-id"
    models = Models("openai")

    def quota_headers(self, quota: Quota) -> Headers:
        """Return the `x-ratelimit-*` headers."""
        return openai_headers(quota)


class OpenAIModels(OpenAIProvider):
    """`GET /v1/models`."""

    path = "/v1/models"

    def parse(self, headers: Mapping[bytes, bytes], document: dict[str, Any]) -> Ask:
        """Check the key."""
        require_key(headers)
        return Ask(model=None)

    def perform(self, ask: Ask, seq: int, seed: int) -> Work:
        """List the models."""
        entries = [
            {"id": name, "object": "model", "created": 1767225600, "owned_by": "openai"} for name in self.models.names()
        ]
        return ModelList({"object": "list", "data": entries})


class OpenAIChat(OpenAIProvider):
    """`POST /v1/chat/completions`."""

    path = "/v1/chat/completions"

    def parse(self, headers: Mapping[bytes, bytes], document: dict[str, Any]) -> Ask:
        """Check key and fields. Raises RefusalError."""
        require_key(headers)
        model = known_model(self.models, document)
        turns = messages(document, _ROLES)
        boolean(document, "stream")
        if document.get("n") not in (None, 1):
            raise RefusalError("invalid_request", "n: only 1 choice is simulated", param="n")
        system = "\n".join(text for role, text in turns if role in _SYSTEM_ROLES)
        talk = [(role, text) for role, text in turns if role not in _SYSTEM_ROLES]
        max_tokens = integer(document, "max_completion_tokens") or integer(document, "max_tokens")
        ask = Ask(model, prompt_tokens("", turns), system, talk, max_tokens)
        # The API's own default is 1; here a request that says nothing is deterministic.
        ask.temperature = number(document, "temperature", 0, 2) or 0.0
        ask.seed = document.get("seed")
        ask.include_usage = _include_usage(document)
        check_context(model, ask.input_tokens)
        return ask

    def perform(self, ask: Ask, seq: int, seed: int) -> Work:
        """Answer the prompt."""
        return Completion(ask, seq, *generate(ask, seed))


def _include_usage(document: dict[str, Any]) -> bool:
    options = document.get("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict):
        raise RefusalError("invalid_request", "stream_options: Input should be an object", param="stream_options")
    if not boolean(document, "stream"):
        message = "stream_options: only allowed when stream is enabled"
        raise RefusalError("invalid_request", message, param="stream_options")
    return boolean(options, "include_usage")


class Completion(ChatWork):
    """One answer in this format."""

    def __init__(self, ask: Ask, seq: int, pieces: list[str], cut: bool) -> None:
        assert ask.model is not None  # noqa: S101 - parse has found it
        self.tokens = pieces
        self._ask = ask
        self._model = ask.model.name
        self._id = f"chatcmpl-sim{seq:012d}"
        self._created = int(time.time())
        self._finish_reason = "length" if cut else "stop"
        self._delta_head = self._head("chat.completion.chunk", '"choices":[{"index":0,"delta":{"content":')
        usage_null = b',"usage":null' if ask.include_usage else b""
        self._delta_tail = b'},"logprobs":null,"finish_reason":null}]%b}\n\n' % usage_null

    def _head(self, kind: str, rest: str) -> bytes:
        model = orjson.dumps(self._model).decode()
        fields = f'"id":"{self._id}","object":"{kind}","created":{self._created},"model":{model}'
        return f"data: {{{fields},{rest}".encode()

    def _usage(self, output_tokens: int) -> dict[str, Any]:
        return {
            "prompt_tokens": self._ask.input_tokens,
            "completion_tokens": output_tokens,
            "total_tokens": self._ask.input_tokens + output_tokens,
            "prompt_tokens_details": {"cached_tokens": 0},
        }

    def _document(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        head = {"id": self._id, "object": kind, "created": self._created, "model": self._model}
        return {**head, "choices": choices, "system_fingerprint": None}

    def _completion(self, n: int | None, finish_reason: str | None) -> bytes:
        message = {"role": "assistant", "content": "".join(self.tokens[:n]), "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
        usage = self._usage(len(self.tokens) if n is None else n)
        return orjson.dumps({**self._document("chat.completion", [choice]), "usage": usage})

    def _chunk(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> bytes:
        document = self._document("chat.completion.chunk", choices)
        if self._ask.include_usage:
            document["usage"] = usage
        return b"data: %b\n\n" % orjson.dumps(document)

    def body(self) -> bytes:
        """Return the completion."""
        return self._completion(None, self._finish_reason)

    def unfinished(self, n: int) -> bytes | None:
        """Return a completion whose finish reason is null."""
        return self._completion(n, None)

    def missing_fields(self) -> bytes:
        """Return a completion without choices and usage."""
        return orjson.dumps({"id": self._id, "object": "chat.completion", "model": self._model})

    def empty_content(self) -> bytes:
        """Return a completion with no choice."""
        usage = self._usage(len(self.tokens))
        return orjson.dumps({**self._document("chat.completion", []), "usage": usage})

    def opening(self) -> bytes:
        """Return the chunk that names the role."""
        delta = {"role": "assistant", "content": "", "refusal": None}
        return self._chunk([{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}])

    def delta(self, text: str) -> bytes:
        """Return a chunk of content."""
        return self._delta_head + orjson.dumps(text) + self._delta_tail

    def closing(self) -> bytes:
        """Return the chunk with the finish reason, the one with the usage when asked for, and `[DONE]`."""
        choice = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": self._finish_reason}
        frames = self._chunk([choice])
        if self._ask.include_usage:
            frames += self._chunk([], self._usage(len(self.tokens)))
        return frames + b"data: [DONE]\n\n"

    def ping(self) -> bytes:
        """Return a comment line."""
        return b": keep-alive\n\n"

    def malformed(self) -> bytes:
        """Return a chunk whose JSON breaks off."""
        return self._delta_head + b'"bro\n\n'

    def bare_frames(self) -> bytes:
        """Return a chunk without choices, and `[DONE]`."""
        return b'data: {"id":"%b","object":"chat.completion.chunk"}\n\ndata: [DONE]\n\n' % self._id.encode()

    def error(self, refusal: RefusalError, request_id: str) -> bytes:
        """Return an error line."""
        return b"data: %b\n\n" % encode(openai_shape, refusal, request_id)
