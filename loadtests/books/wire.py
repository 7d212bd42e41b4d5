"""JSON over HTTP to service, collector and simulator; whatever fails is a reason not to judge.

Read `service.py` and `ledger.py` next: what is asked for.
"""

import http.client
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from loadtests.books.errors import CannotJudge

TIMEOUT_S = 60.0
"""A full ledger is 200 MB."""


def get(whose: str, url: str, path: str) -> Any:
    """The JSON at `url` + `path`. Raises CannotJudge; `whose` is what the message calls the other side."""
    return _asked(whose, url, "GET", path, None)


def post(whose: str, url: str, path: str, body: Any) -> Any:
    """The JSON answer to `body`. Raises CannotJudge."""
    return _asked(whose, url, "POST", path, orjson.dumps(body))


def ask(
    whose: str, url: str, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
) -> Any:
    """The JSON answer to any other request. Raises CannotJudge."""
    return _asked(whose, url, method, path, None if body is None else orjson.dumps(body), headers or {})


def _asked(
    whose: str, url: str, method: str, path: str, body: bytes | None, more: Mapping[str, str] | None = None
) -> Any:
    parts = urlsplit(url)
    headers = {**({} if body is None else {"Content-Type": "application/json"}), **(more or {})}
    try:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        try:
            connection.request(method, parts.path.rstrip("/") + path, body, headers)
            response = connection.getresponse()
            status, text = response.status, response.read()
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise CannotJudge(f"{whose} does not answer at {url} ({error}); is `gauntlet up` running?") from error
    try:
        answer = orjson.loads(text)
    except ValueError as error:
        raise CannotJudge(f"{whose} at {url} answered {status} and no JSON: {text[:100]!r}") from error
    if status != http.client.OK:
        said = answer.get("detail", answer) if isinstance(answer, dict) else answer
        raise CannotJudge(f"{whose} at {url} answered {status}: {said}")
    return answer
