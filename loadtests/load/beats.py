"""What a generator process says of itself twice a second: what it sent, what it could not, and how late it was.

A load generator that cannot keep up measures itself. So it tells, and such a run counts for nothing (DESIGN section 5).
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from loadtests.load.job import BEATS
from loadtests.verdict.evidence import LATE_MS

EVERY_S = 0.5


@dataclass(slots=True)
class Beat:
    """One process: `done` when all is sent and has ended, `broke` when its money is spent.

    `held`: not sent because there might not have been money enough for all that was under way.
    """

    process: int
    t: float = 0.0
    sent: int = 0
    ended: int = 0
    not_sent: int = 0
    held: int = 0
    late: int = 0
    latest_ms: float = 0.0
    busy: float = 0.0
    spent_nano_usd: int = 0
    done: bool = False
    broke: bool = False

    def lag(self, late_s: float, requests: int = 1) -> None:
        """So many requests went out so long after they were due."""
        self.latest_ms = max(self.latest_ms, late_s * 1000)
        self.late += requests * (late_s * 1000 > LATE_MS)


class Pulse:
    """Writes the beats of one process."""

    def __init__(self, folder: Path, process: int) -> None:
        self.beat = Beat(process)
        self._file = os.open(folder / BEATS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._began: tuple[float, float] | None = None

    def begin(self) -> None:
        """From the first time on its use of the processor counts."""
        self._began = self._began or (time.monotonic(), time.process_time())

    def write(self) -> None:
        """One line, in one write."""
        self.beat.t = time.time()
        if self._began is not None:
            wall, used = time.monotonic() - self._began[0], time.process_time() - self._began[1]
            self.beat.busy = used / wall if wall > 1 else 0.0
        os.write(self._file, orjson.dumps(self.beat) + b"\n")


class BeatReader:
    """The newest beat of each process."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / BEATS
        self._at = 0
        self.newest: dict[int, Beat] = {}

    def read(self) -> dict[int, Beat]:
        """By the process's number."""
        for line in self._lines():
            beat = Beat(**orjson.loads(line))
            self.newest[beat.process] = beat
        return self.newest

    def _lines(self) -> Iterator[bytes]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._at)
                for line in file:
                    if line.endswith(b"\n"):
                        self._at += len(line)
                        yield line
        except FileNotFoundError:
            return
