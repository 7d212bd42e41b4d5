"""What a measure is taken of: the requests and calls of the phases, callers, kind and target that an expectation names.

A request belongs to the phase in which it was due, a call to that in which it began. Read `measures.py` next.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from loadtests.books.client import Entry
from loadtests.books.ledger import Call
from loadtests.scenario.model import EFFECTS, LLM_TARGETS, REFUND_PATH, Expectation
from loadtests.verdict.evidence import Evidence, Window


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expectation is about: the requests and calls of its phases, and the whole run beside them."""

    entries: Sequence[Entry]
    calls: Sequence[Call]
    windows: Sequence[Window]
    target: str | None
    whole: Evidence


@dataclass(frozen=True, slots=True)
class Measure:
    """`read` gives the value; `unit` is `share`, `ms`, `s`, `count`, `ratio` or `usd`. `from_ledger`: needs one."""

    read: Callable[[Scope], float | None]
    unit: str
    words: str
    from_ledger: bool = False


def scope_of(evidence: Evidence, expected: Expectation) -> Scope:
    """The part of a run that an expectation is about; without phases all of it, what came after the last one too."""
    windows = [window for window in evidence.phases if window.name in expected.during]
    if not expected.during:
        windows = [Window("", -math.inf, math.inf)]
    entries = [
        entry
        for entry in evidence.entries
        if inside(entry.t, windows)
        and expected.callers in (None, entry.callers)
        and expected.kind in (None, entry.kind)
        and (expected.kind in EFFECTS or not is_effect(entry))
    ]
    targets = (expected.target,) if expected.target else LLM_TARGETS
    calls = [call for call in evidence.calls if call.target in targets and inside(call.t, windows)]
    return Scope(entries, calls, windows, expected.target, evidence)


def is_effect(entry: Entry) -> bool:
    """Whether it is no question, so that measures of answers leave it out."""
    return entry.kind in EFFECTS or entry.endpoint == REFUND_PATH


def percentile(values: Iterable[float], share: float) -> float | None:
    """The nearest-rank percentile; None without values."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)] if ordered else None


def inside(t: float, windows: Sequence[Window]) -> bool:
    """Whether this moment is in one of them."""
    return any(window.since <= t < window.until for window in windows)


def share_of(part: int, whole: int) -> float | None:
    """From 0 to 1; None of nothing."""
    return part / whole if whole else None
