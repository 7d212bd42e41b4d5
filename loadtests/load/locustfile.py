"""What Locust runs: `python -m locust -f loadtests/load/locustfile.py --headless`, with GAUNTLET_LOAD_JOB set.

Locust gives what a load generator needs around the requests: processes that work together, users that come and go by a
shape, statistics, its own web page. An open load is one *Arrivals* user per process, which sends what is due; a closed
one is as many *Person* users as the phases say. Without a job it is the one behind `gauntlet load --web`, where the
scenario is chosen on Locust's page (`web.py`). Read `open_load.py` next.
"""

import os
import time
from pathlib import Path

import gevent
from locust import LoadTestShape, User, task

from loadtests.load import web
from loadtests.load.beats import EVERY_S
from loadtests.load.closed_load import ClosedUser, crowd
from loadtests.load.job import VARIABLE, ControlReader, Job
from loadtests.load.line import Line
from loadtests.load.open_load import OpenLoad

FAST = 10_000
"""Users that Locust may start per second: phases bound how many there are."""

PAGE = web.page()
"""Where the scenario is chosen on Locust's page; None with a job."""


class Arrivals(User):
    """Sends what is due: one per process."""

    @task
    def send(self) -> None:
        """The whole load of this process, once."""
        line = Line.of(self.environment)
        if line.pulse.beat.done:
            gevent.sleep(EVERY_S)
            return
        OpenLoad(line.job, line.process, line.asker, line.pulse, line.control).run(line.epoch())
        line.tell(done=True)


class Person(User):
    """Asks, waits, thinks, asks again."""

    def on_start(self) -> None:
        """The next number that nobody of any process has."""
        line = Line.of(self.environment)
        self._asking = ClosedUser(line.job, next(line.users), line.asker)
        line.epoch()

    @task
    def ask(self) -> None:
        """One question."""
        line = Line.of(self.environment)
        if line.control.now().stop or line.asker.broke:
            gevent.sleep(EVERY_S)
            return
        self._asking.once()


class Phases(LoadTestShape):
    """How many users there are now; the end of a job comes from whoever started it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._job: Job | None = None

    def tick(self) -> tuple[int, float, list[type[User]]] | None:
        """Users, how many may start per second, and of which class; None: it is over."""
        if PAGE is not None and self.runner is not None:
            self._job = self._job if PAGE.runs else None
            if not PAGE.goes_on(self.runner.environment):
                return None
        if self._job is None:
            self._job = Job.read(Path(os.environ[VARIABLE]))
        if self._job.scenario.arrivals == "open":
            return self._job.processes, FAST, [Arrivals]
        control = ControlReader(self._job.folder).now()
        now_s = 0.0 if control.epoch is None else time.time() - control.epoch
        return crowd(self._job.scenario, control, max(now_s, 0.0)), FAST, [Person]
