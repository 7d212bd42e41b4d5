"""Anthropic's wire format: `POST /v1/messages`, streamed and not, and `GET /v1/models` (DESIGN section 5).

Shapes as the public API reference gives them and as the installed SDK reads them (version 2026-10-21, which refuses
sampling parameters). Read `openai_wire.py` next: the same answers in the other format.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from .asking import boolean, check_context, integer, known_model, messages, number, require_key, text_of
from .call import Ask, ChatWork, Work
from .errors import Headers, RefusalError, anthropic_shape, encode
from .generation import generate, prompt_tokens
from .models import ModelList
from .prices import Models
from .quota import Quota, anthropic_headers

WITHOUT_SAMPLING = "2026-10-21"
"""From this API version on `temperature`, `top_p` and `top_k` are refused."""

_ROLES = frozenset({"user", "assistant"})
_PING = b'event: ping\ndata: {"type": "ping"}\n\n'


class AnthropicProvider:
    """What all endpoints of the provider share."""

    target = "anthropic"
    shape = staticmethod(anthropic_shape)
    request_id_header = b"request-id"
    models = Models("anthropic")

    def quota_headers(self, quota: Quota) -> Headers:
        """Return the `anthropic-ratelimit-*` headers."""
        return anthropic_headers(quota)


class AnthropicModels(AnthropicProvider):
    """`GET /v1/models`."""

    path = "/v1/models"

    def parse(self, headers: Mapping[bytes, bytes], document: dict[str, Any]) -> Ask:
        """Check the key."""
        require_key(headers)
        return Ask(model=None)

    def perform(self, ask: Ask, seq: int, seed: int) -> Work:
        """List the models."""
        names = self.models.names()
        entries = [{"type": "model", "id": n, "display_name": n, "created_at": "2026-01-01T00:00:00Z"} for n in names]
        return ModelList({"data": entries, "has_more": False, "first_id": names[0], "last_id": names[-1]})


class AnthropicMessages(AnthropicProvider):
    """`POST /v1/messages`."""

    path = "/v1/messages"

    def parse(self, headers: Mapping[bytes, bytes], document: dict[str, Any]) -> Ask:
        """Check key, version and fields. Raises RefusalError."""
        require_key(headers)
        version = headers.get(b"anthropic-version", b"").decode("latin-1")
        if not version:
            raise RefusalError("invalid_request", "anthropic-version: header is required")
        max_tokens = integer(document, "max_tokens")
        if max_tokens is None:
            raise RefusalError("invalid_request", "max_tokens: Field required")
        turns = messages(document, _ROLES)
        sampling = [name for name in ("temperature", "top_p", "top_k") if name in document]
        if sampling and version >= WITHOUT_SAMPLING:
            raise RefusalError(
                "invalid_request", f"{sampling[0]}: this parameter is not supported in version {version}"
            )
        boolean(document, "stream")
        system = text_of(document.get("system", ""), "system")
        model = known_model(self.models, document)
        ask = Ask(model, prompt_tokens(system, turns), system, turns, max_tokens)
        ask.temperature = number(document, "temperature", 0, 1) or 0.0
        check_context(model, ask.input_tokens)
        return ask

    def perform(self, ask: Ask, seq: int, seed: int) -> Work:
        """Answer the prompt."""
        return Message(ask, seq, *generate(ask, seed))


class Message(ChatWork):
    """One answer in this format."""

    def __init__(self, ask: Ask, seq: int, pieces: list[str], cut: bool) -> None:
        assert ask.model is not None  # noqa: S101 - parse has found it
        self.tokens = pieces
        self._model = ask.model.name
        self._id = f"msg_sim{seq:012d}"
        self._input_tokens = ask.input_tokens
        self._stop_reason = "max_tokens" if cut else "end_turn"

    def _usage(self, output_tokens: int) -> dict[str, Any]:
        return {
            "input_tokens": self._input_tokens,
            "output_tokens": output_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "service_tier": "standard",
        }

    def _message(self, text: str | None, stop_reason: str | None, output_tokens: int) -> dict[str, Any]:
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [] if text is None else [{"type": "text", "text": text}],
            "stop_reason": stop_reason,
            "stop_sequence": None,
            "usage": self._usage(output_tokens),
        }

    def body(self) -> bytes:
        """Return the message."""
        return orjson.dumps(self._message("".join(self.tokens), self._stop_reason, len(self.tokens)))

    def unfinished(self, n: int) -> bytes | None:
        """Return a message whose stop reason is null."""
        return orjson.dumps(self._message("".join(self.tokens[:n]), None, n))

    def missing_fields(self) -> bytes:
        """Return a message without content, role and usage."""
        return orjson.dumps({"id": self._id, "type": "message", "model": self._model})

    def empty_content(self) -> bytes:
        """Return a message with no content block."""
        return orjson.dumps(self._message(None, self._stop_reason, len(self.tokens)))

    def opening(self) -> bytes:
        """Return message_start, content_block_start and a ping."""
        start = _event("message_start", {"message": self._message(None, None, 1)})
        block = _event("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}})
        return start + block + _PING

    def delta(self, text: str) -> bytes:
        """Return a content_block_delta."""
        return (
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
            b'"delta":{"type":"text_delta","text":%b}}\n\n' % orjson.dumps(text)
        )

    def closing(self) -> bytes:
        """Return content_block_stop, message_delta with the cumulative usage, and message_stop."""
        delta = {"stop_reason": self._stop_reason, "stop_sequence": None}
        usage = self._usage(len(self.tokens))
        return (
            _event("content_block_stop", {"index": 0})
            + _event("message_delta", {"delta": delta, "usage": usage})
            + _event("message_stop", {})
        )

    def ping(self) -> bytes:
        """Return a ping event."""
        return _PING

    def malformed(self) -> bytes:
        """Return a content_block_delta whose JSON breaks off."""
        return b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"ty\n\n'

    def bare_frames(self) -> bytes:
        """Return events that lack message, delta and usage."""
        return _event("message_start", {}) + _event("content_block_delta", {"index": 0}) + _event("message_stop", {})

    def error(self, refusal: RefusalError, request_id: str) -> bytes:
        """Return an error event."""
        return b"event: error\ndata: %b\n\n" % encode(anthropic_shape, refusal, request_id)


def _event(name: str, fields: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps({"type": name, **fields}))
