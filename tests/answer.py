"""What came back for a request, read to its end; of a stream, its events. Read `caller.py` next: who asks."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Answer:
    """A response, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes
    took_s: float

    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)

    @property
    def worker(self) -> str:
        """Which worker answered."""
        return self.headers["x-worker"]


def parse_events(body: bytes) -> list[tuple[str, Any]]:
    """Server-sent events as (event, data), data parsed where it is JSON."""
    rows: list[tuple[str, Any]] = []
    for block in body.decode().split("\n\n"):
        if not block.strip():
            continue
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        data = fields["data"]
        rows.append((fields.get("event", "data"), data if data == "[DONE]" else json.loads(data)))
    return rows
