"""`python -m dashboard`: the pages as a process on loopback.

Prints one JSON line on stdout when it serves: `{"ready": true, "url": …, "pid": …}`; logs go to stderr. SIGTERM and
SIGINT end it. Exit code 2: an argument is wrong, or the port is another's. Read `main.py` next.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import logging
import os
import sys
from importlib import import_module
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import streamlit as st
import uvicorn
from streamlit import config, net_util

from . import serving, settings
from .look import palette

SCRIPT = Path(__file__).parent / "main.py"
PRELOADED = ("dashboard.views", "dashboard.control.sidebar")
"""What the script imports, imported before the first page is asked for."""
M_ARENA_MAX = -8  # <malloc.h>
ARENAS = 2
GRACE_S = 1
"""Open pages hold their connection; they are left after this time."""

HOSTS = "GAUNTLET_DASHBOARD_HOSTS"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""A foreign site can point a name of its own at us, but it cannot have one of these."""

OPTIONS = {
    "server.headless": True,
    "server.showEmailPrompt": False,
    "server.fileWatcherType": "none",
    "server.runOnSave": False,
    "runner.magicEnabled": False,
    "browser.gatherUsageStats": False,
    "client.toolbarMode": "viewer",
    "client.showErrorDetails": "none",
    "logger.level": "warning",
    "theme.light.primaryColor": palette.BLUE,
    "theme.dark.primaryColor": palette.SKY,
    "theme.baseFontSize": 15,
}
"""Nothing goes out to the world, no file is watched, and no page shows a stack trace."""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Address and URLs from the command line, the environment and the defaults, in this order."""
    usual = settings.of(os.environ)
    parser = argparse.ArgumentParser(prog="python -m dashboard", description="The dashboard.")
    parser.add_argument("--host", default="127.0.0.1", help="address to bind (default 127.0.0.1)")
    port = os.environ.get("GAUNTLET_DASHBOARD_PORT") or "8501"
    parser.add_argument(
        "--port", type=serving.port, default=port, help="0: any free one; default $GAUNTLET_DASHBOARD_PORT, 8501"
    )
    parser.add_argument("--collector", default=usual.collector, metavar="URL", help="default %(default)s")
    parser.add_argument("--service", default=usual.service, metavar="URL", help="default %(default)s")
    parser.add_argument("--simulator", default=usual.simulator, metavar="URL", help="default %(default)s")
    parser.add_argument("--runs", type=Path, default=usual.runs, metavar="FOLDER", help="default %(default)s")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[name for name in (os.environ.get(HOSTS) or "").split(",") if name],
        metavar="NAME",
        help=f"name under which a proxy shows the pages, beside {', '.join(LOOPBACK)} (or ${HOSTS}, with commas)",
    )
    return parser.parse_args(arguments)


def failed(error: Exception) -> bool:
    """What a page says when our own code fails; the stack is in the log."""
    logging.getLogger("dashboard").exception("a page failed", exc_info=error)
    st.error(
        f"**This page failed** ({type(error).__name__}); that is a defect of the dashboard, not of what it watches. "
        "The dashboard's log has the details; reload the page to go on.",
        icon=":material/bug_report:",
    )
    return True


def ask_nobody_outside() -> None:
    """Streamlit would ask a server on the internet for our address, to know more names for us: we have none."""
    net_util._external_ip = net_util._internal_ip = LOOPBACK[1]  # noqa: SLF001 - there is no setting for it


def keep_memory_together() -> None:
    """Let glibc use few arenas, and Arrow glibc: each run of a script is a thread that leaves holes behind."""
    pa.set_memory_pool(pa.system_memory_pool())
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(M_ARENA_MAX, ARENAS)


def served() -> uvicorn.Config:
    """The pages as uvicorn takes them."""
    return uvicorn.Config(
        st.App(SCRIPT, on_script_error=failed),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )


def main() -> int:
    """Run the dashboard; return the exit code."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    given = parse()
    keep_memory_together()
    ask_nobody_outside()
    os.environ[settings.COLLECTOR_URL] = given.collector
    os.environ[settings.SERVICE_URL] = given.service
    os.environ[settings.SIMULATOR_URL] = given.simulator
    os.environ[settings.RUNS] = str(given.runs)
    try:
        listener = serving.listen(given.host, given.port)
    except OSError as error:
        sys.stderr.write(f"dashboard: {serving.why_not(given.host, given.port, error, 'GAUNTLET_DASHBOARD_PORT')}\n")
        return 2
    with listener:
        options = {
            **OPTIONS,
            "server.address": given.host,
            "server.port": listener.getsockname()[1],
            "server.allowedHosts": [*LOOPBACK, *given.allow_host],
        }
        for name, value in options.items():
            config.set_option(name, value)
        for name in PRELOADED:
            import_module(name)
        # Streamlit collects garbage after each run of a script: what is imported stays, and need not be looked through.
        gc.collect()
        gc.freeze()
        asyncio.run(serving.serve(served(), listener))
    return 0


if __name__ == "__main__":
    sys.exit(main())
