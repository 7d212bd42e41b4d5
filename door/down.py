"""`gauntlet down`: end the running `up`, and whatever a killed one left behind. Read `processes.py` next."""

import argparse
import os
import signal
from collections.abc import Sequence

from door import home, processes, running, state
from door.errors import DoorError
from door.part import Part

STOP_S = Part.stop_s


def run(argv: Sequence[str]) -> int:
    """Exit code 0 when nothing of ours runs any more. Raises DoorError when something cannot be ended."""
    argparse.ArgumentParser(prog="gauntlet down", description="End what `gauntlet up` started.").parse_args(argv)
    folder = home.find(os.environ)
    up = state.read(folder)
    if up is None:
        print("nothing is up")
        return 0
    if processes.is_alive(up.supervisor):
        if up.supervisor.name == running.WORKBENCH:
            raise DoorError(f"a workbench of pid {up.supervisor.pid} runs in {folder}; it ends with that process")
        os.kill(up.supervisor.pid, signal.SIGTERM)
        bound_s = STOP_S * (len(up.parts) + 1)
        if not processes.wait_gone(up.supervisor, bound_s):
            raise DoorError(f"pid {up.supervisor.pid} did not end within {bound_s:g} s; end it with kill -9")
        print("ended")
    leftovers = [part for part in reversed(up.parts) if processes.group_members(part)]
    for part in leftovers:
        processes.end_group(part, STOP_S)
        print(f"ended {part.name} (pid {part.pid}), which an `up` that was killed had left")
    stuck = [part for part in leftovers if processes.group_members(part)]
    if stuck:
        raise DoorError("could not end " + ", ".join(f"{part.name} (pid {part.pid})" for part in stuck))
    state.clear(folder)
    return 0
