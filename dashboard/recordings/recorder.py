"""From a start to a stop: one recording at a time, the same for all who look. Read `../views/experiments.py` next.

It holds moments only; what happened is with the collector. So a page may be closed and opened again meanwhile.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from ..settings import Settings, current


@dataclass(frozen=True, slots=True)
class Taken:
    """A span of Unix seconds that is to be kept."""

    began: float
    ended: float
    label: str


class Recorder:
    """Started and stopped by anybody; the span is handed out once. For any thread."""

    def __init__(self, now_s: Callable[[], float] = time.time) -> None:
        self._now_s = now_s
        self._lock = threading.Lock()
        self.began: float | None = None
        """Unix seconds; None when nothing is recorded."""
        self.stopped: Taken | None = None
        """What waits to be kept."""
        self.failure: str | None = None
        """Why it could not be kept."""

    def start(self) -> None:
        """Begin now, unless it has."""
        with self._lock:
            if self.began is None and self.stopped is None:
                self.began = self._now_s()

    def stop(self, label: str) -> None:
        """End now."""
        with self._lock:
            if self.began is not None:
                self.stopped, self.began = Taken(self.began, self._now_s(), label), None

    def take(self, settles_s: float) -> Taken | None:
        """What was stopped at least `settles_s` ago, to whoever asks first; None when there is nothing to keep yet."""
        with self._lock:
            if self.stopped is None or self.failure or self._now_s() < self.stopped.ended + settles_s:
                return None
            taken, self.stopped = self.stopped, None
            return taken

    def give_back(self, taken: Taken, why: str) -> None:
        """It could not be kept; it may be tried again, or dropped."""
        with self._lock:
            self.stopped, self.failure = taken, why

    def try_again(self) -> None:
        """The next `take` gives it out."""
        with self._lock:
            self.failure = None

    def drop(self) -> None:
        """Forget it."""
        with self._lock:
            self.stopped = self.failure = None


@cache
def recorder_of(settings: Settings) -> Recorder:
    """The recorder of what these settings name."""
    return Recorder()


def recorder() -> Recorder:
    """That of this process."""
    return recorder_of(current())
