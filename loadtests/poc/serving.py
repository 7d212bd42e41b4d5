"""One worker: uvicorn that tells when it serves. Read `app.py` next: what it serves."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from .app import build
from .settings import BACKLOG, Poc


class _Server(uvicorn.Server):
    """Leaves SIGTERM its default: a process that blocks ends at once too."""

    def __init__(self, config: uvicorn.Config, tell: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell = tell

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._tell()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(poc: Poc, listener: socket.socket, tell: Callable[[], None]) -> None:
    """Serve until the process is killed; `tell` is called once it accepts connections."""
    # Critical: a traceback for each answer that failed would be all that one sees.
    config = uvicorn.Config(build(poc), access_log=False, log_level="critical", backlog=BACKLOG)
    _Server(config, tell).run(sockets=[listener])
