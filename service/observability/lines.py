"""Writing the log without ever waiting for its reader: one thread per process writes to standard error.

A reader that hangs (a pager, a shipper that is stuck) fills the pipe, and a write then blocks for ever. Here it blocks
a thread that nobody waits for; what does not fit the bounded queue is dropped and counted. Next: ``logs.py``.
"""

import os
import threading
from collections import deque

MOST_LINES = 20_000
STDERR = 2
END_WITHIN_S = 1.0


class Lines:
    """``put`` from any thread; lines come out in order. The thread starts with the first line of this process."""

    def __init__(self, descriptor: int = STDERR) -> None:
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()
        self._there = threading.Event()
        self._idle = threading.Event()
        self._starting = threading.Lock()
        self._pid = 0
        self.dropped = 0

    def put(self, line: bytes) -> None:
        """Leave a line, without its line feed; never waits."""
        if len(self._lines) >= MOST_LINES:
            self.dropped += 1
            return
        self._idle.clear()
        self._lines.append(line)
        if self._pid != os.getpid():  # the first line, or the first one after a fork, where no thread came along
            self._start()
        self._there.set()

    def _start(self) -> None:
        with self._starting:
            if self._pid != os.getpid():
                self._pid = os.getpid()
                threading.Thread(target=self._run, name="lines", daemon=True).start()

    def _run(self) -> None:
        while True:
            self._there.wait()
            self._there.clear()
            written = [self._lines.popleft() for _ in range(len(self._lines))]
            self._write(b"".join(part for line in written for part in (line, b"\n")))
            if not self._lines:
                self._idle.set()

    def _write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except OSError:  # nobody reads the log any more
                return

    def flush(self, within_s: float = END_WITHIN_S) -> None:
        """Wait until everything is written, for at most so long."""
        if self._pid == os.getpid():
            self._idle.wait(within_s)


LINES = Lines()
"""This process's."""
