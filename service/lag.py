"""Event loop lag: how late this worker is with its own work, so that it takes no more and blames nobody else for it.

A timer on the event loop should ring every 50 ms. What it rings late, the loop was busy, or the whole process was not
running: the CPU was short, or somebody stopped it. A provider's answer may have lain in the socket meanwhile. Used by
``gateway/admission.py`` and ``stages/breaker.py``; the reasons are in ``docs/adr/0015``. Next: ``errors.py``.
"""

import asyncio
from collections import deque

from .clock import Clock

PERIOD_S = 0.05
REMEMBERED_S = 5.0
WEIGHT = 0.2
"""Of the newest ring in the average."""

MOST = 4.0
"""A ring counts for at most so many times the limit, so that one pause (a collection, say) is no overload."""


class Lag:
    """Of one worker's event loop, in seconds. Before ``start`` and after ``stop`` it is never late."""

    def __init__(self, *, limit_s: float, clock: Clock) -> None:
        self._limit_s = limit_s
        self._clock = clock
        self._due_s: float | None = None
        self._mean_s = self._bounded_s = 0.0
        self._lost_s = 0.0
        self._past: deque[tuple[float, float]] = deque()
        """When it rang, and what was lost in all by then."""
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Measure from now on; within a running loop."""
        self._past.append((self._clock.monotonic(), 0.0))
        self._wind()

    def stop(self) -> None:
        """Measure no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._due_s = None
        self._mean_s = self._bounded_s = self._lost_s = 0.0
        self._past.clear()

    @property
    def mean_s(self) -> float:
        """How late the last rings were on average."""
        return self._mean_s

    @property
    def behind(self) -> bool:
        """Whether the loop is later than its limit: what is taken on now would only make all of it later.

        On average, where one ring counts for at most ``MOST`` limits.
        """
        return self._bounded_s > self._limit_s

    @property
    def share(self) -> float:
        """How late the loop is, in parts of its limit: above 1 it is ``behind``."""
        return self._bounded_s / self._limit_s

    def lost_s(self, last_s: float) -> float:
        """For how many of the last seconds (at most ``REMEMBERED_S``) the loop was late."""
        since_s = self._clock.monotonic() - last_s
        before = 0.0
        for rang_s, lost_s in self._past:
            if rang_s > since_s:
                before = max(before, lost_s - (rang_s - since_s))  # a ring tells of the time up to it
                break
            before = lost_s
        return min(self._lost_s - before + self._overdue_s(), last_s)

    def _overdue_s(self) -> float:
        return 0.0 if self._due_s is None else max(self._clock.monotonic() - self._due_s, 0.0)

    def _wind(self) -> None:
        self._due_s = self._clock.monotonic() + PERIOD_S
        self._timer = asyncio.get_running_loop().call_later(PERIOD_S, self._ring)

    def _ring(self) -> None:
        late_s = self._overdue_s()
        self._lost_s += late_s
        self._mean_s += WEIGHT * (late_s - self._mean_s)
        self._bounded_s += WEIGHT * (min(late_s, MOST * self._limit_s) - self._bounded_s)
        now = self._clock.monotonic()
        self._past.append((now, self._lost_s))
        while self._past[1][0] <= now - REMEMBERED_S:
            self._past.popleft()
        self._wind()
