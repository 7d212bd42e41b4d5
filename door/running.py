"""What runs: where a part is reached, which processes there are. Read `state.py` next: what is written down of it.

`up` and `workbench.py` write the same file into their home, so whoever looks need not care which of the two it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from door import configuration, home, ports, processes, state
from door.console import command_name
from door.errors import DoorError

WORKBENCH = "workbench"
"""What the process calls itself that supervises a private workbench; `gauntlet down` does not end it."""


def url(name: str, environ: Mapping[str, str]) -> str:
    """The base URL of a port of the table. Raises UsageError when the environment names no port."""
    up = state.read(home.find(environ))
    if up and name in up.urls:
        return up.urls[name]
    return f"http://{ports.LOOPBACK}:{ports.resolve({}, configuration.effective(environ))[name]}"


@dataclass(slots=True)
class Lab:
    """All parts, running: `urls` is port name -> URL; what changes meanwhile is looked up when it is asked for."""

    home: Path
    urls: Mapping[str, str]

    def store_pid(self) -> int | None:
        """The pid of the Valkey that lives now; None while there is none, or when it is a Redis of one's own."""
        return self._pid("valkey")

    def queue_worker_pid(self) -> int | None:
        """The pid of the process that works through the queue; None while there is none."""
        return next(iter(self._forked("worker")), None)

    def worker_pids(self) -> list[int]:
        """The pids of the service's workers that live now."""
        return self._forked("service")

    @property
    def failure(self) -> DoorError | None:
        """Why it is no whole workbench any more: who ended, for good."""
        now = state.read(self.home)
        if now is None or not processes.is_alive(now.supervisor):
            return DoorError(f"the workbench of {self.home} has ended")
        return None

    def _forked(self, part: str) -> list[int]:
        """The pids of the processes that do a part's work: forked from a server that has the application imported
        (service/__main__.py, service/worker.py).
        """
        leader = self._pid(part)
        try:
            for child in psutil.Process(leader).children() if leader else ():
                if "forkserver" in " ".join(child.cmdline()):
                    forked = child.children()
                    return [one.pid for one in forked if one.status() != psutil.STATUS_ZOMBIE]
        except psutil.NoSuchProcess:
            pass  # it ended while we looked
        return []

    def _pid(self, part: str) -> int | None:
        now = state.read(self.home)
        named = (process for process in (now.parts if now else ()) if process.name == part)
        return next((process.pid for process in named if processes.is_alive(process)), None)


def lab(environ: Mapping[str, str]) -> Lab | None:
    """The running `gauntlet up` of this environment; None when none runs, or not all of it yet."""
    folder = home.find(environ)
    now = state.read(folder)
    if now is None or not now.ready or not processes.is_alive(now.supervisor):
        return None
    return Lab(folder, now.urls)


def refuse_leftovers(folder: Path) -> None:
    """Raises DoorError while parts live in this home whose supervisor was killed: they would share state and ports."""
    left = state.read(folder)
    names = [part.name for part in left.parts if processes.group_members(part)] if left else []
    if names:
        raise DoorError(f"{', '.join(names)} of an earlier up still run; `{command_name()} down` ends them")
