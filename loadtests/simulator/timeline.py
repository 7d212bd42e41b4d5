"""The plan of faults, its clock, and the decision which call meets which fault (DESIGN section 5).

Windows open and close by themselves on the loop's timers; every change is an event of the history. `share` is decided
by a hash of the plan's seed, what the fault does to whom, the identity of the request and its attempt, so it repeats at
any concurrency and whatever else is planned; a larger share hits whom a smaller one hits, and more. `times` and windows
depend on order by nature. Hidden faults are planned and decided like the others, and told only to who asks for them.
Read `history.py` next: the events.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

from .chance import unit
from .faults import TARGETS, Fault, Target
from .history import History

MAX_PLAN = 1000
"""Beyond this many faults those that have ended leave the plan; the history still has them."""


class Planned:
    """A fault in the plan: `index` (its identity), its state and how many calls it has hit.

    Visible ones are numbered 0, 1, 2 … and hidden ones -1, -2 …, so that no gap gives a hidden one away; `order` is
    the place in the plan.
    `likeness` is what it does to whom; `twin` counts the open faults of the same likeness before it, so that two of
    them that overlap draw independently.
    """

    __slots__ = ("fault", "hits", "index", "likeness", "order", "state", "timers", "twin")

    def __init__(self, index: int, order: int, fault: Fault, twins: Iterable[Planned]) -> None:
        self.index = index
        self.order = order
        self.fault = fault
        self.likeness = fault.model_dump_json(include={"target", "fault", "match", "params"})
        taken = {planned.twin for planned in twins if planned.likeness == self.likeness}
        self.twin: int = next(number for number in count() if number not in taken)
        self.state = "pending"
        self.hits = 0
        self.timers: list[asyncio.TimerHandle] = []

    def describe(self) -> dict[str, Any]:
        """Return the fault as it was given, with `index`, `state` (pending, active, ended) and `hits`.

        `hidden` is there when it is true.
        """
        given = self.fault.model_dump(mode="json", exclude={"match", "params", "hidden"})
        given["match"] = self.fault.match.model_dump(mode="json", exclude_unset=True)
        given["params"] = self.fault.params.model_dump(mode="json", exclude_unset=True)
        if self.fault.hidden:
            given["hidden"] = True
        return {"index": self.index, **given, "state": self.state, "hits": self.hits}


class Timeline:
    """One plan at a time, and the `history` of all of them.

    `on_refused(target, n)` is told how many `refused` faults are active for a target.
    """

    def __init__(self, seed: int, on_refused: Callable[[Target, int], None]) -> None:
        self.seed = seed
        self.started_t = time.time()
        self.history = History()
        self._on_refused = on_refused
        self._plan: list[Planned] = []
        self._active: dict[str, list[Planned]] = {target: [] for target in TARGETS}
        self._visible = self._hidden = 0

    def replace(self, seed: int | None, faults: Iterable[Fault]) -> None:
        """End the present plan, hidden faults too, take `faults` as the new one and start its clock.

        The seed stays when None is given.
        """
        self.end(None, hidden=True)
        self._plan.clear()
        self._visible = self._hidden = 0
        self.seed = self.seed if seed is None else seed
        self.started_t = time.time()
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> Planned:
        """Add one fault; its `at_s` counts from now."""
        order = self._visible + self._hidden
        index = -1 - self._hidden if fault.hidden else self._visible
        planned = Planned(index, order, fault, (p for p in self._plan if p.state != "ended"))
        self._visible += not fault.hidden
        self._hidden += fault.hidden
        if len(self._plan) >= MAX_PLAN:
            self._plan = [p for p in self._plan if p.state != "ended"]
        self._plan.append(planned)
        if fault.at_s > 0:
            planned.timers.append(asyncio.get_running_loop().call_later(fault.at_s, self._start, planned))
        else:
            self._start(planned)
        return planned

    def end(self, target: Target | None, *, hidden: bool) -> int:
        """End all active and pending faults (of `target`, when given; hidden ones when asked); return how many."""
        open_ones = [p for p in self._shown(hidden) if p.state != "ended" and target in (None, p.fault.target)]
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

    def _shown(self, hidden: bool) -> list[Planned]:
        return [p for p in self._plan if hidden or not p.fault.hidden]

    def describe(self, *, hidden: bool) -> dict[str, Any]:
        """Return plan, active faults, seed, the start of the plan and its clock; hidden faults when asked."""
        plan = self._shown(hidden)
        return {
            "seed": self.seed,
            "started_t": self.started_t,
            "clock_s": time.time() - self.started_t,
            "plan": [planned.describe() for planned in plan],
            "active": [planned.describe() for planned in plan if planned.state == "active"],
        }

    def _start(self, planned: Planned) -> None:
        planned.state = "active"
        active = self._active[planned.fault.target]
        active.append(planned)
        active.sort(key=lambda p: p.order)
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
        told = {"t": time.time(), "event": event, "reason": reason, "fault": planned.describe()}
        self.history.add(told, hidden=planned.fault.hidden)
