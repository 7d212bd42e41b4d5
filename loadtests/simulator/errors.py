"""How each provider says no: kinds of refusal and the body each wire format gives them (DESIGN section 5).

One table names every kind with its status and its names on each wire; `status` faults, in-stream errors, quotas and
the validation of requests all speak through it. Sources: the providers' public error references, and what the
installed SDKs map to their exception classes. Read `faults.py` next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of refusal: its usual HTTP status, its name on each wire and the message."""

    status: int
    anthropic: str
    openai: str
    openai_code: str | None
    message: str


KINDS: dict[str, Kind] = {
    "invalid_request": Kind(400, "invalid_request_error", "invalid_request_error", None, "The request is not valid."),
    "context_length": Kind(
        400,
        "invalid_request_error",
        "invalid_request_error",
        "context_length_exceeded",
        "prompt is too long: it exceeds this model's maximum context length.",
    ),
    "content_filter": Kind(
        400,
        "invalid_request_error",
        "invalid_request_error",
        "content_filter",
        "Output blocked by content filtering policy.",
    ),
    "authentication": Kind(401, "authentication_error", "invalid_request_error", "invalid_api_key", "Invalid API key."),
    "billing": Kind(
        402, "billing_error", "insufficient_quota", "billing_not_active", "There is a problem with billing."
    ),
    "permission": Kind(
        403,
        "permission_error",
        "invalid_request_error",
        "insufficient_permissions",
        "This API key is not allowed to use this resource.",
    ),
    "not_found": Kind(
        404, "not_found_error", "invalid_request_error", "model_not_found", "The requested resource does not exist."
    ),
    "request_timeout": Kind(408, "timeout_error", "server_error", "request_timeout", "The request took too long."),
    "conflict": Kind(409, "invalid_request_error", "invalid_request_error", "conflict", "The request is in conflict."),
    "too_large": Kind(
        413, "request_too_large", "invalid_request_error", "request_too_large", "The request is too large."
    ),
    "unprocessable": Kind(
        422, "invalid_request_error", "invalid_request_error", None, "The request cannot be processed."
    ),
    "rate_limit": Kind(
        429, "rate_limit_error", "requests", "rate_limit_exceeded", "Rate limit reached, try again later."
    ),
    "insufficient_quota": Kind(
        429, "rate_limit_error", "insufficient_quota", "insufficient_quota", "You exceeded your current quota."
    ),
    "spend_limit": Kind(
        429,
        "rate_limit_error",
        "insufficient_quota",
        "billing_hard_limit_reached",
        "Your organization has reached its spend limit.",
    ),
    "api_error": Kind(500, "api_error", "server_error", None, "Internal server error."),
    "bad_gateway": Kind(502, "api_error", "server_error", None, "Bad gateway."),
    "unavailable": Kind(503, "api_error", "server_error", "service_unavailable", "The service is unavailable."),
    "timeout": Kind(504, "timeout_error", "server_error", "timeout", "The upstream took too long to answer."),
    "overloaded": Kind(529, "overloaded_error", "server_error", "overloaded", "Overloaded"),
}

_BY_STATUS = {kind.status: name for name, kind in reversed(KINDS.items())} | {429: "rate_limit", 529: "overloaded"}


def kind_of(status: int) -> str:
    """Return the usual kind of an HTTP `status`; an unlisted 4xx is `invalid_request`, an unlisted 5xx `api_error`."""
    return _BY_STATUS.get(status, "invalid_request" if status < 500 else "api_error")


class RefusalError(Exception):
    """A request that the provider refuses: `kind` of KINDS, `status` (default: the kind's), message and headers.

    `param` names the field at fault, `code` replaces the code of the table (OpenAI and payments shapes).
    """

    def __init__(
        self,
        kind: str,
        message: str | None = None,
        *,
        status: int | None = None,
        param: str | None = None,
        code: str | None = None,
        headers: Headers | None = None,
    ) -> None:
        self.kind = kind
        self.message = message or KINDS[kind].message
        self.status = status or KINDS[kind].status
        self.param = param
        self.code = code
        self.headers = headers or []
        super().__init__(self.message)


Shape = Callable[[RefusalError, str], dict[str, Any]]
"""Turns a refusal and a request id into the body of one wire format."""


def anthropic_shape(refusal: RefusalError, request_id: str) -> dict[str, Any]:
    """Return `{"type": "error", "error": {"type", "message", "details"?}, "request_id"}`."""
    error: dict[str, Any] = {"type": KINDS[refusal.kind].anthropic, "message": refusal.message}
    if refusal.kind in ("spend_limit", "insufficient_quota"):
        error["details"] = {"error_code": "enforced_spend_limit_reached"}
    return {"type": "error", "error": error, "request_id": request_id}


def openai_shape(refusal: RefusalError, request_id: str) -> dict[str, Any]:
    """Return `{"error": {"message", "type", "param", "code"}}`; the request id travels in a header only."""
    kind = KINDS[refusal.kind]
    code = refusal.code or kind.openai_code
    return {"error": {"message": refusal.message, "type": kind.openai, "param": refusal.param, "code": code}}


def payments_shape(refusal: RefusalError, request_id: str) -> dict[str, Any]:
    """Return `{"error": {"type", "code", "message", "param"}}` as card processors do."""
    if refusal.kind == "conflict":
        error_type = "idempotency_error"
    elif refusal.kind == "billing":
        error_type = "card_error"
    else:
        error_type = "invalid_request_error" if refusal.status < 500 else "api_error"
    code = refusal.code or refusal.kind
    return {"error": {"type": error_type, "code": code, "message": refusal.message, "param": refusal.param}}


def encode(shape: Shape, refusal: RefusalError, request_id: str) -> bytes:
    """Return the body of `refusal` as JSON bytes in the given wire format."""
    return orjson.dumps(shape(refusal, request_id))
