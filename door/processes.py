"""Questions to the operating system: does a process of ours live, what is left of a group, how to end it.

Every part leads a process group of its own, and everything is ended by that group's id, never by a name.
Read `supervisor.py` next.
"""

import os
import signal
import time
from collections.abc import Callable

import psutil

from door.state import ProcessName

SAME_START_S = 2.0
"""Two readings of one process's start differ by less: psutil derives it from the boot time, which the clock moves."""

POLL_S = 0.05


def name_of(name: str, pid: int) -> ProcessName:
    """Name a live process by pid and start time. Raises psutil.NoSuchProcess when it is gone."""
    return ProcessName(name, pid, psutil.Process(pid).create_time())


def is_alive(process: ProcessName) -> bool:
    """Whether exactly this process runs (a zombie does not)."""
    try:
        found = psutil.Process(process.pid)
        same = abs(found.create_time() - process.started_s) < SAME_START_S
        return same and found.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def group_members(leader: ProcessName) -> list[int]:
    """The pids that live in the group which `leader` led, whether or not it still lives itself.

    A group keeps its number while any member lives. Members that started before the leader are a stranger's.
    """
    members = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) != leader.pid or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if process.pid == leader.pid and not is_alive(leader):
                return []  # the number was given to a stranger
            if process.create_time() > leader.started_s - SAME_START_S:
                members.append(process.pid)
        except (psutil.Error, ProcessLookupError, PermissionError):
            continue
    return members


def end_group(leader: ProcessName, stop_s: float, reap: Callable[[], object] = lambda: None) -> bool:
    """TERM the group, KILL what is left after `stop_s` seconds; True when it ended without KILL.

    `reap` is called while waiting: a dead child of ours counts as alive until somebody asked for its exit code.
    """
    polite = True
    for number, bound_s in ((signal.SIGTERM, stop_s), (signal.SIGKILL, 5.0)):
        if not group_members(leader):
            break
        polite = number == signal.SIGTERM
        _signal_group(leader.pid, number)
        _signal_group(leader.pid, signal.SIGCONT)  # who was paused acts on TERM only when it goes on
        deadline = time.monotonic() + bound_s
        while time.monotonic() < deadline:
            reap()
            if not _group_exists(leader.pid) or not group_members(leader):
                break
            time.sleep(POLL_S)
    reap()
    return polite


def wait_gone(process: ProcessName, bound_s: float) -> bool:
    """Whether the process ended within `bound_s` seconds."""
    deadline = time.monotonic() + bound_s
    while is_alive(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def _signal_group(group: int, number: signal.Signals | int) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        return False
    return True


def _group_exists(group: int) -> bool:
    return _signal_group(group, 0)
