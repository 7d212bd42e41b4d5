"""`gauntlet books`: whether the three books of a run say the same (DESIGN section 5, "The books balance").

Here are the flags and the places only; what is compared and how is in `loadtests/books`. Read its `__init__.py` next.
"""

import argparse
import os
from collections.abc import Sequence

from door import home, running
from door.console import command_name, console
from door.flags import moment
from loadtests import books


def run(argv: Sequence[str]) -> int:
    """Exit code 0 when the books balance, 1 when something differs, 2 when they could not be judged."""
    flags = argparse.ArgumentParser(
        prog="gauntlet books",
        description="Compare what the client sent, what the service recorded and what the providers were asked.",
        epilog="exit code: 0 they balance, 1 something differs and nothing explains it, 2 they could not be judged",
    )
    which = flags.add_mutually_exclusive_group()
    which.add_argument("run", nargs="?", help="id of a run (default: the last one, else the last 15 minutes)")
    which.add_argument("--since", type=moment, metavar="TIME", help="the last 5m, 90s, 2h, or since @UNIX-SECONDS")
    flags.add_argument("--json", action="store_true", help="every line and every difference")
    flags.add_argument("--collector", metavar="URL", help="where the service's book is (default: of the running `up`)")
    flags.add_argument("--simulator", metavar="URL", help="whose ledger (default: of the running `up`)")
    args = flags.parse_args(argv)
    places = books.Places(
        home.find(os.environ),
        args.collector or running.url("collector", os.environ),
        args.simulator or running.url("simulator", os.environ),
        moved=bool(args.collector or args.simulator),
    )
    return books.balance(
        places, console(), run_id=args.run, since=args.since, as_json=args.json, command=command_name()
    )
