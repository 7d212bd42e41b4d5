"""What a drill calls well: the objective, the error budget, and since when it is well again.

A request is good when its answer came whole, is one (not the honest message), and in time: within 2.5 s, or with its
first token within 1.5 s when it is streamed. Two in a hundred may be otherwise: that is the error budget. Requests that
were refused as the caller's own fault (4xx) do not count. Times count from when a request was due, in Unix seconds.
Read `score.py` next.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from loadtests.books.client import Entry

WHOLE_MS = 2500.0
FIRST_TOKEN_MS = 1500.0
TARGET = 0.98
WINDOW_S = 10.0
STEP_S = 0.5


@dataclass(frozen=True, slots=True)
class Budget:
    """`asked` requests of which `bad` were not good; `allowed` is what two in a hundred are."""

    asked: int
    bad: int

    @property
    def allowed(self) -> float:
        """The error budget, in requests."""
        return self.asked * (1 - TARGET)

    @property
    def spent(self) -> float:
        """The part of it that was spent; above 1 it is exhausted, 0 without requests."""
        return self.bad / self.allowed if self.asked else 0.0


def counts(entry: Entry) -> bool:
    """Whether the objective is about it."""
    return entry.outcome != "refused"


def good(entry: Entry) -> bool:
    """Answered whole, with an answer, in time."""
    if entry.outcome != "answered" or entry.source == "message":
        return False
    if entry.stream:
        return entry.first_token_ms is not None and entry.first_token_ms <= FIRST_TOKEN_MS
    return entry.duration_ms <= WHOLE_MS


def budget(entries: Sequence[Entry], began: float, ended: float) -> Budget:
    """Of the requests that were due between."""
    asked = [entry for entry in entries if counts(entry) and began <= entry.t < ended]
    return Budget(len(asked), sum(not good(entry) for entry in asked))


def well_since(entries: Sequence[Entry], since: float, until: float) -> float | None:
    """The first moment from `since` after which every window of 10 s up to `until` is at least 98 % good.

    `since` itself when it never was otherwise. None when it is not well at the end, or not for a whole window; windows
    without requests say nothing.
    """
    asked = sorted((entry for entry in entries if counts(entry) and since <= entry.t < until), key=lambda e: e.t)
    due = [entry.t for entry in asked]
    bad = [0, *accumulate(not good(entry) for entry in asked)]
    steps = int((until - since - WINDOW_S) / STEP_S + 1e-9)
    if steps < 0 or not asked:
        return None
    for step in range(steps, -1, -1):
        begun = since + step * STEP_S
        first, last = bisect_left(due, begun), bisect_left(due, begun + WINDOW_S)
        if bad[last] - bad[first] > (last - first) * (1 - TARGET):
            return None if step == steps else begun + STEP_S
    return since
