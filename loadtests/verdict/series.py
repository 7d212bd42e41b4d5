"""A run as figures per step of time: what charts draw. Read `frame.py` next.

Time is in seconds since the run's beginning. Steps grow with the run, so that a picture has about as many whatever the
length; the last one takes the rest.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from loadtests.books.client import Entry
from loadtests.books.ledger import Call
from loadtests.scenario.model import ASKED_AT, ENDED, REFUND_PATH
from loadtests.verdict.evidence import Change, Evidence
from loadtests.verdict.scope import is_effect, percentile

MOST_STEPS = 180
STEPS_S = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600)
SOURCES = {"cache": "cache", "shared": "cache", "later": "other"}
CALLED = ("live", "provider", "smaller_model", "stale")


@dataclass(frozen=True, slots=True)
class Steps:
    """The time axis: `count` steps of `step_s` from 0 to `lasts_s`."""

    lasts_s: float
    step_s: float
    count: int

    @classmethod
    def of(cls, lasts_s: float, most: int = MOST_STEPS) -> "Steps":
        """For a run of this length; one of no length has a single step of a second."""
        lasts_s = max(lasts_s, 1.0)
        fitting = (step_s for step_s in STEPS_S if lasts_s / step_s <= most)
        step_s = next(fitting, math.ceil(lasts_s / most / 3600) * 3600)
        return cls(lasts_s, float(step_s), max(round(lasts_s / step_s), 1))

    def place(self, at_s: float) -> int | None:
        """The step in which a moment lies; None outside of the run."""
        return min(int(at_s / self.step_s), self.count - 1) if 0 <= at_s < self.lasts_s else None

    @property
    def begins_s(self) -> list[float]:
        """Where each step begins."""
        return [step * self.step_s for step in range(self.count)]

    @property
    def widths_s(self) -> list[float]:
        """How long each step is."""
        return [end - begin for begin, end in pairwise([*self.begins_s, self.lasts_s])]


def came_of(entry: Entry) -> str:
    """What came of a request, in one word: where its answer came from, or how it ended without one."""
    if entry.source == "message" and entry.outcome != "left":
        return "message"
    if entry.outcome == "answered":
        if entry.kind in ASKED_AT:
            return "later"
        if entry.endpoint == REFUND_PATH:
            return "other"
        source = entry.source or "live"
        return source if source in CALLED else SOURCES.get(source, "other")
    return {"refused": "refused", "left": "left"}.get(entry.outcome, "failed")


def ended_as(call: Call) -> str:
    """How a call to a provider ended, in one word."""
    status = call.status
    if status is None:
        return "no status"
    if status == 429:
        return "429"
    if status >= 400:
        return "5xx" if status >= 500 else "4xx"
    return "ok" if call.completed else "cut short"


def sums(steps: Steps, items: Iterable[tuple[float, str, float]]) -> dict[str, list[float]]:
    """By series: what its items sum to in each step. Items are (seconds, series, worth); those outside are left out."""
    found: dict[str, list[float]] = {}
    for at_s, name, worth in items:
        place = steps.place(at_s)
        if place is not None:
            found.setdefault(name, [0.0] * steps.count)[place] += worth
    return found


def rates(steps: Steps, found: dict[str, list[float]], per_s: float = 1.0) -> dict[str, list[float]]:
    """Sums as rates: per second, or per so many seconds."""
    widths_s = steps.widths_s
    return {
        name: [value / width_s * per_s for value, width_s in zip(values, widths_s, strict=True)]
        for name, values in found.items()
    }


def grouped(steps: Steps, values: Iterable[tuple[float, float]]) -> list[list[float]]:
    """The values of (seconds, value) in each step."""
    groups: list[list[float]] = [[] for _ in range(steps.count)]
    for at_s, value in values:
        place = steps.place(at_s)
        if place is not None:
            groups[place].append(value)
    return groups


def percentiles(groups: Sequence[Sequence[float]], share: float) -> list[float | None]:
    """Of each step; None where it has no values."""
    return [percentile(group, share) for group in groups]


def whole_answers(evidence: Evidence) -> list[Entry]:
    """Those whose latency counts, as in the measures: answered, not by the honest message, and not how a job stands."""
    answered = (entry for entry in evidence.entries if entry.outcome == "answered" and entry.source != "message")
    return [entry for entry in answered if entry.kind not in ASKED_AT]


def success(steps: Steps, evidence: Evidence) -> list[float | None]:
    """In each step: whole answers, of the requests that were not refused as the caller's own fault, nor left."""
    asked = [0] * steps.count
    answered = [0] * steps.count
    for entry in evidence.entries:
        place = steps.place(entry.t - evidence.began)
        if place is None or entry.outcome in ("refused", "left") or is_effect(entry):
            continue
        asked[place] += 1
        answered[place] += entry.outcome == "answered" and entry.source != "message"
    return [part / whole if whole else None for part, whole in zip(answered, asked, strict=True)]


def standing(steps: Steps, evidence: Evidence) -> dict[str, list[float]]:
    """By state: how many jobs and runs stood so in the middle of each step, as somebody was last told."""
    told: dict[str, list[tuple[float, str]]] = {}
    for entry in evidence.entries:
        if entry.subject_id is not None and entry.state is not None:
            told.setdefault(entry.subject_id, []).append((entry.ended - evidence.began, entry.state))
    found: dict[str, list[float]] = {}
    for moments in told.values():
        moments.sort()
        for (since, state), (until, _) in pairwise([*moments, (steps.lasts_s, "")]):
            if state in ENDED:
                break
            for step, (begin, width_s) in enumerate(zip(steps.begins_s, steps.widths_s, strict=True)):
                if since <= begin + width_s / 2 < until:
                    found.setdefault(state, [0.0] * steps.count)[step] += 1
    return found


def in_flight(steps: Steps, evidence: Evidence) -> list[float]:
    """The most requests that were under way at once in each step, from when they were due to their ends."""
    moments = []
    for entry in evidence.entries:
        moments.append((entry.t - evidence.began, 1))
        moments.append((entry.ended - evidence.began, -1))
    moments.sort()
    most = [0.0] * steps.count
    now, step = 0, 0
    for at_s, by in moments:
        place = steps.place(max(at_s, 0.0))
        end = steps.count if place is None else place
        while step < end:
            step += 1
            if step < steps.count:
                most[step] = now
        if place is None:
            break
        now += by
        most[place] = max(most[place], now)
    return most


def states(evidence: Evidence, provider: str) -> list[tuple[float, float, str]]:
    """A circuit's states as (from, until, state), seconds; closed before its first change."""
    lasts_s = max(evidence.ended - evidence.began, 1.0)
    changes = sorted((change for change in evidence.changes if change.provider == provider), key=_when)
    found: list[tuple[float, float, str]] = []
    at_s, state = 0.0, "closed"
    for change in changes:
        then_s = min(max(change.t - evidence.began, 0.0), lasts_s)
        if then_s > at_s:
            found.append((at_s, then_s, state))
        at_s, state = then_s, change.state
    return [*found, (at_s, lasts_s, state)] if at_s < lasts_s else found


def _when(change: Change) -> float:
    return change.t
