"""A process that serves HTTP: it binds, says in one JSON line that it serves, and ends in order.

The collector and the pages are both such processes. Read `__main__.py` next, or `collector/__main__.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator

import uvicorn

BACKLOG = 1024


def port(text: str) -> int:
    """A port as argparse takes it. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdigit()) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"got {text!r}; expected a port from 0 (any free one) to 65535")
    return int(text)


def listen(host: str, number: int) -> socket.socket:
    """The socket to serve on. Raises OSError when the port is taken or the address is not ours."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, number))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def why_not(host: str, number: int, error: OSError, variable: str) -> str:
    """In words why `listen` failed, and what to do; `variable` moves the port."""
    what = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be bound ({error.strerror})"
    return f"port {host}:{number} {what}; end what holds it, or move ours with {variable}"


class Server(uvicorn.Server):
    """uvicorn's, which says when it serves and leaves the signals to `serve`."""

    ready: str

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to serve, then say so."""
        await super().startup(sockets)
        sys.stdout.write(self.ready + "\n")
        sys.stdout.flush()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn would end the process by the signal, once served; this one ends by itself with 0."""
        yield


async def serve(config: uvicorn.Config, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; prints `{"ready": true, "url": …, "pid": …}` once it does."""
    server = Server(config)
    host, number = listener.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{number}"
    server.ready = json.dumps({"ready": True, "url": url, "pid": os.getpid()})

    def end() -> None:
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for sent in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sent, end)
    await server.serve(sockets=[listener])
