"""The supervisor: starts parts given as data, waits until each is ready, watches them, ends them in reverse order.

Design section 1 and ADR 1. One thread and one loop; it knows nothing of what the parts are (`parts.py` does) and little
of how one is run. Read `part.py` next.
"""

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from door.part import Part, PartFailed, Running

START_POLL_S = 0.02
WATCH_POLL_S = 0.1


class Supervisor:
    """Runs `parts`, logging to `logs`; `interrupted` says when to stop, `changed` hears who started or got ready.

    `revives` hears of a part that ended, why, and that it will be started again (at once, or after its `rest_s`).
    `environ` is the environment that the parts' own variables are added to; None: ours.

    Whichever thread calls `start` and `watch` has to live as long as the parts: on Linux they end with it.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        logs: Path,
        interrupted: Callable[[], bool],
        changed: Callable[[Running], None] = lambda running: None,
        revives: Callable[[Part, PartFailed], None] = lambda part, failure: None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.running: list[Running] = []
        self._parts = tuple(parts)
        self._logs = logs
        self._interrupted = interrupted
        self._changed = changed
        self._revives = revives
        self._environ = os.environ if environ is None else environ
        self._restarted: dict[str, int] = {}
        self._resting: dict[str, float] = {}
        """Part -> the monotonic time at which it is started again; its place in `running` keeps the ended one."""

    def start(self) -> bool:
        """Start all and wait until all are ready; False when interrupted before. Raises PartFailed."""
        waiting = list(self._parts)
        while not self._interrupted():
            ready = {running.part.name for running in self.running if running.ready_after_s is not None}
            if len(ready) == len(self._parts):
                return True
            for part in [part for part in waiting if ready.issuperset(part.needs)]:
                waiting.remove(part)
                self._run(part, len(self.running))
            time.sleep(START_POLL_S)
            for running in self.running:
                running.check()
                if running.ready_after_s is not None and running.part.name not in ready:
                    self._changed(running)
        return False

    def watch(self) -> None:
        """Return when interrupted. Raises PartFailed when a part ends by itself, once too often."""
        while not self._interrupted():
            for place, running in enumerate(self.running):
                if running.part.name not in self._resting:
                    self._look_at(running)
                # Not else: who need not rest is back in the same round.
                if time.monotonic() >= self._resting.get(running.part.name, math.inf):
                    del self._resting[running.part.name]
                    self._run(running.part, place)
            time.sleep(WATCH_POLL_S)

    def stop(self) -> list[str]:
        """End the parts, last started first; returns the names of those that had to be killed."""
        return [running.part.name for running in reversed(self.running) if not running.end()]

    def _run(self, part: Part, place: int) -> None:
        self.running[place : place + 1] = [Running(part, self._logs, self._environ)]
        self._changed(self.running[place])

    def _look_at(self, running: Running) -> None:
        """Say when it has become ready; let it rest when it ended. Raises the failure when it may not come back."""
        was_ready = running.ready_after_s is not None
        try:
            running.check()
        except PartFailed as failure:
            part = running.part
            done = self._restarted.get(part.name, 0)
            if done >= part.restarts:
                raise
            running.end()  # what it may have left behind
            self._restarted[part.name] = done + 1
            self._resting[part.name] = time.monotonic() + part.rest_s
            self._revives(part, failure)
        else:
            if not was_ready and running.ready_after_s is not None:
                self._changed(running)
