"""The load generator: a closed loop of keep-alive connections that is cheap enough not to be the bottleneck.

A connection is one asyncio protocol that sends its next request from the callback that completed the last answer: no
task, future or timer for each request. Its own ceiling is measured by the benchmark `ceilings`.

Read `upstream.py` next: the other end of the wire.
"""

import asyncio
import gc
import itertools
import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import cast
from urllib.parse import urlsplit

from loadtests.bench.figures import percentile

RECONNECT_PAUSE_S = 0.05
TIMEOUT_CHECK_S = 0.1

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


def unique_bodies() -> Iterator[bytes]:
    """Chat bodies without end, each its own: none was sent before by this or by another process."""
    run = b"run-" + os.urandom(6).hex().encode()  # a word, which no filter takes for somebody's number
    return (b'{"text":"question %d of %s"}' % (number, run) for number in itertools.count())


@dataclass(frozen=True, slots=True)
class Plan:
    """One closed-loop load: what is sent, by how many connections, and what ends it.

    A connection stops after `requests_each` requests or once `seconds` have passed since the start, whichever comes
    first; at least one of the two must be given. Connections open evenly over `ramp_s`. A request without an answer
    after `timeout_s` counts as an error. A 200 whose body lacks `marker` counts as wrong, not as ok.
    """

    url: str
    bodies: Iterator[bytes]
    connections: int
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float | None = None
    requests_each: int | None = None
    ramp_s: float = 0.0
    timeout_s: float = 30.0
    marker: bytes = b""

    def __post_init__(self) -> None:
        if self.seconds is None and self.requests_each is None:
            raise ValueError("a plan without `seconds` and without `requests_each` never ends: give at least one")


@dataclass(frozen=True, slots=True)
class Sample:
    """One request: when it ended (on `time.perf_counter`), how long it took, and whether it was answered right."""

    ended_s: float
    took_s: float
    ok: bool


@dataclass(slots=True)
class Outcome:
    """What a load saw: `statuses` counts answers, `errors` requests without one, `wrong` the 200s without marker."""

    samples: list[Sample] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    wrong: int = 0
    wall_s: float = 0.0

    @property
    def sent(self) -> int:
        """Requests that ended, in whatever way."""
        return len(self.samples)

    @property
    def ok(self) -> int:
        """Requests answered with 200 and the marker."""
        return sum(sample.ok for sample in self.samples)

    @property
    def failed_share(self) -> float:
        """Share of the requests that were not answered right, 0 to 1; nan without any request."""
        return 1 - self.ok / self.sent if self.samples else float("nan")

    @property
    def requests_per_s(self) -> float:
        """Right answers over the wall time, from the start to the end of the last request; nan without any."""
        return self.ok / self.wall_s if self.wall_s else float("nan")

    @property
    def failures(self) -> str:
        """What went wrong, in words, such as `503 × 12, TimeoutError × 3`; empty when nothing did."""
        counts: dict[str, int] = {str(status): count for status, count in self.statuses.items() if status != 200}
        counts |= dict(self.errors) | {"200 with another answer": self.wrong}
        return ", ".join(f"{name} × {count}" for name, count in counts.items() if count)

    def percentile_ms(self, share: float) -> float:
        """Percentile of the time to a right answer, in ms; nan when there was none."""
        return percentile((sample.took_s * 1000 for sample in self.samples if sample.ok), share)

    def between(self, start_s: float, end_s: float) -> "Outcome":
        """The requests that ended in a window of `time.perf_counter`, without their counts by status."""
        inside = [sample for sample in self.samples if start_s <= sample.ended_s < end_s]
        return Outcome(samples=inside, wall_s=end_s - start_s)


