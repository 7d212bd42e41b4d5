"""One call in progress: its connection, its pace and its row in the ledger (DESIGN section 5).

`Endpoint` is what a wire format must offer and `Work` what it has done for a call; `whole.py` and `streamed.py` send
the work to the client, with or without a fault. Read `exchange.py` next: it leads a call through all of this.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from .errors import Headers, RefusalError, encode
from .faults import Fault
from .ledger import Row
from .listener import Connection
from .prices import Model
from .quota import Quota

Send = Callable[[dict[str, Any]], Awaitable[None]]

BEFORE_RESET_S = 0.02
"""What was sent has this long to arrive before the connection is reset, since a reset discards what is on its way."""


class Work(ABC):
    """What the provider has done for a call, ready to be sent. Not streamed: subclasses give the body."""

    status = 200
    headers: Sequence[tuple[bytes, bytes]] = ()
    tokens: Sequence[str] = ()
    """The generated tokens; empty for endpoints that generate none."""

    @abstractmethod
    def body(self) -> bytes:
        """Return the whole response body."""

    def unfinished(self, n: int) -> bytes | None:
        """Return a valid body with the first `n` tokens and no stop reason; None where there are no tokens."""
        return None

    @abstractmethod
    def missing_fields(self) -> bytes:
        """Return a body that is JSON but lacks what a client needs."""

    @abstractmethod
    def empty_content(self) -> bytes:
        """Return a well-formed body without any content, the tokens billed all the same."""


class ChatWork(Work):
    """An answer that can be streamed: the frames of its server-sent events."""

    @abstractmethod
    def opening(self) -> bytes:
        """Return the frames before the first token."""

    @abstractmethod
    def delta(self, text: str) -> bytes:
        """Return the frame that carries `text`."""

    @abstractmethod
    def closing(self) -> bytes:
        """Return the frames after the last token, the end mark included."""

    @abstractmethod
    def ping(self) -> bytes:
        """Return a frame that keeps the connection warm and says nothing."""

    @abstractmethod
    def malformed(self) -> bytes:
        """Return a frame whose data is not JSON."""

    @abstractmethod
    def bare_frames(self) -> bytes:
        """Return frames from which the fields that a client needs are missing."""

    @abstractmethod
    def error(self, refusal: RefusalError, request_id: str) -> bytes:
        """Return the in-stream error event."""


@dataclass(slots=True)
class Ask:
    """A validated request: what it asks of which model, and its tokens."""

    model: Model | None
    input_tokens: int = 0
    system: str = ""
    turns: list[tuple[str, str]] = field(default_factory=list)
    max_tokens: int | None = None
    temperature: float = 0.0
    seed: object = None
    include_usage: bool = False
    fields: dict[str, Any] = field(default_factory=dict)


class Endpoint(Protocol):
    """One path of a provider."""

    target: str
    path: str
    request_id_header: bytes

    def shape(self, refusal: RefusalError, request_id: str) -> dict[str, Any]:
        """Return the body of an error response."""

    def parse(self, headers: Mapping[bytes, bytes], document: dict[str, Any]) -> Ask:
        """Check a request as the provider does. Raises RefusalError."""

    def perform(self, ask: Ask, seq: int, seed: int) -> Work:
        """Do what was asked. `seq` makes ids; `seed` is the plan's. Raises RefusalError."""

    def quota_headers(self, quota: Quota) -> Headers:
        """Return the rate-limit headers of the provider."""


class Call:
    """One exchange. `started` is on the monotonic clock; `first_s` and `per_s` are the pace of this call in seconds."""

    __slots__ = (
        "ask",
        "connection",
        "endpoint",
        "fault",
        "first_s",
        "headers",
        "per_s",
        "request_id",
        "row",
        "send",
        "started",
        "work",
    )

    def __init__(self, connection: Connection, send: Send, endpoint: Endpoint, row: Row, started: float) -> None:
        self.connection = connection
        self.send = send
        self.endpoint = endpoint
        self.row = row
        self.started = started
        self.request_id = f"req_sim{row.seq:012d}"
        self.headers: Headers = [(endpoint.request_id_header, self.request_id.encode())]
        self.fault: Fault | None = None
        self.ask: Ask | None = None
        self.work: Work
        self.first_s = 0.0
        self.per_s = 0.0

    @property
    def fault_name(self) -> str | None:
        """The name of the fault that this call meets, None for a healthy call."""
        return None if self.fault is None else self.fault.fault

    def break_at(self) -> int:
        """Return after how many tokens the fault strikes: `fraction` of them, at least one unless it is 0."""
        assert self.fault is not None  # noqa: S101 - only faulted calls break
        total, fraction = len(self.work.tokens), self.fault.params.fraction
        return min(total, max(1, int(total * fraction))) if fraction > 0 else 0

    async def generate(self, n: int) -> bool:
        """Wait until `n` tokens are there and count them; False when the client left before (`cancelled` is set)."""
        ready_at = self.started + self.first_s + n * self.per_s
        wait_s = ready_at - time.monotonic()
        if wait_s > 0 and await self.connection.leaves_within(wait_s):
            elapsed = time.monotonic() - self.started - self.first_s
            so_far = int(elapsed / self.per_s) if self.per_s > 0 else 0
            self.row.output_tokens = min(n, max(so_far, self.row.output_tokens))
            self.row.cancelled = True
            return False
        self.row.output_tokens = n
        return True

    async def until_client_leaves(self) -> None:
        """Send nothing more."""
        await self.connection.leaves_within(None)
        self.row.cancelled = True

    async def start(self, status: int, headers: Headers) -> None:
        """Send status and headers."""
        self.row.status = status
        await self.send({"type": "http.response.start", "status": status, "headers": self.headers + headers})

    async def write(self, data: bytes, more: bool = True) -> None:
        """Send a part of the body; `more` False ends the response."""
        await self.send({"type": "http.response.body", "body": data, "more_body": more})

    async def respond(self, status: int, body: bytes, headers: Headers, content_type: bytes) -> None:
        """Send a response in one piece."""
        await self.start(status, [(b"content-type", content_type), (b"content-length", b"%d" % len(body)), *headers])
        await self.write(body, more=False)

    def finish(self, *, well_formed: bool = True) -> None:
        """Note that the response has been sent to its end, unless the client had left before."""
        self.row.cancelled = self.connection.gone
        self.row.completed = well_formed and not self.connection.gone

    async def refuse(self, refusal: RefusalError) -> None:
        """Send the error response of the provider's shape."""
        body = encode(self.endpoint.shape, refusal, self.request_id)
        await self.respond(refusal.status, body, refusal.headers, b"application/json")
        self.finish()

    async def reset_after_delivery(self) -> None:
        """Let what was sent arrive, then reset the connection."""
        self.row.cancelled = await self.connection.leaves_within(BEFORE_RESET_S)
        self.connection.reset()
