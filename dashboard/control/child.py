"""One run of a scenario: a child process from its start to its end, whatever it does. Read `conductor.py` next.

It leads a process group of its own: a signal to the dashboard's group does not reach it, and whom it leaves behind when
it dies is ended by that group's id. A child that hangs is asked, then told, then killed.
"""

import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from . import protocol
from .protocol import Progress, Refusal, Started, Verdict

POLL_S = 0.1
LONGEST_LINE = 1 << 20
"""Bytes; a verdict has some dozens of expectations."""

LAST_LINES = 20
READ_OUT_S = 2.0
"""What it said last is in the pipe when it has ended."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a child may take, in seconds.

    `stop_s`: from `stop` to its end, which takes a verdict and a report. `term_s`: from SIGTERM, on which it tidies up,
    to SIGKILL. `silent_s`: without a word, though progress comes each second and judging takes a few.
    """

    stop_s: float = 60.0
    term_s: float = 30.0
    silent_s: float = 120.0


class Child:
    """A run of `gauntlet load … --json`. Everything of it is for any thread.

    `started`, `progress` (the newest), `verdict` and `refused` are what it said; `unheard` counts lines that are not of
    the protocol. `failure`: why it ended without a verdict or a refusal; None until then.
    """

    def __init__(
        self, argv: Sequence[str], environment: Mapping[str, str], cwd: Path, patience: Patience | None = None
    ) -> None:
        """Start it. Raises OSError."""
        self.started: Started | None = None
        self.progress: Progress | None = None
        self.verdict: Verdict | None = None
        self.refused: Refusal | None = None
        self.failure: str | None = None
        self.unheard = 0
        self.was_killed = False
        self._patience = patience or Patience()
        self._errors: deque[bytes] = deque(maxlen=LAST_LINES)
        self._over = threading.Event()
        self._writing = threading.Lock()
        self._stopped_s: float | None = None
        self._terminated_s: float | None = None
        self._why_ended = ""
        self._heard_s = time.monotonic()
        self._popen = subprocess.Popen(  # noqa: S603 - our own command
            list(argv),
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._stdin, self._stdout, self._stderr = (
            cast("IO[bytes]", pipe) for pipe in (self._popen.stdin, self._popen.stdout, self._popen.stderr)
        )
        self._readers = [_thread(self._read), _thread(self._note)]
        _thread(self._watch)

    @property
    def pid(self) -> int:
        """Its process id, which is its group's too."""
        return self._popen.pid

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return not self._over.is_set()

    @property
    def stops(self) -> bool:
        """Whether it was asked to end and has not."""
        return self.runs and self._stopped_s is not None

    def scale(self, factor: float) -> None:
        """Send so many times the planned rate from now on."""
        self._tell(protocol.scale(factor))

    def stop(self) -> None:
        """End early, with what was seen until now; asked again, end at once without judging."""
        if self._stopped_s is None:
            self._stopped_s = time.monotonic()
            self._tell(protocol.STOP)
        else:
            self._terminate("it was ended")

    def end(self, within_s: float) -> None:
        """End at once: it may tidy up for so many seconds."""
        self._terminate("the dashboard ended")
        if not self._over.wait(within_s):
            self._kill()
            self._over.wait(READ_OUT_S)

    def wait(self, within_s: float) -> bool:
        """Wait for its end; whether it has come."""
        return self._over.wait(within_s)

    def _tell(self, line: bytes) -> None:
        with self._writing:
            try:
                self._stdin.write(line)
                self._stdin.flush()
            except (OSError, ValueError):  # it has ended, or listens no more: `_watch` sees to it
                return

    def _read(self) -> None:
        while line := self._stdout.readline(LONGEST_LINE):
            self._heard_s = time.monotonic()
            event = protocol.heard(line)
            if isinstance(event, Started):
                self.started = event
            elif isinstance(event, Progress):
                self.progress = event
            elif isinstance(event, Verdict):
                self.verdict = event
            elif isinstance(event, Refusal):
                self.refused = event
            elif event is None:
                self.unheard += 1

    def _note(self) -> None:
        while line := self._stderr.readline(LONGEST_LINE):
            if line.strip():
                self._errors.append(line)

    def _watch(self) -> None:
        while self._popen.poll() is None:
            self._hurry(time.monotonic())
            time.sleep(POLL_S)
        _signal_group(self.pid, signal.SIGKILL)  # at once, so that the number is still its own
        for reader in self._readers:
            reader.join(READ_OUT_S)
        if self.verdict is None and self.refused is None:
            self.failure = self._told_end(self._popen.returncode)
        self._over.set()
        with self._writing:
            for pipe in (self._stdin, self._stdout, self._stderr):
                _close(pipe)

    def _hurry(self, now_s: float) -> None:
        patience = self._patience
        if self._terminated_s is not None:
            if now_s > self._terminated_s + patience.term_s:
                self._kill()
        elif self._stopped_s is not None and now_s > self._stopped_s + patience.stop_s:
            self._terminate(f"it had not stopped within {patience.stop_s:g} s and was ended")
        elif now_s > self._heard_s + patience.silent_s:
            self._terminate(f"it said nothing for {patience.silent_s:g} s and was ended")

    def _terminate(self, why: str) -> None:
        if self._terminated_s is None:
            self._why_ended = why
            self._stopped_s = self._stopped_s or time.monotonic()
            self._terminated_s = time.monotonic()
            self._popen.terminate()

    def _kill(self) -> None:
        if self._popen.poll() is None:
            self.was_killed = True
            _signal_group(self.pid, signal.SIGKILL)

    def _told_end(self, code: int) -> str:
        if self._why_ended:
            return self._why_ended
        how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        said = self._errors[-1].decode(errors="replace").strip() if self._errors else ""
        return f"it ended without a verdict ({how}){f': {said}' if said else ''}"


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # nobody is left; macOS answers EPERM for a group of zombies
        return


def _close(pipe: IO[bytes]) -> None:
    try:
        pipe.close()
    except OSError:  # what was not written any more
        return


def _thread(target: Callable[[], None]) -> threading.Thread:
    """A daemon: a process that ends does not wait for it."""
    thread = threading.Thread(target=target, name="scenario", daemon=True)
    thread.start()
    return thread
