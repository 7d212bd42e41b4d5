"""Who watches the event loop: a thread that notices when the learner's code keeps it for itself, and where.

Lateness alone says nothing on a busy machine. So a look counts only when the loop is late, the main thread stands in
the learner's file, and it runs or waits there, rather than being held back by the machine; a thread that is held back
itself looks less often, and accuses nobody. Read `child.py` next.
"""

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from .learner import Learner

LOOK_S = 0.05
BLOCKED_LOOKS = 8
"""0.4 s in the learner's file without a turn of the loop: blocked."""
ENDLESS_LOOKS = 100
"""5 s of it: it will not come back by itself."""


class Watch:
    """While the block runs: `blocked` is the line that held the loop; `endless(line)` hears of one that stays."""

    def __init__(self, learner: Learner, endless: Callable[[str], None]) -> None:
        self.blocked = ""
        self._learner, self._endless = learner, endless
        self._main, self._tid = threading.get_ident(), threading.get_native_id()
        self._beats = 0
        self._over = threading.Event()
        self._beat: asyncio.TimerHandle | None = None
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)

    def __enter__(self) -> "Watch":
        self._turn()
        self._thread.start()
        return self

    def __exit__(self, *how: object) -> None:
        self._over.set()
        if self._beat is not None:
            self._beat.cancel()
        self._thread.join()

    def _turn(self) -> None:
        self._beats += 1
        self._beat = asyncio.get_running_loop().call_later(LOOK_S / 2, self._turn)

    def _look(self) -> None:
        seen, late, held, ran_s = self._beats, 0, 0.0, _ran_s(self._main)
        while not self._over.wait(LOOK_S):
            before_s, ran_s = ran_s, _ran_s(self._main)
            if self._beats != seen:
                seen, late, held = self._beats, 0, 0.0
                continue
            # one that is ready and was not let run is held back by the machine: only what it had counts
            look = min(1.0, (ran_s - before_s) / LOOK_S) if _is_ready(self._tid) else 1.0
            line = self._learner.line_in(_stack(sys._current_frames().get(self._main)))  # noqa: SLF001 - the only way
            late, held = (late + 1, held + look) if line else (0, 0.0)
            if held >= BLOCKED_LOOKS and not self.blocked:
                self.blocked = line
            if late == ENDLESS_LOOKS:
                self._endless(line)


def _ran_s(thread: int) -> float:
    """The processor's time that a thread has had, in seconds; 0 where the system does not say (macOS)."""
    clock_of = getattr(time, "pthread_getcpuclockid", None)
    return time.clock_gettime(clock_of(thread)) if clock_of is not None else 0.0


def _is_ready(tid: int) -> bool:
    """Whether a thread could run, and does not wait for anything; where only Linux says so, False elsewhere."""
    try:
        return Path(f"/proc/self/task/{tid}/stat").read_text().rpartition(")")[2].split()[0] == "R"
    except (OSError, IndexError):
        return False


def _stack(frame: FrameType | None) -> list[FrameType]:
    """From the outermost to the innermost."""
    return [one for one, _ in traceback.walk_stack(frame)][::-1]
