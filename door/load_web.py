"""`gauntlet load --web`: Locust's own page, with scenario, faults and stages to choose, until Ctrl-C.

Read `loadtests/load/web.py` next: what happens behind it.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress

from door import configuration, laboratory, part, ports
from door.console import console
from door.errors import UsageError
from loadtests.conduct.places import LIVE, Places, check_loopback, profile_of
from loadtests.load import locustfile_path
from loadtests.load.job import PLACES

PORT_VARIABLE = "GAUNTLET_LOCUST_PORT"
PORT = 8089
END_WITHIN_S = 60.0
"""The last answers, the store, the stages, the books."""


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when a person ended it, else Locust's own. Raises UsageError, and what `laboratory.guarded` turns."""
    number = _port()
    with laboratory.site(args, lambda words: console().print(words, style="dim")) as site:
        places = site.places
        check_loopback(places.service)
        if profile_of(places.service) == LIVE:
            raise UsageError(
                "--web is not for the live profile: `gauntlet load SCENARIO --max-usd USD` bounds what it costs"
            )
        console().print(f"Locust's page: http://{ports.LOOPBACK}:{number}    the dashboard: {places.dashboard or '-'}")
        console().print("Ctrl-C ends it.", style="dim")
        return _served(places, number)


def _served(places: Places, number: int) -> int:
    told = {
        "home": str(places.home),
        "service": places.service,
        "simulator": places.simulator,
        "collector": places.collector,
        "admin_key": places.admin_key,
    }
    places.home.mkdir(parents=True, exist_ok=True)
    page = ["--web-host", ports.LOOPBACK, "--web-port", str(number), "--stop-timeout", "80"]
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "locust", "-f", str(locustfile_path()), *page],
        env={**os.environ, PLACES: json.dumps(told)},
        cwd=places.home,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=part.end_with_parent if sys.platform == "linux" else None,
    )
    stopping = laboratory.Stopping()
    try:
        while process.poll() is None and not stopping.asked:
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.2)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(END_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    return 0 if stopping.asked else process.returncode


def _port() -> int:
    given = configuration.effective(os.environ).get(PORT_VARIABLE) or str(PORT)
    if not (given.isascii() and given.isdigit() and int(given) <= 65_535):
        raise UsageError(f"{PORT_VARIABLE} is {given!r}; a port is a number from 0 (any free one) to 65535")
    number = int(given) or ports.free_port(())
    if ports.is_held(number):
        raise UsageError(f"port {number} is held; {PORT_VARIABLE} names another, 0 any free one")
    return number
