"""The plan of faults, its clock, and the decision which call meets which fault (DESIGN section 5).

Windows open and close by themselves on the loop's timers; every change is an event of the history. `share` is decided
by a hash of the plan's seed, what the fault does to whom, the identity of the request and its attempt, so it repeats at
any concurrency and whatever else is planned; a larger share hits whom a smaller one hits, and more. `times` and windows
depend on order by nature. Read `ledger.py` next: it records what came of it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

from .chance import unit
from .faults import TARGETS, Fault, Target

MAX_EVENTS = 10_000
"""The history keeps this many events; older ones are forgotten."""

MAX_PLAN = 1000
"""Beyond this many faults those that have ended leave the plan; the history still has them."""


class Planned:
    """A fault in the plan: `index` (its identity), its state and how many calls it has hit.

    `likeness` is what it does to whom; `twin` counts the open faults of the same likeness before it, so that two of
    them that overlap draw independently.
    """

    __slots__ = ("fault", "hits", "index", "likeness", "state", "timers", "twin")

    def __init__(self, index: int, fault: Fault, twins: Iterable[Planned]) -> None:
        self.index = index
        self.fault = fault
        self.likeness = fault.model_dump_json(include={"target", "fault", "match", "params"})
        taken = {planned.twin for planned in twins if planned.likeness == self.likeness}
        self.twin: int = next(number for number in count() if number not in taken)
        self.state = "pending"
        self.hits = 0
        self.timers: list[asyncio.TimerHandle] = []

    def describe(self) -> dict[str, Any]:
        """Return the fault as it was given, with `index`, `state` (pending, active, ended) and `hits`."""
        given = self.fault.model_dump(mode="json", exclude={"match", "params"})
        given["match"] = self.fault.match.model_dump(mode="json", exclude_unset=True)
        given["params"] = self.fault.params.model_dump(mode="json", exclude_unset=True)
        return {"index": self.index, **given, "state": self.state, "hits": self.hits}


class Timeline:
    """One plan at a time. `on_refused(target, n)` is told how many `refused` faults are active for a target."""

    def __init__(self, seed: int, on_refused: Callable[[Target, int], None]) -> None:
        self.seed = seed
        self.started_t = time.time()
        self._on_refused = on_refused
        self._plan: list[Planned] = []
        self._active: dict[str, list[Planned]] = {target: [] for target in TARGETS}
        self._events: deque[dict[str, Any]] = deque(maxlen=MAX_EVENTS)
        self._event_seq = 0
        self._index = 0

    def replace(self, seed: int | None, faults: Iterable[Fault]) -> None:
        """End the present plan, take `faults` as the new one and start its clock; the seed stays when None is given."""
        self.end(None)
        self._plan.clear()
        self._index = 0
        self.seed = self.seed if seed is None else seed
        self.started_t = time.time()
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> Planned:
        """Add one fault; its `at_s` counts from now."""
        planned = Planned(self._index, fault, (p for p in self._plan if p.state != "ended"))
        self._index += 1
        if len(self._plan) >= MAX_PLAN:
            self._plan = [p for p in self._plan if p.state != "ended"]
        self._plan.append(planned)
        if fault.at_s > 0:
            planned.timers.append(asyncio.get_running_loop().call_later(fault.at_s, self._start, planned))
        else:
            self._start(planned)
        return planned

    def end(self, target: Target | None) -> int:
        """End all active and pending faults (of `target`, when given); return how many those were."""
        open_ones = [p for p in self._plan if p.state != "ended" and target in (None, p.fault.target)]
        for planned in open_ones:
            self._end(planned, "ended")
        return len(open_ones)

    def decide(self, target: str, identity: str, attempt: int, model: str | None, stream: bool) -> Fault | None:
        """Return the first active fault of the plan that is for this call, and count the hit; None for a healthy call.

        A fault with `times` counts only the calls that it hits: those that match and that its share selects.
        """
        for planned in self._active[target]:
            fault = planned.fault
            match = fault.match
            if (
                fault.fault == "refused"
                or (match.model is not None and match.model != model)
                or (match.stream is not None and match.stream != stream)
                or (fault.share < 1.0 and self._draw(planned, identity, attempt) >= fault.share)
            ):
                continue
            planned.hits += 1
            if planned.hits == fault.times:
                self._end(planned, "times")
            return fault
        return None

    def _draw(self, planned: Planned, identity: str, attempt: int) -> float:
        return unit(self.seed, planned.likeness, planned.twin, identity, attempt)

    def describe(self) -> dict[str, Any]:
        """Return plan, active faults, seed, the start of the plan and its clock."""
        return {
            "seed": self.seed,
            "started_t": self.started_t,
            "clock_s": time.time() - self.started_t,
            "plan": [planned.describe() for planned in self._plan],
            "active": [planned.describe() for planned in self._plan if planned.state == "active"],
        }

    def events(self, since: int) -> list[dict[str, Any]]:
        """Return the history after event `since`: `{"seq", "t", "event", "reason", "fault"}`, oldest first."""
        return [event for event in self._events if event["seq"] > since]

    @property
    def last_event_seq(self) -> int:
        """The number of the newest event; 0 before the first."""
        return self._event_seq

    def _start(self, planned: Planned) -> None:
        planned.state = "active"
        active = self._active[planned.fault.target]
        active.append(planned)
        active.sort(key=lambda p: p.index)
        if planned.fault.for_s is not None:
            loop = asyncio.get_running_loop()
            planned.timers.append(loop.call_later(planned.fault.for_s, self._end, planned, "window"))
        self._record(planned, "started", "plan")
        self._tell_refused(planned)

    def _end(self, planned: Planned, reason: str) -> None:
        """End a fault: by its window, its times, or because it was ended; a pending one ends without an event."""
        was_active = planned.state == "active"
        planned.state = "ended"
        for timer in planned.timers:
            timer.cancel()
        planned.timers.clear()
        if was_active:
            self._active[planned.fault.target].remove(planned)
            self._record(planned, "ended", reason)
            self._tell_refused(planned)

    def _tell_refused(self, planned: Planned) -> None:
        if planned.fault.fault == "refused":
            target = planned.fault.target
            self._on_refused(target, sum(p.fault.fault == "refused" for p in self._active[target]))

    def _record(self, planned: Planned, event: str, reason: str) -> None:
        self._event_seq += 1
        self._events.append(
            {"seq": self._event_seq, "t": time.time(), "event": event, "reason": reason, "fault": planned.describe()}
        )
