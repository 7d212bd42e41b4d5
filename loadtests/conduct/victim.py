"""Kill or pause a process of the workbench when the scenario says so: Valkey, or the worker behind the queue.

What is killed comes back by itself: its supervisor starts it again. What is paused goes on even if nobody is left who
knows of it: `waking.py` sees to that. Read `world.py` for what else is broken.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests.books.errors import CannotJudge
from loadtests.conduct.world import planned
from loadtests.scenario.model import STORE, WORKER, Scenario
from loadtests.verdict.evidence import Band

BACK_WITHIN_S = 20.0
POLL_S = 0.05
WAKER = Path(__file__).with_name("waking.py")
SPREAD = 0.5, 1.5
"""A pause between two kills is so many times the one that the scenario asks for."""

NAMES = {STORE: "Valkey", WORKER: "the worker"}
MISSING = {
    STORE: " (REDIS_URL names another); run it where REDIS_URL is not set",
    WORKER: "; run it at a running `up`, or where none runs, so that a private workbench is started for it",
}


@dataclass(slots=True)
class Pause:
    """A process that was stopped, until when (Unix seconds), and the child that lets it go on whatever happens."""

    pid: int
    since: float
    until: float
    waker: subprocess.Popen[bytes]

    @classmethod
    def of(cls, pid: int, now: float, for_s: float, name: str) -> "Pause":
        """Stop it. Raises CannotJudge where nobody could be set to let it go on."""
        command = [sys.executable, "-I", "-S", str(WAKER), str(pid), str(for_s), str(os.getpid())]
        quiet = subprocess.DEVNULL
        try:
            # A session of its own: Ctrl-C in the terminal is for us, who end it in order.
            waker = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)  # noqa: S603
        except OSError as error:
            raise CannotJudge(f"{name} was not paused: what lets it go on cannot be started ({error})") from error
        pause = cls(pid, now, now + for_s, waker)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
        return pause

    def end(self) -> None:
        """Let it go on."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)
        self.waker.terminate()
        self.waker.wait()


class Victim:
    """One process's faults of one scenario; `pid` gives the present process, None when there is none."""

    def __init__(self, target: str, scenario: Scenario, pid: Callable[[], int | None], seed: int) -> None:
        self._target = target
        self._name = NAMES[target]
        self._due = sorted(_moments(target, scenario, seed), key=lambda fault: fault["at_s"])
        self._pid = pid
        self._paused: list[Pause] = []
        self._gone: list[tuple[int, float]] = []
        """Processes that were killed, and when, until another one is there."""
        self.bands: list[Band] = []

    def check(self) -> None:
        """Raises CannotJudge where a scenario wants to break a process that is not ours."""
        if self._due and self._pid() is None:
            raise CannotJudge(
                f"this scenario kills or pauses {self._name}, and there is none that `gauntlet up` started"
                f"{MISSING[self._target]}"
            )

    def at(self, now_s: float, now: float) -> None:
        """Do what is due so many seconds after the beginning; `now` in Unix seconds."""
        for pid, since in [gone for gone in self._gone if self._pid() not in (None, gone[0])]:
            self._gone.remove((pid, since))
            self.bands.append(Band(self._target, self._label("kill"), since, now))
        # Who was killed and is not back yet cannot be broken again: that waits.
        while self._due and self._due[0]["at_s"] <= now_s and not (self._gone and self._pid() is None):
            self._begin(self._due.pop(0), now)
        for pause in [pause for pause in self._paused if pause.until <= now]:
            self._paused.remove(pause)
            pause.end()
            self.bands.append(Band(self._target, self._label("pause"), pause.since, now))

    @property
    def broken(self) -> list[str]:
        """What is wrong with it at this moment, in words."""
        return [self._label("kill")] * bool(self._gone) + [self._label("pause")] * bool(self._paused)

    def end(self) -> None:
        """Let it go on, and wait until what was killed is back. Raises CannotJudge when it does not come back."""
        self._due.clear()
        for pause in self._paused:
            pause.until = 0.0
        until = time.monotonic() + BACK_WITHIN_S
        self.at(0.0, time.time())
        while self._gone:
            if time.monotonic() > until:
                raise CannotJudge(f"{self._name} was killed and is not back within {BACK_WITHIN_S:g} s")
            time.sleep(POLL_S)
            self.at(0.0, time.time())

    def _label(self, fault: str) -> str:
        return f"{self._target}: {'killed with -9' if fault == 'kill' else 'paused'}"

    def _begin(self, fault: dict[str, Any], now: float) -> None:
        pid = self._pid()
        if pid is None:
            raise CannotJudge(
                f"{self._name} is not there when it is to be broken ({fault['fault']}): it ended by itself"
            )
        if fault["fault"] == "kill":
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self._gone.append((pid, now))
        else:
            self._paused.append(Pause.of(pid, now, fault["for_s"], self._name))


def _moments(target: str, scenario: Scenario, seed: int) -> Iterator[dict[str, Any]]:
    """The faults of one target; a kill that comes again and again is many."""
    for place, fault in enumerate(planned(scenario)):
        if fault["target"] != target:
            continue
        every_s = fault.get("every_s")
        if every_s is None:
            yield fault
            continue
        chance = random.Random(f"kills {seed} {place}")  # noqa: S311 - a seeded plan, no secret
        at_s = fault["at_s"] + every_s * chance.random()
        while at_s < fault["at_s"] + fault["for_s"]:
            yield {**fault, "at_s": at_s}
            at_s += every_s * chance.uniform(*SPREAD)
