"""What is sent back over HTTP, and refusals as RFC 9457 documents. Read `app.py` next, where they are sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson

JSON = "application/json"
PROBLEM = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


class ProblemError(Exception):
    """A request that is refused: `detail` says what was wrong, what is expected and what to do."""

    def __init__(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}
        self.more = more

    def answer(self) -> Answer:
        """The `application/problem+json` response."""
        title = HTTPStatus(self.status).phrase
        document = {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail, **self.more}
        return Answer(self.status, orjson.dumps(document), PROBLEM, self.headers)


def json_answer(value: Any) -> Answer:
    """200 with JSON."""
    return Answer(200, orjson.dumps(value))
