"""How busy this machine was while a run's load was on: generator, service and simulator share it.

Where a generator is late the run counts for nothing (`loadtests/load/beats.py`). A service that had no processor left
when its generator still had is late as well, and whoever reads its figures should know. Read `session.py` next.
"""

import psutil

EVERY_S = 1.0
FULL_PERCENT = 95.0
MOST_FULL = 0.1
"""The share of the seconds in which nothing was left; beyond it the run says so."""


class Processors:
    """Counts the seconds in which all processors of this machine had work."""

    def __init__(self) -> None:
        self._since_s: float | None = None
        self.seconds = 0
        self.full = 0

    def look(self, now_s: float) -> None:
        """To be called often; it looks once a second (`now_s` in Unix seconds)."""
        if self._since_s is None:
            psutil.cpu_percent()  # counts from here
            self._since_s = now_s
        elif now_s - self._since_s >= EVERY_S:
            self._since_s = now_s
            self.seconds += 1
            self.full += psutil.cpu_percent() >= FULL_PERCENT

    @property
    def note(self) -> str | None:
        """For whoever reads the result; None when there was something left."""
        if self.full <= MOST_FULL * self.seconds:
            return None
        return (
            f"In {self.full} of {self.seconds} seconds all processors of this machine were busy: what was late or "
            "turned away then may be so for want of a faster machine."
        )
