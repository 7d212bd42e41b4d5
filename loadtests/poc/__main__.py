"""`python -m loadtests.poc`: reads the command line and serves. Read `settings.py` next."""

import argparse
import math
from typing import NoReturn

from .processes import run
from .settings import WORKERS, Poc

PORT = 8001


def main(words: list[str] | None = None) -> NoReturn:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.poc", description="The chapter's proof of concept.")
    parser.add_argument("form", choices=("sync", "blocking"))
    parser.add_argument("--upstream", required=True, help="the provider's URL, such as http://127.0.0.1:8101")
    parser.add_argument("--port", type=int, default=PORT, help=f"0: a free one (default {PORT})")
    parser.add_argument("--workers", type=int, default=WORKERS, help=f"threads, or processes (default {WORKERS})")
    parser.add_argument("--timeout-s", type=float, help="of the SDK, for each attempt (default: the SDK's, 600)")
    parser.add_argument("--max-retries", type=int, help="of the SDK (default: the SDK's, 2)")
    parser.add_argument("--payments", help="the payments provider's URL; without one there is no /refund")
    given = parser.parse_args(words)
    if given.workers < 1:
        parser.error(f"--workers must be at least 1, but it is {given.workers}")
    if given.timeout_s is not None and not 0 < given.timeout_s < math.inf:
        parser.error(f"--timeout-s must be a number of seconds above 0, but it is {given.timeout_s:g}")
    if given.max_retries is not None and given.max_retries < 0:
        parser.error(f"--max-retries must be at least 0, but it is {given.max_retries}")
    if not 0 <= given.port <= 65535:
        parser.error(f"--port must be from 0 (a free one) to 65535, but it is {given.port}")
    run(Poc(given.form, given.upstream, given.workers, given.timeout_s, given.max_retries, given.payments), given.port)


if __name__ == "__main__":
    main()
