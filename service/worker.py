"""``python -m service.worker``: keeps a process at work on the queue; says in one JSON line when it works.

A worker that is killed is followed by another at once: it is forked from a server that has imported what it needs, as
the HTTP workers are (``__main__.py``), since the imports alone take seconds. Next: ``working.py``.
"""

import json
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from types import FrameType

from .observability import logs
from .preload import forkserver
from .settings import ConfigurationError, load, provider_key

NOT_BUILT = 3
"""Exit code of a worker that could not be built: the next one could not be either."""
REST_S = 1.0
"""Between the beginnings of workers that keep ending."""


def main() -> None:
    """Check the configuration, then keep a worker until SIGTERM. Exit code 2 for one that cannot be used."""
    try:
        settings = load()
        for variable in settings.key_variables:
            provider_key(settings, variable)
    except ConfigurationError as error:
        print(f"gauntlet worker: the configuration cannot be used:\n{error}", file=sys.stderr, flush=True)
        sys.exit(2)
    logs.set_up()
    agent = ["service.tracks.agent_track"] if settings.has_agent else []
    sys.exit(Keeper(forkserver(settings, "service.working", *agent)).run())


def _work(ready: Connection) -> None:
    """In the process that is kept. This one imports nothing of it, or it would take as much memory."""
    from .working import NotBuilt, work

    try:
        work(ready)
    except NotBuilt:
        sys.exit(NOT_BUILT)


class Keeper:
    """Keeps one process at work."""

    def __init__(self, context: ForkServerContext) -> None:
        self._context = context
        self._told = False
        self._ending = threading.Event()
        self._process: BaseProcess | None = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)

    def run(self) -> int:
        """Until told to end, or until a worker cannot be built; the exit code."""
        while not self._ending.is_set():
            began_s = time.monotonic()
            ready, heard = self._context.Pipe(duplex=False)
            process = self._process = self._context.Process(target=_work, args=(heard,), name="worker")
            process.start()
            heard.close()
            if self._ending.is_set():
                process.terminate()
            self._wait(ready, process)
            if process.exitcode == NOT_BUILT:
                return NOT_BUILT
            if not self._ending.is_set():
                self._ending.wait(max(0.0, began_s + REST_S - time.monotonic()))
        return 0

    def _wait(self, ready: Connection, process: BaseProcess) -> None:
        """Say once that the first one works; return when this one is gone.

        Its end of the pipe is closed by its death alone; the server that forked it, of which the end is usually heard,
        may be told to end before it.
        """
        with ready, suppress(EOFError):
            ready.recv()
            if not self._told:
                print(json.dumps({"ready": True, "pid": os.getpid(), "worker": process.pid}), flush=True)
                self._told = True
            ready.recv()
        process.join()

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._ending.set()
        process = self._process
        if process is not None and process.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)


if __name__ == "__main__":
    main()
