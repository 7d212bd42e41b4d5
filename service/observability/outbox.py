"""Off the request path: one thread that says the log lines, hands the records to OpenTelemetry and makes the spans.

A request only leaves its record here, and its trace where that is kept. The queues are bounded: what does not fit is
dropped and counted, and no request waits. The thread looks a few times a second instead of being woken by each request,
which would cost both of them the interpreter's lock. Next: ``otlp.py``.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import names
from .kept import Kept
from .lines import LINES
from .webhooks import Try

EVERY_S = 0.1
MOST_LETTERS = 20_000
MOST_TRACES = 2_000


@dataclass(slots=True)
class Letter:
    """A request or message that ended: its record as JSON, when (Unix ns), its trace and server span."""

    record: bytes
    at_ns: int
    trace_id: int | None
    span_id: int | None
    event: str = names.REQUEST_EVENT


class Outbox:
    """``post`` and ``post_trace`` from the event loop, ``close`` at the end; the rest runs in the outbox's thread.

    ``dropped`` counts what did not fit, by signal; ``failed`` what those who were told could not take.
    """

    def __init__(
        self,
        record: Callable[[Letter], None],
        trace: Callable[[Kept | Try], None],
        say: Callable[[bytes], object] = LINES.put,
    ) -> None:
        self._record, self._trace, self._say = record, trace, say
        self._letters: deque[Letter] = deque()
        self._traces: deque[Kept | Try] = deque()
        self._closing = threading.Event()
        self.dropped = {"logs": 0, "traces": 0}
        self.failed = {"logs": 0, "traces": 0}
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._thread.start()

    def post(self, letter: Letter) -> None:
        """Leave a record; never waits."""
        if len(self._letters) < MOST_LETTERS:
            self._letters.append(letter)
        else:
            self.dropped["logs"] += 1

    def post_trace(self, kept: Kept | Try) -> None:
        """Leave a trace; never waits."""
        if len(self._traces) < MOST_TRACES:
            self._traces.append(kept)
        else:
            self.dropped["traces"] += 1

    def _run(self) -> None:
        while not self._closing.wait(EVERY_S):
            self._empty()
        self._empty()

    def _empty(self) -> None:
        for _ in range(len(self._letters)):
            letter = self._letters.popleft()
            self._say(letter.record)
            self._tell("logs", self._record, letter)
        for _ in range(len(self._traces)):
            self._tell("traces", self._trace, self._traces.popleft())

    def _tell(self, signal: str, tell: Callable[[Any], None], what: Any) -> None:
        try:
            tell(what)
        except Exception:  # noqa: BLE001 - whatever a library raises: the others are told, and the thread lives
            self.failed[signal] += 1

    def close(self, within_s: float) -> None:
        """Tell what is there, for at most so long."""
        self._closing.set()
        self._thread.join(within_s)
