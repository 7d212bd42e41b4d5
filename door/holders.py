"""Who holds a port: one of our parts, or a stranger with pid and command. Read `doctor.py` next."""

import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psutil

from door import ports
from door.state import UpState

COMMAND_CHARS = 70


@dataclass(frozen=True)
class Holder:
    """The process that listens on a port; `part` names it when it is ours. `pid` is None when the system hides it."""

    port: ports.Port
    number: int
    pid: int | None
    command: str
    part: str | None

    def __str__(self) -> str:
        """One line for a person."""
        if self.pid is None:
            who = "a process that this user may not see (another user's, or a container's)"
        else:
            who = f"pid {self.pid}: {self.command}"
            if self.part:
                who = f"our {self.part}, {who}"
        return f"port {self.number} ({self.port.name}) is held by {who}"


def held(numbers: Mapping[str, int], state: UpState | None) -> list[Holder]:
    """A holder for each port of `numbers` (name -> number) that is not free."""
    wanted = [(port, numbers[port.name]) for port in ports.TABLE if port.name in numbers]
    busy = [(port, number) for port, number in wanted if ports.is_held(number)]
    listeners = _listeners() if busy else {}
    return [_holder(port, number, listeners.get(number), state) for port, number in busy]


def _holder(port: ports.Port, number: int, pid: int | None, state: UpState | None) -> Holder:
    command, part = "", None
    if pid is not None:
        try:
            command = " ".join(shlex.join(psutil.Process(pid).cmdline()).split())
            part = _part_of(pid, state)
        except (psutil.Error, ProcessLookupError):
            pid = None
    if len(command) > COMMAND_CHARS:
        command = command[: COMMAND_CHARS - 1] + "…"
    return Holder(port, number, pid, command, part)


def _part_of(pid: int, state: UpState | None) -> str | None:
    group = os.getpgid(pid)
    return next((part.name for part in (state.parts if state else ()) if part.pid == group), None)


def _listeners() -> dict[int, int]:
    """Port -> pid of every listener that this user may see."""
    try:
        connections: Iterable[tuple[object, int | None]] = [(c, c.pid) for c in psutil.net_connections("tcp")]
    except psutil.AccessDenied:  # macOS shows the whole list to root only, but each own process to its user
        connections = _own_connections()
    return {
        connection.laddr.port: pid  # type: ignore[attr-defined]
        for connection, pid in connections
        if pid is not None and connection.status == psutil.CONN_LISTEN  # type: ignore[attr-defined]
    }


def _own_connections() -> list[tuple[object, int | None]]:
    found: list[tuple[object, int | None]] = []
    for process in psutil.process_iter():
        try:
            found += [(connection, process.pid) for connection in process.net_connections("tcp")]
        except psutil.Error:
            continue
    return found
