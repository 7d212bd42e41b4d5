"""The arithmetic of the benchmark: percentiles, medians with their range, and comparisons paired by round.

Read `report.py` next: the tables made of these.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass


def percentile(values: Iterable[float], share: float) -> float:
    """The nearest-rank percentile: the smallest value that a `share` (0 to 1) of them do not exceed; nan if empty."""
    ordered = sorted(values)
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over several rounds: its median and its range."""

    median: float
    low: float
    high: float

    def texts(self, digits: int) -> tuple[str, str]:
        """The median, and `low–high`, with this many decimals; no range when it rounds to the median."""
        median, low, high = (f"{value:,.{digits}f}" for value in (self.median, self.low, self.high))
        return median, "" if low == median == high else f"{low}–{high}"


def spread(values: Iterable[float]) -> Spread | None:
    """Median and range of the finite values; None when there is none."""
    finite = [value for value in values if math.isfinite(value)]
    return Spread(statistics.median(finite), min(finite), max(finite)) if finite else None


def paired(
    subject: Mapping[int, float], reference: Mapping[int, float], compare: Callable[[float, float], float]
) -> list[float]:
    """`compare(subject, reference)` for each round that both have: a slow minute of the machine then hits both.

    A reference of zero cannot be compared with, so its round is left out.
    """
    return [compare(value, reference[n]) for n, value in subject.items() if reference.get(n)]