class _Connection(asyncio.Protocol):
    """One client's connection: sends a request, reads the whole answer, sends the next."""

    def __init__(self, load: "_Load", requests_left: float) -> None:
        self._load = load
        self._buffer = b""
        self.requests_left = requests_left
        self.sent_s: float | None = None
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def _send(self) -> None:
        if self.requests_left <= 0 or self._load.is_over():
            self._transport.close()
            return
        self.requests_left -= 1
        self.sent_s = time.perf_counter()
        self._transport.write(self._load.next_request())

    def data_received(self, data: bytes) -> None:
        self._buffer = answer = self._buffer + data if self._buffer else data
        head_end = answer.find(b"\r\n\r\n")
        if head_end < 0 or self.sent_s is None:
            return
        length = _CONTENT_LENGTH.search(answer, 0, head_end)
        if len(answer) < head_end + 4 + int(length[1]) if length else not answer.endswith(b"0\r\n\r\n"):
            return
        self._load.answered(answer, self.sent_s)
        self._buffer, self.sent_s = b"", None
        if _CLOSE.search(answer, 0, head_end):
            self._transport.close()
        else:
            self._send()

    def give_up(self, error: str) -> None:
        """Count the request under way as failed, and drop the connection."""
        if self.sent_s is not None:
            self._load.failed(error, self.sent_s)
            self.sent_s = None
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.give_up(type(exc or ConnectionResetError()).__name__)
        if not self.closed.done():
            self.closed.set_result(None)


class _Load:
    """The state of one running plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        target = urlsplit(plan.url)
        if target.hostname is None or target.port is None:
            raise ValueError(f"a plan's url needs a host and a port, but it is {plan.url!r}")
        self._address = target.hostname, target.port
        lines = {"host": target.netloc, "content-type": "application/json", **plan.headers}
        head = f"POST {target.path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._head = head.encode()
        self._open: set[_Connection] = set()
        self._ends_s = float("inf")
        self.outcome = Outcome()

    def is_over(self) -> bool:
        return time.perf_counter() >= self._ends_s

    def next_request(self) -> bytes:
        body = next(self._plan.bodies)
        return b"%bcontent-length: %d\r\n\r\n%b" % (self._head, len(body), body)

    def answered(self, answer: bytes, sent_s: float) -> None:
        status, now_s = int(answer[9:12]), time.perf_counter()
        is_right = self._plan.marker in answer
        self.outcome.statuses[status] += 1
        self.outcome.wrong += status == 200 and not is_right
        self.outcome.samples.append(Sample(now_s, now_s - sent_s, status == 200 and is_right))

    def failed(self, error: str, sent_s: float) -> None:
        now_s = time.perf_counter()
        self.outcome.errors[error] += 1
        self.outcome.samples.append(Sample(now_s, now_s - sent_s, ok=False))

    async def _client(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        loop = asyncio.get_running_loop()
        left = float("inf") if self._plan.requests_each is None else self._plan.requests_each
        while left > 0 and not self.is_over():
            began_s = time.perf_counter()
            try:
                async with asyncio.timeout(self._plan.timeout_s):
                    _, connection = await loop.create_connection(partial(_Connection, self, left), *self._address)
            except (OSError, TimeoutError) as error:
                self.failed(type(error).__name__, began_s)
                left -= 1
            else:
                self._open.add(connection)
                await connection.closed
                self._open.discard(connection)
                left = connection.requests_left
            if left > 0 and not self.is_over():
                await asyncio.sleep(RECONNECT_PAUSE_S)

    async def _watch_timeouts(self) -> None:
        """End requests that take too long. One sweep for all: a timer for each would cost more than its request."""
        while True:
            await asyncio.sleep(TIMEOUT_CHECK_S)
            oldest_s = time.perf_counter() - self._plan.timeout_s
            for connection in list(self._open):
                if connection.sent_s is not None and connection.sent_s < oldest_s:
                    connection.give_up("TimeoutError")

    async def run(self) -> Outcome:
        began_s = time.perf_counter()
        if self._plan.seconds is not None:
            self._ends_s = began_s + self._plan.seconds
        watch = asyncio.create_task(self._watch_timeouts())
        step_s = self._plan.ramp_s / self._plan.connections
        try:
            await asyncio.gather(*(self._client(number * step_s) for number in range(self._plan.connections)))
        finally:
            watch.cancel()
            for connection in list(self._open):
                connection.give_up("CancelledError")
        if self.outcome.samples:
            self.outcome.wall_s = self.outcome.samples[-1].ended_s - began_s
        return self.outcome


async def run(plan: Plan) -> Outcome:
    """Run a plan to its end. The garbage collector rests meanwhile: its pauses would count as the subject's."""
    gc.collect()
    gc.disable()
    try:
        return await _Load(plan).run()
    finally:
        gc.enable()
