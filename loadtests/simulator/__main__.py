"""`python -m loadtests.simulator`: the simulator as a process of its own (DESIGN section 5).

Prints one JSON line on stdout when every listener is up: `{"ready": true, "ports": {…}}`; logs go to stderr. SIGTERM
and SIGINT end it. Exit code 2: a port is held by someone else, or an argument is wrong. Read `simulator.py` next.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import resource
import signal
import sys

import orjson
import uvloop

from .listener import PortInUseError
from .simulator import HOUSES, Simulator
from .webhooks import DEFAULT_SECRET, Verifier

_DEFAULT_PORTS = {
    "control": 8100,
    "anthropic": 8101,
    "openai": 8102,
    "payments": 8103,
    "retrieval": 8104,
    "webhooks": 8105,
}
_VARIABLES = {house: f"GAUNTLET_{'SIMULATOR' if house == 'control' else house.upper()}_PORT" for house in HOUSES}

SECRET_VARIABLE = "GAUNTLET_WEBHOOKS__SECRET"  # noqa: S105 - a name
"""The service's own variable: whoever gives the service a secret gives it to its receiver. No flag, for those show in
the list of processes."""

MAX_FILES = 65_536
"""Open files that are asked for, one for each connection."""


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"got {text!r}; expected a port from 0 (any free one) to 65535")
    return int(text)


def _raise_file_limit() -> None:
    """Allow as many open connections as the system lets us: the usual limit of 1,024 is less than a load test opens."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return host, ports and seed from the command line, the environment and the defaults, in this order."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.simulator", description="The provider simulator.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--seed", type=int, default=7)
    for house in HOUSES:
        default = os.environ.get(_VARIABLES[house]) or str(_DEFAULT_PORTS[house])
        parser.add_argument(
            f"--{house}-port", type=_port, default=default, help=f"0: any free port; else ${_VARIABLES[house]}"
        )
    return parser.parse_args(arguments)


async def run(host: str, ports: dict[str, int], seed: int, webhook_secret: str = DEFAULT_SECRET) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stopped.set)
    try:
        async with Simulator(host, ports, seed, webhook_secret) as simulator:
            sys.stdout.write(orjson.dumps({"ready": True, "ports": simulator.ports}).decode() + "\n")
            sys.stdout.flush()
            await stopped.wait()
    except PortInUseError as error:
        sys.stderr.write(f"simulator: {error}\n")
        return 2
    return 0


def main() -> int:
    """Run the simulator; return the exit code."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    arguments = parse()
    _raise_file_limit()
    ports = {house: getattr(arguments, f"{house}_port") for house in HOUSES}
    secret = os.environ.get(SECRET_VARIABLE) or DEFAULT_SECRET
    try:
        Verifier(secret)
    except ValueError as error:
        sys.stderr.write(f"simulator: {SECRET_VARIABLE}: {error}\n")
        return 2
    return uvloop.run(run(arguments.host, ports, arguments.seed, secret))


if __name__ == "__main__":
    sys.exit(main())
