"""`gauntlet up --detach`: the same `up` in a session of its own, for notebooks and scripts. Read `down.py` next."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from door import home, processes, state
from door.console import command_name
from door.errors import DoorError
from door.greeting import GOODBYE
from door.part import Part
from door.plan import Plan

BOUND_S = 2 * Part.start_s + 10.0  # the service starts when Valkey is ready


def run(argv: Sequence[str], chosen: Plan) -> int:
    """Start `up` and leave it running; return when it is ready, or with what it said when it failed."""
    folder = chosen.home
    with home.hold(folder):  # whose log it is, too: another's stays where it is
        log = home.fresh_log(folder / home.LOGS, "up")
    told = {"GAUNTLET_HOME": str(folder)} | ({"GAUNTLET_CONFIG": str(chosen.config)} if chosen.config else {})
    with log.open("ab") as output:
        child = subprocess.Popen(  # noqa: S603  - ourselves again
            [sys.executable, "-m", "gauntlet", "up", *(word for word in argv if word != "--detach")],
            cwd=home.ROOT,
            env={**os.environ, **told},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    deadline = time.monotonic() + BOUND_S
    try:
        while child.poll() is None and not _is_ready(folder, child.pid):
            if time.monotonic() > deadline:
                raise DoorError(f"not ready within {BOUND_S:g} s; see {log.parent}, `{command_name()} down` ends it")
            time.sleep(processes.POLL_S)
    except KeyboardInterrupt:
        child.terminate()
        child.wait()
        raise
    said = log.read_text(errors="replace").rstrip()
    if child.poll() is not None:
        print(said, file=sys.stderr)
        return child.returncode or 1
    print(said.replace(GOODBYE, f"`{command_name()} down` ends everything."))
    return 0


def _is_ready(folder: Path, pid: int) -> bool:
    now = state.read(folder)
    return now is not None and now.ready and now.supervisor.pid == pid
