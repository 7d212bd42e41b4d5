"""A stream as a client sees it: each server-sent event with its time (DESIGN section 4). Read `asking.py` next."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]

QUIET_S = 70.0
"""Longest silence that a client bears; the service gives up long before."""


@dataclass
class Streamed:
    """`events` are `{t_ms, event, data}` since the request was sent; `status` 0 where no response came.

    `left`: we went away before the end. `error`: the connection broke, or the response was no stream.
    """

    request_id: str
    began_s: float
    status: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)
    ms: float = 0.0
    left: bool = False
    error: str = ""

    @property
    def answer(self) -> str:
        """What the reader has in front of him: the deltas since the last `restart`."""
        words: list[str] = []
        for event in self.events:
            if event["event"] == "restart":
                words.clear()
            elif event["event"] == "delta":
                words.append(event["data"]["text"])
        return "".join(words)

    @property
    def done(self) -> dict[str, Any] | None:
        """The facts of the last event, the same as a chat's; None for a stream that did not end whole."""
        return next((event["data"] for event in reversed(self.events) if event["event"] == "done"), None)

    @property
    def first_token_ms(self) -> float | None:
        """How long the reader looked at nothing."""
        return next((event["t_ms"] for event in self.events if event["event"] == "delta"), None)

    def frame(self) -> pd.DataFrame:
        """A row per event: t_ms, event, text."""
        import pandas as pd

        rows = [{**event, "text": event["data"].get("text", "")} for event in self.events]
        return pd.DataFrame(rows, columns=["t_ms", "event", "text"])

    def __repr__(self) -> str:
        deltas = sum(event["event"] == "delta" for event in self.events)
        end = (
            "whole" if self.done else "left" if self.left else "broken" if self.status == http.client.OK else "refused"
        )
        first = "never" if self.first_token_ms is None else f"after {self.first_token_ms:.0f} ms"
        return f"<{self.status or 'no response'} stream, {end}: {deltas} deltas, the first {first}, {self.ms:.0f} ms>"


def follow(
    url: str, path: str, body: str, headers: Mapping[str, str], request_id: str, leave_after: int | None
) -> Streamed:
    """Send it, and read events until the end, a broken connection, or so many deltas."""
    streamed = Streamed(request_id, time.time())
    began = time.monotonic()
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=QUIET_S)
    try:
        connection.request("POST", path, body, dict(headers))
        response = connection.getresponse()
        streamed.status = response.status
        if response.status != http.client.OK:
            streamed.error = response.read().decode(errors="replace")
        deltas = 0
        for name, data in _events(response):
            streamed.events.append({"t_ms": (time.monotonic() - began) * 1000, "event": name, "data": data})
            deltas += name == "delta"
            if leave_after is not None and deltas >= leave_after:
                streamed.left = True
                break
    except (OSError, http.client.HTTPException) as error:
        streamed.error = f"{type(error).__name__}: {error}"
    finally:
        connection.close()
        streamed.ms = (time.monotonic() - began) * 1000
    return streamed


def _events(response: http.client.HTTPResponse) -> Iterator[tuple[str, Any]]:
    """Name and data of each event (WHATWG HTML, server-sent events; the service sends one data line each)."""
    name = "message"
    for raw in response:
        line = raw.decode().rstrip("\n")
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))
            name = "message"
