"""What a test waits for: that something holds, with a loop or without, or that many have ended at once."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

START_WITHIN_S = 60


async def eventually(true: Callable[[], Any], what: object, *, within_s: float = 15.0, every_s: float = 0.02) -> None:
    """Wait until ``true()`` (awaited) holds; looked at each ``every_s``; fails after ``within_s``."""
    end_s = time.monotonic() + within_s
    while not await true():
        assert time.monotonic() < end_s, f"waited {within_s} s in vain for {what}"
        await asyncio.sleep(every_s)


def wait_for(true: Callable[[], bool], what: str, *, within_s: float = START_WITHIN_S) -> None:
    """The same without a loop."""
    end_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end_s, f"waited {within_s} s in vain for {what}"
        time.sleep(0.02)


async def at_once(count: int, make: Callable[[int], Any]) -> list[Any]:
    """``count`` coroutines at once, their results in order."""
    return list(await asyncio.gather(*(make(number) for number in range(count))))
