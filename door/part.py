"""One part of the workbench: what to run, and the process that runs it, with its log. Read `supervisor.py` next.

Design section 1 and ADR 1. A part writes to its own log file and says there that it is ready, so nothing blocks or
breaks when whoever started it is gone.
"""

import ctypes
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from door import processes
from door.errors import DoorError, UsageError
from door.home import ROOT, fresh_log
from door.state import ProcessName

REAP_S = 5.0
TAIL_LINES = 12
TAIL_BYTES = 16_384
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_PRCTL = getattr(ctypes.CDLL(None), "prctl", None)
"""Looked up here: between fork and exec of a process with threads as little as possible may happen."""

JSON_READY = re.compile(rb'^\{"ready": ?true\b', re.MULTILINE)
"""The line with which our own processes say that they serve."""


@dataclass(frozen=True)
class Part:
    """One process to run: `ready` is looked for in its log, `needs` names parts that must be ready before it starts.

    `restarts`: how often it is started again when it ends by itself, instead of ending everything with it; `rest_s`:
    how long it stays away before that.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: re.Pattern[bytes] = JSON_READY
    needs: tuple[str, ...] = ()
    start_s: float = 60.0  # a first start compiles every module
    stop_s: float = 12.0  # the service drains for up to 10 s
    restarts: int = 0
    rest_s: float = 0.0


class PartFailed(DoorError):
    """A part ended by itself, or was not ready in time; the message carries the end of its log."""


class Running:
    """A part that was started: its process, and its log. `environ` is what the part's own variables are added to."""

    def __init__(self, part: Part, logs: Path, environ: Mapping[str, str]) -> None:
        self.part = part
        self.log = fresh_log(logs, part.name)
        self.ready_after_s: float | None = None
        self.started_at = time.monotonic()
        try:
            self.process = self._spawn(environ)
        except OSError as error:
            raise PartFailed(f"{part.name} cannot be started: {error}") from error
        self.name: ProcessName = processes.name_of(part.name, self.process.pid)

    def _spawn(self, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603  - argv comes from our own table
                self.part.argv,
                cwd=ROOT,
                env={**environ, "PYTHONUNBUFFERED": "1", **self.part.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with_parent if sys.platform == "linux" else None,
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
        polite = processes.end_group(self.name, self.part.stop_s, self.process.poll)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(REAP_S)  # a leader looks dead before its last thread is
        return polite

    def _last_lines(self) -> str:
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()[-TAIL_LINES:]
        if not lines:
            return f"; it wrote nothing to {self.log}"
        return "\n".join([f"; the end of {self.log}:", *(f"  | {line}" for line in lines)])


def end_with_parent() -> None:
    """In the child, before exec: let the kernel send TERM when the thread that started it ends, even by KILL."""
    if _PRCTL is not None:
        _PRCTL(PR_SET_PDEATHSIG, signal.SIGTERM)
