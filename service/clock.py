"""Time as a part that is passed in, so that tests shift it instead of sleeping.

Every wait, timeout and timestamp of the stages, the sessions and the store goes through a ``Clock``; only the bounds
on what clients send and read (``gateway/body.py``, ``gateway/events.py``) are the event loop's own. Next:
``lag.py``.
"""

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol


class Clock(Protocol):
    """What the service knows of time; seconds everywhere."""

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps: for durations and deadlines."""
        ...

    def time(self) -> float:
        """Unix seconds: for what others read."""
        ...

    async def sleep(self, delay_s: float) -> None:
        """Wait ``delay_s`` seconds; cancellable."""
        ...

    def timeout_at(self, when_s: float | None) -> AbstractAsyncContextManager[Any]:
        """Raise ``TimeoutError`` in the block once ``monotonic()`` passes ``when_s`` (None: never)."""
        ...


class SystemClock:
    """The real one; ``monotonic`` is the event loop's own time base."""

    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)

    async def sleep(self, delay_s: float) -> None:
        """Wait ``delay_s`` seconds; cancellable."""
        await asyncio.sleep(delay_s)

    def timeout_at(self, when_s: float | None) -> asyncio.Timeout:
        """Raise ``TimeoutError`` in the block once ``monotonic()`` passes ``when_s``."""
        return asyncio.timeout_at(when_s)
