"""Request bodies: bounded, strict, and explained when they are wrong.

Unreadable bodies are 400, readable ones that do not fit are 422 with a line per fault. Validation is pydantic's,
strict and without unknown fields. Next: a track.
"""

import asyncio
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import ClientDisconnect, Request

from ..errors import BadRequest, BodyTooLarge, SentTooSlowly, Unprocessable

DRAIN_TIMES = 16
"""An oversized body is read and dropped up to so many times the bound: a connection that is closed under a client who
still sends is reset, and the refusal lost with it."""


SENT_WITHIN_S = 10.0
"""A body that takes longer would hold a place among the requests in flight for nothing."""


MOST_SHOWN = 200
"""Characters of a client's own field name that are told back."""


class Strict(BaseModel):
    """A request body: no coercion, no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


B = TypeVar("B", bound=BaseModel)


async def read(request: Request, model: type[B], *, most_bytes: int) -> B:
    """The validated body. Whatever its content type says, it is read as JSON. Raises BadRequest, BodyTooLarge,
    SentTooSlowly, Unprocessable."""
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > DRAIN_TIMES * most_bytes:
        raise _too_large(most_bytes)
    parts, size = [], 0
    try:
        async with asyncio.timeout(SENT_WITHIN_S):
            async for part in request.stream():
                size += len(part)
                if size <= most_bytes:
                    parts.append(part)
                elif size > DRAIN_TIMES * most_bytes:
                    break
    except ClientDisconnect:
        raise BadRequest("the client left before its body was through; send it again") from None
    except TimeoutError:
        raise SentTooSlowly(f"the body did not arrive within {SENT_WITHIN_S:.0f} s; send it faster") from None
    if size > most_bytes:
        raise _too_large(most_bytes)
    try:
        return model.model_validate_json(b"".join(parts))
    except ValidationError as error:
        raise _explained(error, model) from None


def _too_large(most_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(f"the body is larger than {most_bytes} bytes; send less")


def _explained(error: ValidationError, model: type[BaseModel]) -> BadRequest | Unprocessable:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    if any(fault["type"] == "json_invalid" for fault in faults):
        return BadRequest(f"the body is not JSON in UTF-8: {faults[0]['msg'].removeprefix('Invalid JSON: ')}")
    lines: list[dict[str, Any]] = []
    for fault in faults:
        where = ".".join(str(part) for part in fault["loc"])[:MOST_SHOWN] or "body"
        what = fault["msg"]
        if fault["type"] == "extra_forbidden":
            what = f"unknown field; the fields are {', '.join(model.model_fields)}"
        lines.append({"where": where, "what": what})
    summary = "; ".join(f"{line['where']}: {line['what']}" for line in lines[:5])
    return Unprocessable(summary, errors=lines, param=lines[0]["where"])
