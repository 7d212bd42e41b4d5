"""The supervisor: starts parts given as data, waits until each is ready, watches them, ends them in reverse order.

Design section 1 and ADR 1. One thread and one loop; it knows nothing of what the parts are (`parts.py` does). A part
writes to its own log file and says there that it is ready, so nothing blocks or breaks when the supervisor is gone.
"""

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from door import processes
from door.errors import DoorError, UsageError
from door.home import ROOT, fresh_log
from door.state import ProcessName

START_POLL_S = 0.02
WATCH_POLL_S = 0.1
TAIL_LINES = 12
TAIL_BYTES = 16_384
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>

JSON_READY = re.compile(rb'^\{"ready": ?true\b', re.MULTILINE)
"""The line with which our own processes say that they serve."""


@dataclass(frozen=True)
class Part:
    """One process to run: `ready` is looked for in its log, `needs` names parts that must be ready before it starts.

    `restarts`: how often it is started again when it ends by itself, instead of ending everything with it.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: re.Pattern[bytes] = JSON_READY
    needs: tuple[str, ...] = ()
    start_s: float = 60.0  # a first start compiles every module
    stop_s: float = 12.0  # the service drains for up to 10 s
    restarts: int = 0


class PartFailed(DoorError):
    """A part ended by itself, or was not ready in time; the message carries the end of its log."""


class Running:
    """A part that was started: its process, and its log."""

    def __init__(self, part: Part, logs: Path) -> None:
        self.part = part
        self.log = fresh_log(logs, part.name)
        self.ready_after_s: float | None = None
        self.started_at = time.monotonic()
        try:
            self.process = self._spawn()
        except OSError as error:
            raise PartFailed(f"{part.name} cannot be started: {error}") from error
        self.name: ProcessName = processes.name_of(part.name, self.process.pid)

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603  - argv comes from our own table
                self.part.argv,
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self.part.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            )

    def check(self) -> None:
        """Note when the part has become ready. Raises PartFailed when it ended or is overdue."""
        code = self.process.poll()
        if code is not None:
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            when = "by itself" if self.ready_after_s is not None else "before it was ready"
            failure = PartFailed(f"{self.part.name} {how} {when}{self._last_lines()}")
            if self.ready_after_s is None and code == UsageError.exit_code:
                failure.exit_code = code  # its configuration cannot be used
            raise failure
        if self.ready_after_s is not None:
            return
        waited_s = time.monotonic() - self.started_at
        if self.part.ready.search(self.log.read_bytes()):
            self.ready_after_s = waited_s
        elif waited_s > self.part.start_s:
            raise PartFailed(f"{self.part.name} was not ready within {self.part.start_s:g} s{self._last_lines()}")

    def end(self) -> bool:
        """End the part's whole process group; True when it went without KILL."""
        return processes.end_group(self.name, self.part.stop_s, self.process.poll)

    def _last_lines(self) -> str:
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()[-TAIL_LINES:]
        if not lines:
            return f"; it wrote nothing to {self.log}"
        return "\n".join([f"; the end of {self.log}:", *(f"  | {line}" for line in lines)])


class Supervisor:
    """Runs `parts`, logging to `logs`; `interrupted` says when to stop, `changed` hears who started or got ready.

    `revived` hears of a part that ended and was started again, and why.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        logs: Path,
        interrupted: Callable[[], bool],
        changed: Callable[[Running], None] = lambda running: None,
        revived: Callable[[Running, PartFailed], None] = lambda running, failure: None,
    ) -> None:
        self.running: list[Running] = []
        self._parts = tuple(parts)
        self._logs = logs
        self._interrupted = interrupted
        self._changed = changed
        self._revived = revived
        self._restarted: dict[str, int] = {}

    def start(self) -> bool:
        """Start all and wait until all are ready; False when interrupted before. Raises PartFailed."""
        waiting = list(self._parts)
        while not self._interrupted():
            ready = {running.part.name for running in self.running if running.ready_after_s is not None}
            if len(ready) == len(self._parts):
                return True
            for part in [part for part in waiting if ready.issuperset(part.needs)]:
                waiting.remove(part)
                self.running.append(Running(part, self._logs))
                self._changed(self.running[-1])
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
                was_ready = running.ready_after_s is not None
                try:
                    running.check()
                except PartFailed as failure:
                    self.running[place] = self._started_again(running, failure)
                else:
                    if not was_ready and running.ready_after_s is not None:
                        self._changed(running)
            time.sleep(WATCH_POLL_S)

    def _started_again(self, ended: Running, failure: PartFailed) -> Running:
        """The part anew. Raises the failure when it may not be."""
        part = ended.part
        done = self._restarted.get(part.name, 0)
        if done >= part.restarts:
            raise failure
        ended.end()  # what it may have left behind
        self._restarted[part.name] = done + 1
        running = Running(part, self._logs)
        self._revived(running, failure)
        self._changed(running)
        return running

    def stop(self) -> list[str]:
        """End the parts, last started first; returns the names of those that had to be killed."""
        return [running.part.name for running in reversed(self.running) if not running.end()]


def _end_with_parent() -> None:
    """In the child, before exec: let the kernel send TERM when the supervisor dies, even by KILL."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


_LIBC = ctypes.CDLL(None)
