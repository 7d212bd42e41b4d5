"""One process's part of a load: its sender, its purse, its pulse, and Locust's statistics of it.

Read `locustfile.py` for who uses it, `asking.py` for what is sent.
"""

import itertools
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import gevent
from locust.env import Environment

from loadtests.books.client import ClientBook, Entry
from loadtests.load.asking import Asker
from loadtests.load.beats import EVERY_S, Pulse
from loadtests.load.following import SETTLE_S
from loadtests.load.job import (
    APPROVER_VARIABLE,
    KEY_VARIABLE,
    PLACES,
    VARIABLE,
    ControlReader,
    Job,
    NoApprover,
)
from loadtests.load.purse import Purse
from loadtests.load.sender import Sender

LOOK_S = 0.02


class RequestFailed(Exception):
    """What Locust's statistics call a failure."""


class Line:
    """One process's part of the load; made when Locust starts its first user here."""

    _current: ClassVar["Line | None"] = None

    def __init__(self, environment: Environment, job: Job) -> None:
        self.environment = environment
        self.job = job
        self.process = max(getattr(environment.runner, "worker_index", 0), 0) % job.processes
        self.control = ControlReader(job.folder)
        self.pulse = Pulse(job.folder, self.process)
        self.purse = Purse(job.max_nano_usd)
        sender = Sender(job, ClientBook(job.folder))
        self.asker = Asker(
            sender,
            self.purse,
            self._told,
            lambda: self.control.now().route,
            webhooks=job.webhooks,
            gives_up=self._gives_up,
        )
        self.users = itertools.count(self.process, job.processes)
        self.beating = gevent.spawn(self._beat)

    @classmethod
    def of(cls, environment: Environment) -> "Line":
        """That of this process; the job is the one that the environment names. Without its keys the process ends."""
        if cls._current is None:
            keys = (os.environ.get(name) for name in (KEY_VARIABLE, APPROVER_VARIABLE))
            job = Job.read(Path(os.environ[VARIABLE]), *keys)
            if job.scenario.mix.agent:
                try:
                    job.decider()  # now, and not at the first proposal
                except NoApprover as error:
                    sys.exit(str(error))
            cls._current = cls(environment, job)
        return cls._current

    @classmethod
    def end(cls) -> None:
        """Forget it: the next one has another job."""
        if cls._current is not None:
            cls._current.beating.kill()
            cls._current = None

    def epoch(self) -> float:
        """Wait until the run may begin; the beats tell that this process is there."""
        while (epoch := self.control.now().epoch) is None:
            gevent.sleep(LOOK_S)
        gevent.sleep(max(epoch - time.time(), 0.0))
        self.pulse.begin()
        return epoch

    def _gives_up(self) -> bool:
        control = self.control.now()
        ends = (control.epoch or time.time()) + self.job.scenario.lasts_s
        return control.stop or time.time() > ends + SETTLE_S

    def _beat(self) -> None:
        parent = os.getppid()
        while os.getppid() == parent:
            self.tell()
            gevent.sleep(EVERY_S)
        # Whoever started this is gone, and nobody would end it. Behind Locust's page the session is closed first.
        if PLACES in os.environ:
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            os._exit(1)

    def tell(self, *, done: bool = False) -> None:
        """A beat now; `done`: all of this process has ended."""
        beat = self.pulse.beat
        beat.sent, beat.held, beat.broke = self.asker.sent, self.asker.held, self.asker.broke
        beat.spent_nano_usd = self.purse.spent
        beat.done = beat.done or done
        self.pulse.write()

    def _told(self, entry: Entry) -> None:
        """For Locust's own statistics."""
        self.pulse.beat.ended += 1
        failed = None if entry.outcome in ("answered", "refused") else RequestFailed(f"{entry.status} {entry.outcome}")
        told: dict[str, Any] = {"response_length": 0, "context": {}, "name": entry.endpoint}
        fire = self.environment.events.request.fire
        fire(request_type="POST", response_time=entry.duration_ms, exception=failed, **told)  # type: ignore[no-untyped-call]
        if entry.first_token_ms is not None:
            fire(request_type="first token", response_time=entry.first_token_ms, exception=None, **told)  # type: ignore[no-untyped-call]
