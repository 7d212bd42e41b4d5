"""One HTTP exchange with a part of the workbench, by the standard library. Read `collector.py` next."""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from door.errors import UsageError


@dataclass(frozen=True)
class Response:
    """Status, headers by lower-case name, and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def exchange(
    url: str,
    method: str,
    path: str,
    body: str | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    timeout_s: float,
) -> Response:
    """The response to one request to `url` + `path`.

    Raises UsageError when `url`, which a person gave, is none; TimeoutError, OSError and HTTPException when nothing
    (in time, or nothing that speaks HTTP) answers.
    """
    parts = _parsed(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        connection.request(method, parts.path.rstrip("/") + path, body, dict(headers or {}))
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Response(response.status, names, response.read())
    finally:
        connection.close()


def _parsed(url: str) -> SplitResult:
    try:
        parts = urlsplit(url if "//" in url else f"http://{url}")
        _ = parts.port  # which is parsed only when asked for
    except ValueError as error:
        raise UsageError(f"--url is {url!r}: {error}; it looks like http://127.0.0.1:8000") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"--url is {url!r}; it looks like http://127.0.0.1:8000")
    return parts
