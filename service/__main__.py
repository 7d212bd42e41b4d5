"""``python -m service``: uvicorn with the configured workers on one port; says in one JSON line when it serves.

Exit code 2 for a configuration that cannot be used or a port that is taken. Next: ``app.py``.
"""

import argparse
import errno
import json
import os
import socket
import sys
import time
from typing import Any, NoReturn

import uvicorn
import uvicorn._subprocess
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from .listener import BACKLOG, listen
from .observability import logs
from .preload import forkserver
from .settings import ConfigurationError, Settings, load, provider_key

START_WITHIN_S = 60.0
READY_WITHIN_S = 0.5
"""A worker that does not answer in this time is asked again; it may still be starting."""


def main() -> None:
    """Parse flags (they win over environment and file), check the configuration, serve."""
    parser = argparse.ArgumentParser(prog="python -m service", description="Gauntlet's chat service")
    parser.add_argument("--host", help="address to bind (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port; 0 takes a free one (default 8000)")
    parser.add_argument("--workers", type=int, help="worker processes (default 2)")
    given = {
        name: value
        for name, value in zip(("service_host", "service_port", "workers"), _flags(parser), strict=True)
        if value is not None
    }
    try:
        settings = load(**given)
        for variable in settings.key_variables:
            provider_key(settings, variable)
    except ConfigurationError as error:
        _give_up(f"the configuration cannot be used:\n{error}")
    logs.set_up()
    serve(settings, _listen(settings))


def _flags(parser: argparse.ArgumentParser) -> tuple[Any, Any, Any]:
    flags = parser.parse_args()
    return flags.host, flags.port, flags.workers


def _listen(settings: Settings) -> list[socket.socket]:
    try:
        return listen(settings.service_host, settings.service_port)
    except OSError as error:
        where = f"{settings.service_host}:{settings.service_port}"
        what = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be bound ({error.strerror})"
        _give_up(f"port {where} {what}; end what holds it, or move the service with GAUNTLET_SERVICE_PORT")


def serve(settings: Settings, listeners: list[socket.socket]) -> None:
    """Run the workers until told to end; prints the ready line once all of them serve."""
    host, port = listeners[0].getsockname()[:2]
    ready = {
        "ready": True,
        "url": f"http://{f'[{host}]' if ':' in host else host}:{port}",
        "workers": settings.workers,
        "pid": os.getpid(),
    }
    config = uvicorn.Config(
        "service.app:worker_app",
        factory=True,
        workers=settings.workers,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        backlog=BACKLOG,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=round(settings.drain_s),
        timeout_keep_alive=75,
    )
    _import_once(settings)
    supervisor = _Supervisor(config, listeners, ready)
    supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        _give_up("a worker could not start; its log lines above say why")


class _Supervisor(Multiprocess):
    """uvicorn's, which prints the ``ready`` line once all workers serve, and on SIGTERM closes its own sockets.

    Where the workers share them, connections that come while they drain would else wait in their backlogs for nobody.
    A worker that starts slowly is not one that hangs, so uvicorn's health checks begin when all serve. And whether they
    do is asked in uvicorn's own loop: two threads that ask one worker take each other's answer, and one waits for ever.
    """

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket], ready: dict[str, Any]) -> None:
        super().__init__(config, sockets)
        self._ready: dict[str, Any] | None = ready
        self._until_s = time.monotonic() + START_WITHIN_S

    def keep_subprocess_alive(self) -> None:
        if self._ready is not None:
            if all(process.is_ready(READY_WITHIN_S) for process in self.processes):
                print(json.dumps(self._ready), flush=True)
                self._ready = None
            elif time.monotonic() < self._until_s and all(process.process.is_alive() for process in self.processes):
                return
        super().keep_subprocess_alive()

    def handle_term(self) -> None:
        self._close()
        super().handle_term()

    def handle_int(self) -> None:
        self._close()
        super().handle_int()

    def _close(self) -> None:
        for listener in self.sockets:
            listener.close()


def _import_once(settings: Settings) -> None:
    """Fork the workers from a server that has imported what they need (the SDKs alone take seconds to import).

    uvicorn has no setting for its start method; a test holds that this still reaches it.
    """
    langfuse = ["service.observability.langfuse"] if settings.langfuse_public_key is not None else []
    uvicorn._subprocess.spawn = forkserver(settings, "service.app", *langfuse)  # type: ignore[assignment]  # noqa: SLF001 - see above


def _give_up(message: str) -> NoReturn:
    print(f"gauntlet service: {message}", file=sys.stderr, flush=True)
    sys.exit(2)


if __name__ == "__main__":
    main()
