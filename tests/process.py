"""A child process of a test, which can be killed, stopped and ended. Read `valkey.py` next: the store is one, too."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil

from .root import ROOT


class Process:
    """A child whose first line on standard output says that it is ready."""

    def __init__(self, name: str, command: list[str], env: dict[str, str], folder: Path) -> None:
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )

    def ready(self) -> dict[str, Any]:
        """The ready line; fails with the end of the log when there is none."""
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        assert line, f"{self.log.stem} ended before it was ready:\n{self.log.read_text()[-3000:]}"
        ready: dict[str, Any] = json.loads(line)
        return ready

    def lines(self, **wanted: object) -> list[dict[str, Any]]:
        """The log's JSON lines that have these values."""
        rows = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]

    @property
    def pid(self) -> int:
        """Of the process that does the work."""
        return self.popen.pid

    def kill(self) -> None:
        """kill -9."""
        os.kill(self.pid, signal.SIGKILL)

    def stop(self) -> None:
        """SIGSTOP: it hangs."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def end(self, first: signal.Signals = signal.SIGTERM) -> None:
        """End the process and whatever it started; at once by SIGKILL."""
        for sent in (signal.SIGCONT, first, signal.SIGKILL):
            try:
                os.killpg(self.popen.pid, sent)
            except ProcessLookupError:
                break
            if sent is not signal.SIGCONT:
                try:
                    self.popen.wait(15)
                    break
                except subprocess.TimeoutExpired:
                    continue
        self.popen.wait()
        if self.popen.stdout is not None:
            self.popen.stdout.close()


class Worker(Process):
    """``python -m service.worker``: what is killed or stopped is the process that it keeps at work."""

    @property
    def pid(self) -> int:
        (pid,) = forked_by(self.popen.pid)
        return pid


def forked_by(parent: int) -> list[int]:
    """The processes that were forked from a server that has the application imported (service/__main__.py)."""
    servers = [c for c in psutil.Process(parent).children() if "forkserver" in " ".join(c.cmdline())]
    return [child.pid for server in servers for child in server.children()]
