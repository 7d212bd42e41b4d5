"""`python -m dashboard.collector`: the collector as a process (docs/telemetry.md).

Prints one JSON line on stdout when it serves: `{"ready": true, "url": …, "pid": …}`; logs go to stderr. SIGTERM and
SIGINT end it, with everything that was accepted on the disk. Exit code 2: an argument is wrong, or the port or the
data is another's. Read `app.py` next.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import resource
import sys
from pathlib import Path

import uvicorn
import uvloop

from .. import serving
from .app import App
from .otlp import Receiver
from .query import Queries
from .settings import MIB, Settings
from .status import Status
from .store import LockedError, Store
from .writer import Writer

GARBAGE = 100_000
"""Containers made between two looks of the garbage collector (Python's default is 700)."""

OTHER_BYTES = 3072 * MIB
"""Memory for all but DuckDB's pages: Python, what waits to be committed, results on their way."""

GRACE_S = 5
"""Requests in flight may take this long once a signal has come."""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return address, folder and bounds from the command line, the environment and the defaults, in this order."""
    usual = Settings()
    parser = argparse.ArgumentParser(prog="python -m dashboard.collector", description="The OTLP collector.")
    parser.add_argument("--host", default="127.0.0.1", help="address to bind (default 127.0.0.1)")
    port = os.environ.get("GAUNTLET_COLLECTOR_PORT") or "4318"
    parser.add_argument(
        "--port", type=serving.port, default=port, help="0: any free one; default $GAUNTLET_COLLECTOR_PORT, 4318"
    )
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="where the database is kept")
    for flag, default, unit in (
        ("--retention-hours", usual.retention_s / 3600, "h that a row is kept"),
        ("--retention-mib", usual.retention_bytes / MIB, "MiB of database beyond which the oldest rows go"),
        ("--memory-mib", usual.memory_bytes / MIB, "MiB that DuckDB may take"),
        ("--buffer-mib", usual.buffer_bytes / MIB, "MiB that may wait to be committed"),
        ("--query-seconds", usual.query_s, "s that a query may take"),
    ):
        parser.add_argument(flag, type=_amount, default=default, metavar="N", help=f"{unit} (default {default:g})")
    parser.add_argument("--threads", type=_threads, default=usual.threads, metavar="N", help="threads of DuckDB")
    return parser.parse_args(arguments)


def _amount(text: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        amount = 0.0
    if not 0 < amount < 1e9:
        raise argparse.ArgumentTypeError(f"got {text!r}; expected a number above 0")
    return amount


def _threads(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= 256:
        raise argparse.ArgumentTypeError(f"got {text!r}; expected a number from 1 to 256")
    return int(text)


def settings_of(given: argparse.Namespace) -> Settings:
    """The bounds that the command line asks for."""
    return Settings(
        retention_s=given.retention_hours * 3600,
        retention_bytes=int(given.retention_mib * MIB),
        memory_bytes=int(given.memory_mib * MIB),
        buffer_bytes=int(given.buffer_mib * MIB),
        query_s=given.query_seconds,
        threads=given.threads,
    )


def limit_memory(settings: Settings) -> None:
    """Let the kernel refuse what DuckDB does not count: `repeat('x', 4000000000)` then fails, and alone."""
    if sys.platform == "linux":
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = settings.memory_bytes + OTHER_BYTES
        resource.setrlimit(
            resource.RLIMIT_DATA, (wanted if hard == resource.RLIM_INFINITY else min(hard, wanted), hard)
        )


def served(app: App) -> uvicorn.Config:
    """The app as uvicorn takes it."""
    return uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        backlog=serving.BACKLOG,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE_S,
    )


def main() -> int:
    """Run the collector; return the exit code."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    given = parse()
    settings = settings_of(given)
    limit_memory(settings)
    try:
        listener = serving.listen(given.host, given.port)
    except OSError as error:
        return _give_up(serving.why_not(given.host, given.port, error, "GAUNTLET_COLLECTOR_PORT"))
    with listener:
        try:
            store = Store(given.data, settings)
        except LockedError as error:
            return _give_up(str(error))
        writer = Writer(store, settings)
        receiver, queries = Receiver(writer, settings), Queries(store, settings)
        app = App(receiver, queries, Status(receiver, writer, queries, settings), settings, given.host)
        # What is imported stays, and rows hold no cycles: the garbage collector would look at both in vain, and often.
        gc.freeze()
        gc.set_threshold(GARBAGE)
        try:
            uvloop.run(serving.serve(served(app), listener))
        finally:
            writer.close()
            queries.close()
            store.close()
    return 0


def _give_up(why: str) -> int:
    sys.stderr.write(f"collector: {why}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
