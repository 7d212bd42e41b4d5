"""One pinned process of the benchmark: start it, wait for its ready line, read its cost, end it by its id.

Read `rig.py` next: which processes there are.
"""

import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
READY_WITHIN_S = 30.0
END_WITHIN_S = 15.0
POLL_S = 0.05
LOG_TAIL_LINES = 6


class DidNotStartError(Exception):
    """A process ended, or stayed silent, before it served. The message ends with the last lines of its log."""


def split_cpus() -> tuple[list[int], list[int]]:
    """CPUs for the process under test (the first one) and for everything else (the others).

    Both are empty, which means "not pinned", where the system cannot pin or has a single CPU.
    """
    cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return (cpus[:1], cpus[1:]) if len(cpus) > 1 else ([], [])


def pin(pid: int, cpus: Sequence[int]) -> None:
    """Bind a process, and what it starts from now on, to these CPUs; nothing when there are none."""
    if cpus:
        os.sched_setaffinity(pid, cpus)


def own_environment() -> dict[str, str]:
    """The environment without proxies, keys and settings of the user: none may change what is measured."""
    foreign = ("ANTHROPIC_", "OPENAI_", "GAUNTLET_", "OTEL_")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and not name.startswith(foreign)
    }


def parse_ready_line(output: str) -> dict[str, Any] | None:
    """The first JSON object in these lines that says `"ready": true`; None when there is none yet."""
    for line in output.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict) and value.get("ready") is True:
            return value
    return None


class Process:
    """A child process with its logs in files, in a session of its own: the terminal's Ctrl-C does not reach it."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], cpus: Sequence[int], logs: Path
    ) -> None:
        self.name = name
        self._output, self._log = logs / f"{name}.out", logs / f"{name}.log"
        with self._output.open("wb") as output, self._log.open("wb") as log:
            self._child = subprocess.Popen(  # noqa: S603 - the commands are our own
                command,
                env={**own_environment(), **environment},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                start_new_session=True,
            )
        pin(self._child.pid, cpus)

    @property
    def pid(self) -> int:
        """The id of the process that was started; its workers are children."""
        return self._child.pid

    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self._child.poll() is None

    def wait_ready(self) -> dict[str, Any]:
        """Wait for the ready line on stdout and return it.

        Raises:
            DidNotStartError: It ended, or said nothing for `READY_WITHIN_S`.
        """
        deadline_s = time.monotonic() + READY_WITHIN_S
        while self.is_running() and time.monotonic() < deadline_s:
            ready = parse_ready_line(self._output.read_text())
            if ready is not None:
                return ready
            time.sleep(POLL_S)
        raise DidNotStartError(self.why())

    def why(self) -> str:
        """How the process stands, with the last lines of its log."""
        state = "is running but not ready" if self.is_running() else f"ended with status {self._child.returncode}"
        tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])
        return f"{self.name} {state}; the end of its log:\n{tail or '(empty)'}"

    def _tree(self) -> list[psutil.Process]:
        try:
            root = psutil.Process(self.pid)
            return [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def cpu_s(self) -> float:
        """User and system time of the process and its children so far, in seconds."""
        total_s = 0.0
        for process in self._tree():
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total_s += times.user + times.system
        return total_s

    def rss_bytes(self) -> int:
        """Resident memory of the process and its children."""
        total = 0
        for process in self._tree():
            try:
                total += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        return total

    def kill(self) -> None:
        """End it at once, without a chance to clean up."""
        self._child.kill()
        self._child.wait()

    def end(self) -> None:
        """End it and its children: politely, and after `END_WITHIN_S` by force. Does nothing when it has ended."""
        tree = self._tree() if self.is_running() else []
        if not tree:
            return
        self._child.terminate()
        try:
            self._child.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        for process in tree[1:]:
            if process.is_running():
                process.kill()
