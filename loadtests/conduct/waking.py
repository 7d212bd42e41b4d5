"""Lets a paused process go on: when its time has come, when told to (SIGTERM), or when whoever paused it is gone.

A conductor that is killed with -9 while Valkey is paused could not let it go on, and nobody would guess why the store
hangs. So this runs beside it, as `python waking.py PID SECONDS PARENT [COMMAND ...]`, alone and without a package, so
that it is there within milliseconds. With a command that is what lets it go on. Read `victim.py` next: who starts it.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from types import FrameType

POLL_S = 0.02


def main(pid: int, pause_s: float, parent: int, *command: str) -> int:
    """Wait, then send SIGCONT; it does no harm to what runs already. 0, or the command's exit code."""
    until = time.monotonic() + pause_s
    told: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        told.append(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, note)
    while not told and time.monotonic() < until and os.getppid() == parent:
        time.sleep(POLL_S)
    if command:
        return subprocess.run(command, check=False).returncode  # noqa: S603 - what whoever paused it wrote down
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:]))
