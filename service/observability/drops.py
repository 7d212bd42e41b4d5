"""What was not told: how much, of which signal, and where it was lost.

The SDK counts what its queues refuse and its exporters cannot send, if given a meter; this is one that keeps nothing
else. Shown as the metric ``gauntlet.telemetry.dropped`` and at ``GET /admin/telemetry``. Next: ``outbox.py``.
"""

import threading
from typing import Any

from opentelemetry.metrics import Counter as ApiCounter
from opentelemetry.metrics import MeterProvider, NoOpCounter, NoOpMeter

from . import names
from .lines import LINES
from .outbox import Outbox

ERROR = names.ERROR
_SIGNALS = {
    "otel.sdk.processor.span.processed": "traces",
    "otel.sdk.exporter.span.exported": "traces",
    "otel.sdk.processor.log.processed": "logs",
    "otel.sdk.exporter.log.exported": "logs",
}


class Drops(MeterProvider):
    """A meter provider for the SDK's own parts, and the worker's sums."""

    def __init__(self) -> None:
        self._outbox: Outbox | None = None
        self._lock = threading.Lock()
        self._lost: dict[tuple[str, str], int] = {}
        self._sent: dict[str, int] = {}

    def get_meter(self, name: str, *_: Any, **__: Any) -> "_Meter":
        """The meter for one part of the SDK."""
        return _Meter(name, self)

    def lost(self, signal: str, where: str, count: int = 1) -> None:
        """So much of ``signal`` was lost; from any thread."""
        with self._lock:
            self._lost[signal, where] = self._lost.get((signal, where), 0) + count

    def sent(self, signal: str, count: int) -> None:
        """So much of it arrived; from any thread."""
        with self._lock:
            self._sent[signal] = self._sent.get(signal, 0) + count

    def watch(self, outbox: Outbox) -> None:
        """Count what does not fit there, too."""
        self._outbox = outbox

    def totals(self) -> dict[tuple[str, str], int]:
        """What was lost since the worker's start, by signal and place."""
        with self._lock:
            lost = dict(self._lost)
        if self._outbox is not None:
            lost |= {(signal, "outbox"): count for signal, count in self._outbox.dropped.items()}
            lost |= {(signal, "failed"): count for signal, count in self._outbox.failed.items()}
        lost["lines", "stderr"] = LINES.dropped
        return {labels: count for labels, count in lost.items() if count}

    def snapshot(self) -> dict[str, Any]:
        """What arrived and what was lost since the worker's start."""
        lost = [{"signal": signal, "where": where, "count": n} for (signal, where), n in self.totals().items()]
        with self._lock:
            return {"sent": dict(self._sent), "lost": lost}


class _Meter(NoOpMeter):
    def __init__(self, name: str, drops: Drops) -> None:
        super().__init__(name)
        self._drops = drops

    def create_counter(self, name: str, unit: str = "", description: str = "") -> ApiCounter:
        signal = _SIGNALS.get(name)
        if signal is None:
            return NoOpCounter(name, unit, description)
        return _Counter(name, unit, description, signal=signal, drops=self._drops)


class _Counter(NoOpCounter):
    def __init__(self, name: str, unit: str, description: str, *, signal: str, drops: Drops) -> None:
        super().__init__(name, unit, description)
        self._signal, self._drops = signal, drops
        self._exports = ".exporter." in name

    def add(self, amount: float, attributes: Any = None, *_: Any, **__: Any) -> None:
        error = (attributes or {}).get(ERROR)
        if error is not None:
            self._drops.lost(self._signal, "not_sent" if self._exports else str(error), int(amount))
        elif self._exports:
            self._drops.sent(self._signal, int(amount))
