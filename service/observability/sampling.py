"""Tail sampling: which traces are kept, decided when a request has ended and before anything of it is encoded.

Whatever an operator would look for (errors, degraded answers, faults that were survived, slow requests) is kept, up to
a rate per second, or an outage would keep everything; of the rest a smaller rate. A kept trace says how many of its
kind it stands for, itself included, so that sums of weights give back the counts. Next: ``kept.py``.
"""

from dataclasses import dataclass

from ..clock import Clock
from ..settings import TelemetrySettings
from .record import Record

ERRORS = frozenset({"failed", "broken", "unavailable"})


@dataclass(slots=True)
class _Class:
    """One reason to keep a trace: tokens to keep it with, and how many were passed over since the last one."""

    per_s: float
    at_s: float
    tokens: float = 0.0
    passed_over: int = 0

    def __post_init__(self) -> None:
        self.tokens = self.most

    @property
    def most(self) -> float:
        """What is kept at once after a quiet time: a second's worth."""
        return max(self.per_s, 1.0) if self.per_s else 0.0


class TailSampler:
    """Decides by the record."""

    def __init__(self, settings: TelemetrySettings, *, clock: Clock) -> None:
        self._slow_ms = settings.slow_s * 1000
        self._clock = clock
        now = clock.monotonic()
        rates = dict.fromkeys(("error", "degraded", "faulted", "slow", "cancelled", "refused"), settings.notable_per_s)
        self._classes = {
            reason: _Class(per_s, now) for reason, per_s in {**rates, "ordinary": settings.ordinary_per_s}.items()
        }

    def reason(self, record: Record) -> str:
        """Why the trace would be kept."""
        outcome = record["outcome"]
        if outcome in ERRORS:
            return "error"
        if outcome != "answered":
            return str(outcome)
        if any(attempt["status"] != "ok" for attempt in record["attempts"]):
            return "faulted"
        took_ms = record["duration_ms"] if record["first_token_ms"] is None else record["first_token_ms"]
        return "slow" if took_ms >= self._slow_ms else "ordinary"

    def weight(self, reason: str) -> int:
        """How many traces this one stands for; 0: it is not kept."""
        kind = self._classes[reason]
        now = self._clock.monotonic()
        kind.tokens = min(kind.most, kind.tokens + (now - kind.at_s) * kind.per_s)
        kind.at_s = now
        if kind.tokens < 1:
            kind.passed_over += 1
            return 0
        kind.tokens -= 1
        weight, kind.passed_over = kind.passed_over + 1, 0
        return weight
