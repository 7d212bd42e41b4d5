"""The generator's processes: one Locust, or a master and its workers. Read `loadtests/load/locustfile.py` next."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from loadtests.books.errors import CannotJudge
from loadtests.load import locustfile_path
from loadtests.load.beats import BeatReader
from loadtests.load.job import APPROVER_VARIABLE, KEY_VARIABLE, VARIABLE, ControlReader, Job

READY_WITHIN_S = 60.0
END_WITHIN_S = 15.0
POLL_S = 0.05
STOP_WITHIN_S = "80"
"""What Locust gives a user to end its request: longer than the longest."""

LOG = "locust.log"
TAIL_LINES = 8
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_PRCTL = getattr(ctypes.CDLL(None), "prctl", None)
"""Looked up here: between fork and exec of a process with threads as little as possible may happen."""


class Crew:
    """Started, waited for, ended by their ids; what they say is in `locust.log` of the run's folder."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._log = job.folder / LOG
        self._started: list[subprocess.Popen[bytes]] = []
        self.beats = BeatReader(job.folder)

    def start(self) -> None:
        """Start all and wait until each says that it is there. Raises CannotJudge."""
        path = self._job.write()
        common = ["--headless", "--only-summary", "--stop-timeout", STOP_WITHIN_S]
        if self._job.processes == 1:
            self._spawn(path, common)
        else:
            port = str(_free_port())
            master = ["--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", port]
            self._spawn(path, [*common, *master, "--expect-workers", str(self._job.processes)])
            for _ in range(self._job.processes):
                self._spawn(path, ["--worker", "--master-host", "127.0.0.1", "--master-port", port])
        until = time.monotonic() + READY_WITHIN_S
        while len(self.beats.read()) < self._job.processes:
            self.check()
            if time.monotonic() > until:
                raise CannotJudge(f"the load generator is not ready within {READY_WITHIN_S:g} s{self._tail()}")
            time.sleep(POLL_S)

    def check(self) -> None:
        """Raises CannotJudge when a process has ended by itself."""
        for process in self._started:
            if process.poll() is not None:
                raise CannotJudge(f"the load generator ended with exit code {process.returncode}{self._tail()}")

    def end(self, within_s: float = END_WITHIN_S) -> None:
        """End what still runs, by force after `within_s`. A load under way is told to stop: nothing is sent meanwhile.

        One that still waits for its beginning begins, sends nothing and is done: Locust waits for its users.
        """
        control = ControlReader(self._job.folder).now()
        replace(control, stop=True, epoch=control.epoch or time.time()).write(self._job.folder)
        for sent in (signal.SIGTERM, signal.SIGKILL):
            running = [process for process in self._started if process.poll() is None]
            for process in running:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(sent)
            until = time.monotonic() + within_s
            for process in running:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(until - time.monotonic(), 0.1))

    def _spawn(self, job: Path, flags: list[str]) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
        environment = {**inherited, VARIABLE: str(job)}
        for variable, key in ((KEY_VARIABLE, self._job.key), (APPROVER_VARIABLE, self._job.approver)):
            if key:
                environment[variable] = key
        command = [sys.executable, "-m", "locust", "-f", str(locustfile_path()), *flags]
        with self._log.open("ab") as log:
            self._started.append(
                subprocess.Popen(  # noqa: S603 - the command is our own
                    command,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self._job.folder,
                    start_new_session=True,
                    preexec_fn=_ended_with(os.getpid()) if sys.platform == "linux" else None,
                )
            )

    def _tail(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()[-TAIL_LINES:] if self._log.exists() else []
        return "\n".join([f"; the end of {self._log}:", *(f"  | {line}" for line in lines)]) if lines else ""


def _ended_with(parent: int) -> Callable[[], None]:
    """What a child does before it becomes the generator: the kernel kills it when the thread that started it ends.

    Elsewhere than on Linux a generator notices by itself, except for Locust's master.
    """

    def tie() -> None:
        if _PRCTL is not None:
            _PRCTL(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the kernel was told
            os._exit(1)

    return tie


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
