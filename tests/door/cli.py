"""Runs `gauntlet` as a person would, in a home and on ports of its own. Read `conftest.py` next."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from door import ports, state
from door.home import ROOT

BOUND_S = 100.0
UP = (sys.executable, "-m", "gauntlet", "up")
EVERY_PORT_FREE = {port.variable: "0" for port in ports.TABLE}


def environment(home: Path, **more: str) -> dict[str, str]:
    """The environment of a person who configured nothing but a home and free ports."""
    own = ("GAUNTLET_", "REDIS_URL", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "MAKE", "MFLAGS", "ARGS")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return {**clean, **EVERY_PORT_FREE, "GAUNTLET_HOME": str(home), "PYTHONUNBUFFERED": "1", **more}


def gauntlet(*words: str, env: Mapping[str, str], said: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run one verb to its end; `said` is what the person types."""
    return subprocess.run(
        [sys.executable, "-m", "gauntlet", *words],
        cwd=ROOT,
        env=env,
        input=said,
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        check=False,
    )


def eventually(holds: Callable[[], object], what: str, bound_s: float = BOUND_S) -> None:
    """Wait until `holds()` is true; fail with `what` after `bound_s` seconds."""
    deadline = time.monotonic() + bound_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {bound_s:g} s: {what}"
        time.sleep(0.02)


def lives(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Up:
    """A `gauntlet up` in the foreground, started by `command`; its output is in `output`."""

    def __init__(self, home: Path, *flags: str, command: Sequence[str] = UP, **more: str) -> None:
        self.home = home
        self.env = environment(home, **more)
        home.mkdir(parents=True, exist_ok=True)
        self._output = home.with_suffix(".out")
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, *flags],
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.pids: set[int] = set()
        self.urls: dict[str, str] = {}
        self.parts: dict[str, int] = {}

    @property
    def output(self) -> str:
        return self._output.read_text()

    def ready(self) -> "Up":
        """Wait until it says that it is up; notes every process that it runs."""
        eventually(lambda: self.process.poll() is not None or self._state_if_ready(), "up")
        assert self.process.poll() is None, self.output
        now = self._state_if_ready()
        assert now
        self.urls = dict(now.urls)
        self.parts = {part.name: part.pid for part in now.parts}
        self.pids = {child.pid for child in psutil.Process(self.process.pid).children(recursive=True)}
        return self

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal if it still runs; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(BOUND_S)

    def _state_if_ready(self) -> state.UpState | None:
        now = state.read(self.home)
        return now if now and now.ready else None

    def all_gone(self) -> bool:
        return not any(map(lives, self.pids))
