"""How much of an open load is due by when, and the inverse: rates that are steady or ramps, phase by phase.

*Work* is the integral of the planned rate: so many arrivals are expected by then. Read `arrivals.py` next.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.scenario.model import Phase


@dataclass(frozen=True, slots=True)
class _Stretch:
    begins_s: float
    for_s: float
    first: float
    last: float
    work: float
    """Work that was due before it."""

    def work_by(self, t_s: float) -> float:
        since_s = min(max(t_s - self.begins_s, 0.0), self.for_s)
        return self.work + self.first * since_s + (self.last - self.first) * since_s**2 / (2 * self.for_s)

    def when_s(self, work: float) -> float:
        """The root of `first t + (last - first) t^2 / (2 for_s) = work`, in the form that loses no digits."""
        slope, due = (self.last - self.first) / self.for_s, work - self.work
        sum_of_rates = self.first + math.sqrt(max(self.first**2 + 2 * slope * due, 0.0))
        return self.begins_s + (2 * due / sum_of_rates if sum_of_rates else 0.0)


class Timetable:
    """Of the phases of an open load; `whole` is all of its work."""

    def __init__(self, phases: Sequence[Phase]) -> None:
        self._stretches: list[_Stretch] = []
        self._ends: list[float] = []
        """Work that is due by the end of each, the last one's exactly `whole`."""
        self.whole, begun_s = 0.0, 0.0
        for phase in phases:
            first, last = phase.rates
            self._stretches.append(_Stretch(begun_s, phase.for_s, first, last, self.whole))
            self.whole += (first + last) / 2 * phase.for_s
            self._ends.append(self.whole)
            begun_s += phase.for_s

    def work_by(self, t_s: float) -> float:
        """What is due by then, in expected arrivals; `t_s` in seconds after the beginning."""
        for stretch in reversed(self._stretches):
            if t_s >= stretch.begins_s:
                return stretch.work_by(t_s)
        return 0.0

    def when_s(self, work: float) -> float:
        """When so much is due, in seconds after the beginning; infinity beyond the end."""
        if work > self.whole:
            return math.inf
        return self._stretches[bisect_left(self._ends, work)].when_s(work)
