"""What both chat formats check in a request: keys, fields and messages (DESIGN section 5).

Each helper raises RefusalError with the field's name, what was wrong and what is expected, as the providers do.
Read `anthropic_wire.py` next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import RefusalError
from .prices import Model, Models


def require_key(headers: Mapping[bytes, bytes]) -> None:
    """Accept any API key (`x-api-key` or bearer) except none and those that start with "invalid"."""
    key = api_key(headers)
    if not key:
        raise RefusalError("authentication", "No API key provided.")
    refuse_invalid_key(headers)


def refuse_invalid_key(headers: Mapping[bytes, bytes]) -> None:
    """Accept no key as well: what local servers of embeddings do."""
    if api_key(headers).startswith("invalid"):
        raise RefusalError("authentication", "Incorrect API key provided.")


def api_key(headers: Mapping[bytes, bytes]) -> str:
    """Return the key of a request, "" when it brings none."""
    bearer = headers.get(b"authorization", b"")
    key = headers.get(b"x-api-key") or (bearer[7:] if bearer[:7].lower() == b"bearer " else b"")
    return key.strip().decode("latin-1")


def known_model(models: Models, document: dict[str, Any]) -> Model:
    """Return the model that the request names. Raises RefusalError: missing is 400, unknown is 404."""
    name = document.get("model")
    if name is None:
        raise RefusalError("invalid_request", "model: Field required", param="model")
    if not isinstance(name, str) or not name:
        raise RefusalError("invalid_request", "model: Input should be a valid string", param="model")
    model = models.find(name)
    if model is None:
        raise RefusalError("not_found", f"model: {name} does not exist", param="model")
    return model


def integer(document: dict[str, Any], name: str) -> int | None:
    """Return a positive integer field, None when it is absent or null."""
    value = document.get(name)
    if value is None:
        return None
    if type(value) is not int or value < 1:
        raise RefusalError("invalid_request", f"{name}: Input should be an integer greater than 0", param=name)
    return value


def boolean(document: dict[str, Any], name: str) -> bool:
    """Return a boolean field, False when it is absent or null."""
    value = document.get(name)
    if value is not None and type(value) is not bool:
        raise RefusalError("invalid_request", f"{name}: Input should be a valid boolean", param=name)
    return bool(value)


def number(document: dict[str, Any], name: str, low: float, high: float) -> float | None:
    """Return a number field between `low` and `high`, None when it is absent or null."""
    value = document.get(name)
    if value is None:
        return None
    if type(value) not in (int, float) or not low <= value <= high:
        raise RefusalError("invalid_request", f"{name}: Input should be a number from {low:g} to {high:g}", param=name)
    return float(value)


def messages(document: dict[str, Any], roles: frozenset[str]) -> list[tuple[str, str]]:
    """Return the (role, text) pairs of `messages`."""
    given = document.get("messages")
    if given is None:
        raise RefusalError("invalid_request", "messages: Field required", param="messages")
    if not isinstance(given, list) or not given:
        raise RefusalError(
            "invalid_request", "messages: Input should be a list with at least one message", param="messages"
        )
    turns = []
    for i, message in enumerate(given):
        role = message.get("role") if isinstance(message, dict) else None
        if not isinstance(role, str) or role not in roles:
            expected = ", ".join(sorted(roles))
            raise RefusalError(
                "invalid_request", f"messages.{i}.role: Input should be one of {expected}", param="messages"
            )
        turns.append((role, text_of(message.get("content"), f"messages.{i}.content", optional=role == "assistant")))
    return turns


def text_of(content: Any, where: str, *, optional: bool = False) -> str:
    """Return the text of a content field: a string, or a list of blocks of which those of type text count."""
    if isinstance(content, str):
        return content
    if content is None and optional:
        return ""
    if not isinstance(content, list) or not all(isinstance(block, dict) for block in content):
        raise RefusalError(
            "invalid_request", f"{where}: Input should be a string or a list of content blocks", param=where
        )
    texts = [block.get("text") for block in content if block.get("type") == "text"]
    if not all(isinstance(text, str) for text in texts):
        raise RefusalError("invalid_request", f"{where}: a text block needs a string in its field text", param=where)
    return "\n".join(text for text in texts if isinstance(text, str))


def check_context(model: Model, input_tokens: int) -> None:
    """Raise RefusalError (context_length) when the prompt is larger than the context window of the model."""
    if input_tokens > model.context_tokens:
        message = f"prompt is too long: {input_tokens} tokens > {model.context_tokens} maximum context length"
        raise RefusalError("context_length", message, param="messages")
