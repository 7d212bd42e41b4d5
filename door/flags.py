"""Values that several verbs take on the command line. Read `trace.py` next."""

import argparse
import re
import time
from collections.abc import Callable

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def seconds(text: str) -> float:
    """`90s`, `5m`, `2h`, `1d` in seconds; a bare number is seconds. For argparse."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text.strip())
    if match is None or float(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"got {text!r}; expected a time such as 90s, 5m or 2h")
    return float(match[1]) * _UNITS[match[2] or "s"]


def moment(text: str) -> float:
    """How long ago (`90s`, `5m`), or `@` and Unix seconds, as `date -d` takes them; as Unix seconds. For argparse."""
    if re.fullmatch(r"@\d+(?:\.\d+)?", text):
        return float(text[1:])
    return time.time() - seconds(text)


def whole(least: int, most: int) -> Callable[[str], int]:
    """A parser of whole numbers within bounds. For argparse."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"got {text!r}; expected a number from {least} to {most}")
        return int(text)

    return parse
