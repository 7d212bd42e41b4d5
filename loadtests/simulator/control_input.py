"""What a control request brings, checked: its query and its body (DESIGN section 5).

Everything that is wrong becomes a ProblemError that names the parameter or field and says what is expected. Read
`control.py` next: it takes the requests.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import orjson
from pydantic import BaseModel, ValidationError

from .faults import TARGETS, Target

M = TypeVar("M", bound=BaseModel)


class ProblemError(Exception):
    """A request that is refused, with its status and what is wrong."""

    def __init__(self, status: int, title: str, detail: str, errors: list[dict[str, str]] | None = None) -> None:
        self.status = status
        self.document = {"type": "about:blank", "title": title, "status": status, "detail": detail}
        if errors:
            self.document["errors"] = errors
        super().__init__(detail)


def query_of(given: bytes, takes: Collection[str]) -> dict[str, str]:
    """Return the query by name. Raises ProblemError for a name that is not among those the request `takes`."""
    query = dict(parse_qsl(given.decode("latin-1"), keep_blank_values=True))
    for name in query:
        if name not in takes:
            allowed = f"allowed here: {', '.join(takes)}" if takes else "there is none here"
            raise ProblemError(400, "Bad query", f"{name}: unknown parameter; {allowed}.")
    return query


def since_of(query: dict[str, str]) -> int:
    """Return `since`, 0 when it is absent. Raises ProblemError."""
    text = query.get("since", "0")
    if not text.isdecimal() or len(text) > 18:
        raise ProblemError(
            400, "Bad query", f"since: got {text!r}; expected a whole number, the last seq you have seen."
        )
    return int(text)


def hidden_of(query: dict[str, str]) -> bool:
    """Return whether hidden faults are meant too: `hidden=1`. Raises ProblemError."""
    text = query.get("hidden", "0")
    if text not in ("0", "1"):
        raise ProblemError(400, "Bad query", f"hidden: got {text!r}; expected 1 (hidden faults too) or 0.")
    return text == "1"


def target_of(query: dict[str, str]) -> Target | None:
    """Return `target`, None when it is absent. Raises ProblemError."""
    text = query.get("target")
    known: Target | None = next((target for target in TARGETS if target == text), None)
    if known is None and text is not None:
        raise ProblemError(400, "Unknown target", f"target: got {text!r}; allowed are {', '.join(TARGETS)}.")
    return known


def parse(model: type[M], body: bytes) -> M:
    """Return the validated body. Raises ProblemError (400 no JSON, 422 with a line per field)."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ProblemError(400, "Not JSON", f"The body is not JSON: {error}.") from error
    try:
        return model.model_validate(document)
    except ValidationError as error:
        errors = [_line(found) for found in error.errors(include_url=False)]
        detail = "; ".join(
            f"{line['field']}: {line['message']}" if line["field"] else line["message"] for line in errors
        )
        raise ProblemError(422, "Invalid request", detail, errors) from error


def _line(found: Any) -> dict[str, str]:
    message = found["msg"].removeprefix("Value error, ")
    if found["type"] == "extra_forbidden":
        message = "unknown field"
    elif found["type"] not in ("missing", "value_error"):
        message = f"{message}; got {str(found['input'])[:100]!r}"
    return {"field": ".".join(map(str, found["loc"])), "message": message}
