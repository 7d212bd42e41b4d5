"""A closed load: users who ask, wait for the answer, think, and ask again; how many, the scenario's phases say.

A service that is slow slows this load with it, and its latencies look better than they are: that is what open loads are
for. What a crowd of a known size sees is this. Read `locustfile.py` next: Locust starts and ends the users.
"""

import time

import gevent

from loadtests.load.asking import Asker
from loadtests.load.job import Control, Job
from loadtests.scenario.arrivals import Arrivals
from loadtests.scenario.model import Scenario


class ClosedUser:
    """The `user`-th user of a closed load."""

    def __init__(self, job: Job, user: int, asker: Asker) -> None:
        self._arrivals = Arrivals(job.scenario, job.seed, job.mark)
        self._think_s = job.scenario.think_s
        self._user = user
        self._number = 0
        self._asker = asker

    def once(self) -> None:
        """Ask, and think."""
        arrival = self._arrivals.of_user(self._user, self._number)
        self._number += 1
        self._asker.ask(arrival, time.time())
        gevent.sleep(self._think_s)


def crowd(scenario: Scenario, control: Control, now_s: float) -> int:
    """How many users there are so many seconds after the beginning; none after the end."""
    begun_s = 0.0
    for phase in scenario.phase:
        if begun_s <= now_s < begun_s + phase.for_s:
            first, last = phase.crowd
            planned = first + (last - first) * (now_s - begun_s) / phase.for_s
            return max(round(planned * control.scale), 1)
        begun_s += phase.for_s
    return 0
