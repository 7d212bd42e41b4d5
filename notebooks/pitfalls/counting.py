"""What is counted in answers and calls: at once, per piece of time, quantiles. Read `result.py` next."""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from statistics import fmean

from notebooks.pitfalls.load import Answer
from notebooks.pitfalls.simulator import Call

Span = tuple[float, float]
"""From when to when, in seconds since the load began."""

BINS = 48
"""Pieces into which a run's time is cut: a strip of them fits a terminal."""
WIDE_BINS = 24
"""The same for shares, which need some requests in each piece."""


def at_once(spans: Sequence[Span]) -> int:
    """The most that were open at the same time; one that ends when another begins does not overlap it."""
    changes = sorted([*((start, 1) for start, _ in spans), *((end, -1) for _, end in spans)])
    return max(accumulate(change for _, change in changes), default=0)


def open_spans(calls: Iterable[Call], until_s: float) -> list[Span]:
    """From when to when each call was open; one that still is, until `until_s`."""
    return [(call.start_s, until_s if call.end_s is None else call.end_s) for call in calls]


def open_per_bin(spans: Sequence[Span], until_s: float, bins: int = BINS) -> list[float]:
    """How many were open in the middle of each piece of time."""
    width_s = until_s / bins
    middles = [(number + 0.5) * width_s for number in range(bins)]
    return [float(sum(start <= middle < end for start, end in spans)) for middle in middles]


def rate_per_bin(moments: Iterable[float], until_s: float, bins: int = BINS) -> list[float]:
    """How many fell into each piece of time, per second; what is before 0 or after `until_s` counts nowhere."""
    counts = [0] * bins
    for moment in moments:
        if 0 <= moment < until_s:
            counts[int(moment / until_s * bins)] += 1
    return [count * bins / until_s for count in counts]


def share_per_bin(answers: Iterable[Answer], until_s: float, bins: int = WIDE_BINS) -> list[float | None]:
    """The percentage of the requests due in each piece of time that were answered; None where none was due."""
    found: list[list[float]] = [[] for _ in range(bins)]
    for answer in answers:
        if 0 <= answer.due.at_s < until_s:
            found[int(answer.due.at_s / until_s * bins)].append(100.0 * answer.ok)
    return [fmean(values) if values else None for values in found]


def quantile(values: Iterable[float], share: float) -> float | None:
    """The nearest-rank quantile; None of nothing."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else None


def due_between(answers: Iterable[Answer], from_s: float, to_s: float) -> list[Answer]:
    """Those that were due from `from_s` on and before `to_s`."""
    return [answer for answer in answers if from_s <= answer.due.at_s < to_s]


def share_ok(answers: Sequence[Answer]) -> float | None:
    """The percentage that was answered; None of nothing."""
    return 100.0 * sum(answer.ok for answer in answers) / len(answers) if answers else None
