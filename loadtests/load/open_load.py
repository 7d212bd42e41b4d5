"""An open load: requests go out when they are due, whatever became of those before (no coordinated omission).

Of several processes each sends those of its own callers. So that a service that hangs cannot pile up work here without
end, so many at most are in flight; what does not fit is counted as not sent, and the run counts for nothing.
Read `asking.py` next: what a request is.
"""

import heapq
import math
import time
import zlib

import gevent
from gevent.pool import Group

from loadtests.load.asking import Asker
from loadtests.load.beats import Pulse
from loadtests.load.job import Control, ControlReader, Job
from loadtests.scenario.arrivals import Arrival, Arrivals

MOST_IN_FLIGHT = 3000
LOOK_S = 0.05
"""How often it looks whether the control has changed, at least."""


class OpenLoad:
    """The arrivals of one process, from the epoch until all have ended."""

    def __init__(self, job: Job, process: int, asker: Asker, pulse: Pulse, control: ControlReader) -> None:
        self._job = job
        self._process = process
        self._asker = asker
        self._pulse = pulse
        self._control = control
        self._flying = Group()
        self._arrivals = Arrivals(job.scenario, job.seed, job.mark)
        self._works = self._arrivals.works()
        self._number, self._work = next(self._works)
        self._bursts = [*self._arrivals.bursts()]
        heapq.heapify(self._bursts)
        self._scale, self._since_s, self._work_then = 1.0, 0.0, 0.0
        """The scale in force, since when, and how much work had been sent by then."""

    def run(self, epoch: float) -> None:
        """Send until the scenario is over or somebody says stop, then wait for what is in flight."""
        while not (control := self._control.now()).stop and not self._asker.broke:
            now_s = time.time() - epoch
            self._rescale(control, now_s)
            due_s = self._next_s()
            if min(due_s, now_s) >= self._job.scenario.lasts_s:
                break
            if due_s > now_s:
                gevent.sleep(min(due_s - now_s, LOOK_S))
                continue
            self._send(self._take(), epoch + due_s)
            gevent.sleep(0)  # what was spawned is sent now, not when the loop has nothing to do
        self._flying.join(timeout=self._job.drain_s)
        self._flying.kill()

    def _rescale(self, control: Control, now_s: float) -> None:
        if control.scale == self._scale:
            return
        planned = self._arrivals.timetable
        now_s = max(now_s, 0.0)
        self._work_then += (planned.work_by(now_s) - planned.work_by(self._since_s)) * self._scale
        self._scale, self._since_s = control.scale, now_s

    def _next_s(self) -> float:
        """When the next one is due, in seconds after the epoch."""
        planned = self._arrivals.timetable
        ahead = (self._work - self._work_then) / self._scale
        steady_s = planned.when_s(planned.work_by(self._since_s) + ahead)
        return min(steady_s, self._bursts[0][0] if self._bursts else math.inf)

    def _take(self) -> int:
        """The number of the next one."""
        if self._bursts and self._bursts[0][0] <= self._next_s():
            return heapq.heappop(self._bursts)[1]
        number = self._number
        self._number, self._work = next(self._works)
        return number

    def _send(self, number: int, due_t: float) -> None:
        arrival = self._arrivals.arrival(number, due_t)
        if zlib.crc32(arrival.caller.name.encode()) % self._job.processes != self._process:
            return
        if len(self._flying) >= MOST_IN_FLIGHT:
            self._pulse.beat.not_sent += arrival.copies
            return
        self._flying.spawn(self._ask, arrival, due_t)

    def _ask(self, arrival: Arrival, due_t: float) -> None:
        self._pulse.beat.lag(time.time() - due_t, arrival.copies)
        self._asker.ask(arrival, due_t)
