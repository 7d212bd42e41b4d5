"""Errors as clients see them: RFC 9457 problem documents, and OpenAI's form on OpenAI's surface.

A problem says what was wrong, what was expected and what to do, and carries the request id; never a stack trace.
Next: ``../errors.py``.
"""

import math
from typing import Any

import orjson
from starlette.responses import Response

from ..errors import CallerError, GauntletError

OPENAI_SURFACE = "/v1/"


def document(request_id: str, error: GauntletError) -> dict[str, Any]:
    """The RFC 9457 document."""
    return {
        "type": f"urn:gauntlet:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "code": error.code,
        "detail": error.message,
        "request_id": request_id,
        **error.extra,
    }


def openai_document(request_id: str, error: GauntletError) -> dict[str, Any]:
    """What OpenAI's clients read: ``error`` with message, type, param, code."""
    if error.status == 401:
        kind = "authentication_error"
    elif error.status == 429:
        kind = "rate_limit_error"
    else:
        kind = "invalid_request_error" if isinstance(error, CallerError) else "server_error"
    return {
        "error": {
            "message": error.message,
            "type": kind,
            "param": error.extra.get("param"),
            "code": error.code,
            "request_id": request_id,
        }
    }


def response(path: str, request_id: str, error: GauntletError) -> Response:
    """The whole response, with Retry-After where it helps."""
    openai = path.startswith(OPENAI_SURFACE)
    make = openai_document if openai else document
    headers = dict(error.headers)
    if error.retry_after_s is not None:
        headers["Retry-After"] = retry_after(error.retry_after_s)
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(
        orjson.dumps(make(request_id, error)),
        status_code=error.status,
        media_type="application/json" if openai else "application/problem+json",
        headers=headers,
    )


def retry_after(seconds: float) -> str:
    """Whole seconds, at least 1 (RFC 9110, section 10.2.3)."""
    return str(max(1, math.ceil(seconds)))
