"""Breaking what the service itself runs on: its workers, the queue's worker, its store. Read `lab.py` next.

All of it heals: the service replaces a worker, a paused store goes on at the end of its block.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from door.errors import DoorError
from door.lab.told import Told


class Breaking(Told):
    """Signals to our own processes, by their ids."""

    def workers(self) -> list[int]:
        """The pids of the service's workers that live now."""
        return self._running.worker_pids()

    def kill_worker(self) -> int:
        """kill -9 one of them; returns its pid. What it had not yet told the collector is lost with it."""
        pid = self.until(self.workers, "a worker of the service")[0]
        os.kill(pid, signal.SIGKILL)
        self._forgive()
        self.until(lambda: pid not in self.workers(), "the death of a worker")
        return pid

    def kill_queue_worker(self) -> int:
        """kill -9 the process that works through the queue; returns its pid."""
        pid = self.until(lambda: self._running.queue_worker_pid() or 0, "a worker of the queue")
        os.kill(pid, signal.SIGKILL)
        self._forgive()
        self.until(lambda: self._running.queue_worker_pid() != pid, "the death of the queue's worker")
        return pid

    def whole_again(self) -> None:
        """Wait until as many workers live as were begun with, and until the service says that it is ready."""
        wanted = self._running.plan.workers
        self.until(lambda: len(self.workers()) == wanted, f"{wanted} workers")
        self.until(lambda: self.http("GET", "/ready").ok, "a service that is ready")

    @contextmanager
    def store_paused(self) -> Iterator[None]:
        """`with lab.store_paused():` Valkey is stopped (SIGSTOP): it holds its connections and answers nothing."""
        pid = self._running.store_pid()
        if pid is None:
            raise DoorError("there is no Valkey now; it is back a few seconds after it died")
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)
